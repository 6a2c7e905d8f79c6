"""Where the keys of a node come from: the environment, a file, systemd's credentials, the data folder.

All that are given count; which of them seals is said in the database. Only an installation with a database of its own
makes a key by itself, and only if it was given none.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast.bootstrap.datafolder import check_data_folder
from holdfast.bootstrap.keyopening import closed_to, open_wrapped, wrap
from holdfast.config import Settings
from holdfast.crypto.keyring import OPENING_SETTING, PRIMARY_SETTING, KeyRing, RingKey, generate_key, parse_key
from holdfast.crypto.wrapped import is_wrapped, parse_wrapped
from holdfast.embedded.keyfile import FILE_NAME, append_key, key_lines, load_or_make_keys
from holdfast.errors import ConfigurationError, Conflict, InvalidInput, StartupError

CREDENTIAL: Final = "holdfast.keys"
"""The name of the credential: ``LoadCredentialEncrypted=holdfast.keys:/etc/holdfast/keys.cred``."""

_NONE: Final = (
    "FALLBACK_ENCRYPTION_KEY is missing: with a database of your own, give 32 random bytes in base64, "
    "there or in HOLDFAST_ENCRYPTION_KEY_FILE"
)


@dataclass(frozen=True, slots=True)
class AddedKey:
    """A key that was added to a file, or is to be put into the environment: then ``key`` is the key itself."""

    key_id: str
    path: Path | None = None
    key: str | None = field(default=None, repr=False)


def key_ring(settings: Settings, *, own_database: bool) -> KeyRing:
    """Return the ring of all sources; an installation with a database of its own makes a key if it was given none.

    Raises:
        ConfigurationError: a key is needed and missing, or one is unusable; every fault is named.
        StartupError: a key file is unusable, or others may change it or the data folder.
    """
    check_data_folder(settings.data_dir)
    given = list(_given(settings))
    if not given and own_database:
        path = settings.data_dir / FILE_NAME
        given = [(f"{path} (line {place})", text) for place, text in load_or_make_keys(settings.data_dir)]
    if not given:
        raise ConfigurationError([_NONE])
    former = [(f"{OPENING_SETTING} (key {place})", text) for place, text in enumerate(settings.decryption_keys, 1)]
    keys = _parsed([*given, *former], settings)
    return KeyRing(keys[0], keys[1:])


def present_ring(settings: Settings) -> KeyRing:
    """Return the ring of the settings or of the data folder; no key is ever made.

    Raises:
        ConfigurationError: there is no key.
        StartupError: the key file is unusable.
    """
    path = settings.data_dir / FILE_NAME
    if not any(_given(settings)) and (settings.database_url is not None or not path.exists()):
        said = (
            f"FALLBACK_ENCRYPTION_KEY is missing, and there is no {path}: give the key of this installation, or of the "
            "backup, there or in HOLDFAST_ENCRYPTION_KEY_FILE; `openssl rand -base64 32` makes the first one"
        )
        raise ConfigurationError([said])
    return key_ring(settings, own_database=settings.database_url is None)


def key_file(settings: Settings) -> Path | None:
    """The file that a node's keys are in; None when the environment alone gives them."""
    if settings.encryption_key_file is not None:
        return settings.encryption_key_file
    return settings.data_dir / FILE_NAME if settings.encryption_key is None and not _credential(settings) else None


def key_place(settings: Settings) -> str:
    """Where this node's keys are, in words, for those who keep a copy of them."""
    places = [str(key_file(settings) or "")]
    if settings.encryption_key is not None:
        places.append(PRIMARY_SETTING)
    if _credential(settings) is not None:
        places.append(f"the credential {CREDENTIAL}")
    return " and ".join(filter(None, places))


def is_deferred(settings: Settings) -> bool:
    """Whether keys lie wrapped, so that opening them may take as long as Key Vault takes."""
    return any(is_wrapped(text) for _, text in _given(settings))


def add_key(
    settings: Settings, text: str | None = None, *, vault_key: str | None = None, vault_only: bool = False
) -> AddedKey:
    """Add a key to the file of this machine's keys, where there is one: a new one, or the one in base64 ``text``.

    With the identifier of a key in Key Vault it is wrapped by that one, and by the local key unless ``vault_only``.

    Raises:
        InvalidInput: the text is no key, or it is to be wrapped and cannot be.
        BackendUnavailable: Key Vault does not wrap it.
        Conflict: the file holds it already.
        StartupError: the file is unusable.
    """
    text = generate_key() if text is None else text.strip()
    try:
        key = RingKey(parse_key(text))
    except InvalidInput as fault:
        raise InvalidInput(f"The key {fault}", field="key") from None
    check_data_folder(settings.data_dir)
    path = key_file(settings) if settings.encryption_key_file or settings.database_url is None else None
    if path is None and vault_key is not None:
        raise InvalidInput("A wrapped key belongs into a file: name it with HOLDFAST_ENCRYPTION_KEY_FILE.")
    if path is None:
        return AddedKey(key.id, key=text)
    if key.id in _ids_in(path, settings):
        raise Conflict(f"The key {key.id} is in {path} already.")
    append_key(path, wrap(text, vault_key, settings, vault_only=vault_only) if vault_key is not None else text)
    return AddedKey(key.id, path)


def _ids_in(path: Path, settings: Settings) -> set[str]:
    """The ids of the keys in a file that may not be there yet; wrapped ones are not opened for it."""
    lines = [text for _, text in key_lines(path, closed_to(path, settings))] if path.exists() else []
    plain = [(str(path), text) for text in lines if not is_wrapped(text)]
    wrapped = {parse_wrapped(text).key_id for text in lines if is_wrapped(text)}
    return wrapped | {each.id for each in _parsed(plain, settings)}


def _given(settings: Settings) -> Iterator[tuple[str, str]]:
    """Keys by where they are from, the first of which seals where nothing was ever sealed."""
    if settings.encryption_key is not None:
        yield PRIMARY_SETTING, settings.encryption_key
    if settings.encryption_key_file is not None:
        yield from _in(settings.encryption_key_file, settings)
    credential = _credential(settings)
    if credential is not None:
        yield from _in(credential, settings)


def _in(path: Path, settings: Settings) -> Iterator[tuple[str, str]]:
    lines = key_lines(path, closed_to(path, settings))
    if not lines:
        raise StartupError(f"The key file {path} holds no key. `holdfast keys add` adds one.")
    for place, text in lines:
        yield f"{path} (line {place})", text


def _credential(settings: Settings) -> Path | None:
    folder = settings.credentials_dir
    if folder is None:
        return None
    path = folder / CREDENTIAL
    with suppress(OSError):
        return path if path.exists() else None
    return None


def _parsed(labelled: list[tuple[str, str]], settings: Settings) -> list[RingKey]:
    keys, faults = list[RingKey](), list[str]()
    for label, text in labelled:
        try:
            keys.append(open_wrapped(text, settings) if is_wrapped(text) else RingKey(parse_key(text)))
        except InvalidInput as fault:
            faults.append(f"{label} {fault}")
    if faults:
        raise ConfigurationError(faults)
    return keys
