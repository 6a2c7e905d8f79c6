"""Ring keys that lie wrapped in a file: opened by Key Vault or, when it does not answer, by the local key."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

from holdfast.bootstrap.vault import access_of
from holdfast.config import Settings
from holdfast.crypto.keyring import RingKey, parse_key
from holdfast.crypto.wrapped import (
    WrappedKey,
    opened,
    parse_wrapped,
    unwrap_locally,
    valid_identifier,
    wrap_locally,
)
from holdfast.embedded.keyfile import key_lines
from holdfast.errors import HoldfastError, InvalidInput, StartupError
from holdfast.resilience.events import Event, Log
from holdfast.stores.keyvault import open_vault_key

T = TypeVar("T")

_log: Final = Log(__name__)

OWNER_ONLY: Final = 0o077
CREDENTIAL_BITS: Final = 0o007
"""systemd grants its service a credential by an access list, which shows in the bits of the group."""


def closed_to(path: Path, settings: Settings) -> int:
    """The bits that the mode of a key file must not have."""
    folder = settings.credentials_dir
    return CREDENTIAL_BITS if folder is not None and path.is_relative_to(folder) else OWNER_ONLY


def open_wrapped(line: str, settings: Settings) -> RingKey:
    """Return the key of a line; nothing is written.

    Raises:
        InvalidInput: the line is no wrapped key.
        StartupError: neither Key Vault nor the local key opens it; the text says why for each.
    """
    wrapped = parse_wrapped(line)
    faults = []
    for name, way in (("Key Vault", _by_vault), ("the local key", _by_local)):
        try:
            key = way(wrapped, settings)
        except HoldfastError as error:
            faults.append(f"{name}: {error}")
        else:
            if faults:
                _log(Event.KEY_OPENED_LOCALLY, key_id=wrapped.key_id, reason=faults[0])
            return key
    raise StartupError(
        f"The wrapped key {wrapped.key_id} cannot be opened ({'; '.join(faults)}). Nothing was written. Bring "
        "Key Vault back, or give the local key with HOLDFAST_UNWRAPPING_KEY_FILE; if wrapped by both, either does."
    )


def wrap(text: str, vault_key: str, settings: Settings, *, vault_only: bool = False) -> str:
    """Return the line of a key in base64 that is wrapped by a key in Key Vault, and by the local key.

    Raises:
        InvalidInput: it has no identifier, or there is no local key and ``vault_only`` was not said.
        BackendUnavailable: Key Vault does not wrap it.
    """
    identifier, key = valid_identifier(vault_key), parse_key(text)
    if settings.unwrapping_key_file is None and not vault_only:
        raise InvalidInput(
            "There is no local key to wrap it by as well, so no node could start while Key Vault is down. Name one "
            "with HOLDFAST_UNWRAPPING_KEY_FILE, or say --vault-only.",
            field="vault_key",
        )
    local = settings.unwrapping_key_file
    by_local = wrap_locally(_local_key(local, settings), key) if local is not None and not vault_only else None
    by_vault = _settled(_ask(identifier, settings, "wrap", key))
    wrapped = WrappedKey(key_id=RingKey(key).id, vault_key=identifier, by_vault=by_vault, by_local=by_local)
    opened(wrapped, _settled(_ask(identifier, settings, "unwrap", by_vault)))  # what it cannot open is no copy
    return wrapped.line


def _by_vault(wrapped: WrappedKey, settings: Settings) -> RingKey:
    if wrapped.vault_key is None or wrapped.by_vault is None:
        raise InvalidInput("it is not wrapped by a key there")
    return opened(wrapped, _settled(_ask(wrapped.vault_key, settings, "unwrap", wrapped.by_vault)))


def _by_local(wrapped: WrappedKey, settings: Settings) -> RingKey:
    if wrapped.by_local is None:
        raise InvalidInput("it is not wrapped by one")
    if settings.unwrapping_key_file is None:
        raise InvalidInput("HOLDFAST_UNWRAPPING_KEY_FILE names none")
    return opened(wrapped, unwrap_locally(_local_key(settings.unwrapping_key_file, settings), wrapped.by_local))


def _local_key(path: Path, settings: Settings) -> bytes:
    lines = key_lines(path, closed_to(path, settings))
    if len(lines) != 1:
        raise StartupError(f"{path} must hold one key, and holds {len(lines)}.")
    try:
        return parse_key(lines[0][1])
    except InvalidInput as fault:
        raise StartupError(f"The key in {path} {fault}") from None


async def _ask(identifier: str, settings: Settings, operation: str, given: bytes) -> bytes:
    async with open_vault_key(identifier, access_of(settings)) as key:
        return await (key.wrap(given) if operation == "wrap" else key.unwrap(given))


def _settled(work: Coroutine[Any, Any, T]) -> T:
    """What comes of something, whether or not this thread has an event loop."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()
