"""Ring keys that lie in a file sealed: by a key in Key Vault, by a local key, or by both, so that either opens them.

    wrapped <key id> [vault <key identifier> <base64>] [local <base64>]

The local wrap is AES Key Wrap (RFC 3394) under a key derived from the local one.
"""

import base64
import binascii
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from holdfast.crypto.keyring import RingKey, derive
from holdfast.errors import IntegrityFailure, InvalidInput

_LABEL: Final = "local wrap"
_WORD: Final = "wrapped"
_LINE: Final = re.compile(
    r"wrapped ([0-9a-f]{16})(?: vault (\S{1,400}) ([A-Za-z0-9+/=]{1,4096}))?(?: local ([A-Za-z0-9+/=]{1,128}))?",
    re.ASCII,
)
_IDENTIFIER: Final = re.compile(
    r"https://[0-9A-Za-z.-]{1,253}(?::[0-9]{1,5})?/keys/[0-9A-Za-z-]{1,127}/[0-9A-Za-z]{1,64}", re.ASCII
)
_NONE: Final = "is no wrapped key; `holdfast keys add --vault-key` writes one"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappedKey:
    """A sealed ring key. ``vault_key``: the identifier of the key in Key Vault, with its version."""

    key_id: str
    vault_key: str | None = None
    by_vault: bytes | None = None
    by_local: bytes | None = None

    @property
    def line(self) -> str:
        """How it stands in a file."""
        parts = [_WORD, self.key_id]
        if self.vault_key is not None and self.by_vault is not None:
            parts += ("vault", self.vault_key, base64.b64encode(self.by_vault).decode())
        if self.by_local is not None:
            parts += ("local", base64.b64encode(self.by_local).decode())
        return " ".join(parts)


def is_wrapped(line: str) -> bool:
    """Whether a line of a key file means to hold a sealed key."""
    return line.partition(" ")[0] == _WORD


def parse_wrapped(line: str) -> WrappedKey:
    """Read such a line.

    Raises:
        InvalidInput: it is none.
    """
    found = _LINE.fullmatch(line)
    if found is None or not (found[3] or found[4]):
        raise InvalidInput(_NONE)
    vault_key = valid_identifier(found[2]) if found[2] else None
    return WrappedKey(key_id=found[1], vault_key=vault_key, by_vault=_decoded(found[3]), by_local=_decoded(found[4]))


def _decoded(part: str | None) -> bytes | None:
    """One copy. A damaged one is refused: nobody would know that it is gone until the other one fails as well."""
    with suppress(binascii.Error, ValueError):
        return base64.b64decode(part, validate=True) if part else None
    raise InvalidInput(_NONE)


def valid_identifier(text: str) -> str:
    """The identifier of a key in Key Vault, with its version: without, a new one there would open nothing.

    Raises:
        InvalidInput: it is none.
    """
    if not _IDENTIFIER.fullmatch(text):
        raise InvalidInput("names no key in Key Vault: give https://<vault>.vault.azure.net/keys/<name>/<version>")
    return text


def wrap_locally(local: bytes, key: bytes) -> bytes:
    """Seal a ring key under a local one."""
    return aes_key_wrap(derive(local, _LABEL), key)


def unwrap_locally(local: bytes, wrapped: bytes) -> bytes:
    """Return a ring key that was sealed under a local one.

    Raises:
        IntegrityFailure: another local key sealed it, or it was changed.
    """
    try:
        return aes_key_unwrap(derive(local, _LABEL), wrapped)
    except (InvalidUnwrap, ValueError):
        raise IntegrityFailure("the local key is not the one that wrapped it, or it was changed") from None


def opened(wrapped: WrappedKey, key: bytes) -> RingKey:
    """Return the ring key that was unwrapped, which must be the one that was wrapped.

    Raises:
        IntegrityFailure: it is another.
    """
    try:
        found = RingKey(key)
    except ValueError:
        raise IntegrityFailure("what came out is no key") from None
    if found.id != wrapped.key_id:
        raise IntegrityFailure("what came out is another key than went in")
    return found
