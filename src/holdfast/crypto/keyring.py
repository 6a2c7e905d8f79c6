"""The key ring: the keys Holdfast is given, and every key it derives from them.

Each ring key is 32 random bytes and is never used itself. HKDF-SHA256 (RFC 5869) derives one subkey per purpose from
it, so that what one purpose does with its key says nothing about another. The key id is derived in the same way: it
is safe to store and to show, and gives away nothing about the key.
"""

import base64
import binascii
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final, final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from holdfast.crypto.aead import KEY_BYTES
from holdfast.errors import ConfigurationError, InvalidInput, KeyUnavailable

PRIMARY_SETTING: Final = "FALLBACK_ENCRYPTION_KEY"
OPENING_SETTING: Final = "HOLDFAST_DECRYPTION_KEYS"
KEY_ID_BYTES: Final = 8

_MEND: Final = "make one with: openssl rand -base64 32"
_MIN_DISTINCT_BYTES: Final = 8
"""32 random bytes with fewer distinct values than this occur once in 10^35 keys; typed-in ones often have fewer."""


def derive(key: bytes, label: str, *, salt: bytes | None = None, length: int = KEY_BYTES) -> bytes:
    """Return the subkey of ``key`` for a purpose: HKDF-SHA256 with ``label`` as its info."""
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=f"holdfast:v1:{label}".encode()).derive(key)


def parse_key(text: str) -> bytes:
    """Return the 32 key bytes that base64 ``text`` stands for.

    Raises:
        InvalidInput: not base64, not 32 bytes, or plainly not random. The text does not repeat the key.
    """
    key = None
    with suppress(binascii.Error, ValueError):  # it may hold the text, so it may not stay as the context of ours
        key = base64.b64decode(text.strip(), validate=True)
    if key is None:
        raise InvalidInput(f"is not valid base64 of {KEY_BYTES} bytes; {_MEND}")
    if len(key) != KEY_BYTES:
        raise InvalidInput(f"holds {len(key)} bytes, and an AES-256 key has {KEY_BYTES}; {_MEND}")
    if len(set(key)) < _MIN_DISTINCT_BYTES:
        raise InvalidInput(f"is not random (hardly any two bytes differ); {_MEND}")
    return key


@final
class RingKey:
    """One key of the ring and its id. It does not show itself."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a ring key has {KEY_BYTES} bytes")
        self._key = key
        self.id = derive(key, "key id", length=KEY_ID_BYTES).hex()

    def subkey(self, label: str) -> bytes:
        """Return this key's subkey for a purpose."""
        return derive(self._key, label)

    def __repr__(self) -> str:
        return f"RingKey({self.id})"


@final
class KeyRing:
    """Keys by id. One seals, every one opens; which one is said by the id stored with the bytes.

    The first one seals until ``seal_with`` names another: which one it is to be is said in the database, for all nodes.
    ``sealed`` counts, by key id, what was sealed since it was last emptied.
    """

    __slots__ = ("_by_id", "primary", "sealed")

    def __init__(self, primary: RingKey, others: Iterable[RingKey] = ()) -> None:
        self.primary = primary
        self.sealed = Counter[str]()
        self._by_id = {key.id: key for key in (primary, *others)}

    @classmethod
    def from_settings(cls, primary: str, opening: Sequence[str] = ()) -> "KeyRing":
        """Return the ring of a base64 key and of further ones that only open.

        Raises:
            ConfigurationError: lists every unusable key by its setting and place in it, never the key itself.
        """
        labels = [PRIMARY_SETTING, *(f"{OPENING_SETTING} (key {place})" for place in range(1, len(opening) + 1))]
        keys, faults = list[RingKey](), list[str]()
        for label, text in zip(labels, (primary, *opening), strict=True):
            try:
                keys.append(RingKey(parse_key(text)))
            except InvalidInput as fault:
                faults.append(f"{label} {fault}")
        if faults:
            raise ConfigurationError(faults)
        return cls(keys[0], keys[1:])

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, in the order of the settings."""
        return tuple(self._by_id)

    @property
    def sealing(self) -> str:
        """The id of the key that seals."""
        return self.primary.id

    def seal_with(self, key_id: str) -> None:
        """Let the key of an id seal from now on.

        Raises:
            KeyUnavailable: the ring has none.
        """
        self.primary = self.key(key_id)

    def subkeys(self, label: str) -> list[bytes]:
        """Every key's subkey for a purpose, that of the sealing key first."""
        former = (key for key in self._by_id.values() if key is not self.primary)
        return [key.subkey(label) for key in (self.primary, *former)]

    def key(self, key_id: str) -> RingKey:
        """Return the key of an id.

        Raises:
            KeyUnavailable: the ring has none.
        """
        try:
            return self._by_id[key_id]
        except (KeyError, TypeError):  # a row with no key id at all ends here too
            raise KeyUnavailable(
                f"No key with the fingerprint {_shown(key_id)} in the ring (it holds {', '.join(self.ids)}). "
                f"Add that key to {OPENING_SETTING}."
            ) from None

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.ids)})"


def generate_key() -> str:
    """Return a new random key as base64 text, as ``FALLBACK_ENCRYPTION_KEY`` takes it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def _shown(key_id: object) -> str:
    """An untrusted key id, short and on one line."""
    return ascii(key_id)[:40] if isinstance(key_id, str) else "(none)"
