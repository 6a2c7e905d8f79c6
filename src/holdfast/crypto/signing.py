"""Ed25519 (RFC 8032), for statements that outsiders check."""

import os
from hashlib import sha256
from typing import Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from holdfast.errors import InvalidInput

SEED_BYTES: Final = 32
PUBLIC_KEY_BYTES: Final = 32
_TEXT: Final = "holdfast-audit-ed25519"


def key_id_of(public_key: bytes) -> str:
    """The name of a key: the first 16 hex digits of SHA-256 of the public half."""
    return sha256(public_key).hexdigest()[:16]


@final
class Signer:
    """Signs with one private key, a fresh one by default."""

    def __init__(self, seed: bytes | None = None) -> None:
        self.seed = os.urandom(SEED_BYTES) if seed is None else seed
        self._key = Ed25519PrivateKey.from_private_bytes(self.seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def sign(self, data: bytes) -> bytes:
        """Return the 64-byte signature of some bytes."""
        return self._key.sign(data)


@final
class KeyFile:
    """Public keys as text, a line each: ``holdfast-audit-ed25519 <64 hex digits>``. Lines with # are comments."""

    def __init__(self, public_keys: list[bytes]) -> None:
        self._keys = {key_id_of(key): Ed25519PublicKey.from_public_bytes(key) for key in public_keys}

    @classmethod
    def parse(cls, text: str) -> "KeyFile":
        """Read the text.

        Raises:
            InvalidInput: a line is no key, or there is none.
        """
        lines = [line.strip() for line in text.splitlines()]
        keys = [_key_in(line) for line in lines if line and not line.startswith("#")]
        if not keys:
            raise InvalidInput("The key file holds no key. `holdfast audit key` writes one.", field="key")
        return cls(keys)

    def signed(self, key_id: str, data: bytes, signature: bytes) -> bool:
        """Whether the key of that id made this signature of these bytes."""
        key = self._keys.get(key_id)
        if key is None:
            return False
        try:
            key.verify(signature, data)
        except InvalidSignature:
            return False
        return True


def key_line(public_key: bytes) -> str:
    """The line of a public key."""
    return f"{_TEXT} {public_key.hex()}"


def _key_in(line: str) -> bytes:
    kind, _, text = line.partition(" ")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if kind != _TEXT or len(key) != PUBLIC_KEY_BYTES:
        raise InvalidInput("The key file holds a line that is no key. `holdfast audit key` writes one.", field="key")
    return key
