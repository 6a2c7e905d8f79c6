"""Sealed blobs: bytes that carry all it takes to open them, given the ring, their purpose and their context.

    +--------+----------+----------+----------+------------+----------+
    | format | key id   | salt     | nonce    | ciphertext | tag      |
    | 1 byte | 8 bytes  | 16 bytes | 12 bytes | as the     | 16 bytes |
    | 0x01   |          |          |          | plaintext  |          |
    +--------+----------+----------+----------+------------+----------+

The blob is sealed by AES-256-GCM under HKDF(subkey of the ring key for the purpose, salt). Its associated data are
the first 25 bytes, the purpose and the context. Each process draws its own salt and a new one after 2^20 blobs, so
that no key ever seals 2^32 of them, be it forked a thousand times.
"""

import os
from functools import lru_cache
from typing import Final, final

from holdfast.crypto.aead import NONCE_BYTES, TAG_BYTES, Aead
from holdfast.crypto.binding import frame
from holdfast.crypto.keyring import KEY_ID_BYTES, KeyRing, derive
from holdfast.errors import IntegrityFailure

BLOBS_PER_SALT: Final = 2**20
BLOB_OVERHEAD_BYTES: Final = 1 + KEY_ID_BYTES + 16 + NONCE_BYTES + TAG_BYTES

_FORMAT: Final = b"\x01"
_SALT_BYTES: Final = 16
_SALT_AT: Final = 1 + KEY_ID_BYTES
_NONCE_AT: Final = _SALT_AT + _SALT_BYTES
_CIPHERTEXT_AT: Final = _NONCE_AT + NONCE_BYTES
_DERIVED_KEYS_KEPT: Final = 128
"""One per purpose and process that sealed lately; deriving one again takes microseconds."""


@final
class BlobSealer:
    """Seals and opens blobs under the keys of a ring."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._salt = os.urandom(_SALT_BYTES)
        self._sealed = 0
        self._keyed = lru_cache(_DERIVED_KEYS_KEPT)(self._derive)

    def seal(self, purpose: str, context: bytes, plaintext: bytes) -> bytes:
        """Seal a blob for a purpose and a context that must be repeated to open it."""
        key_id = self._ring.sealing
        header = _FORMAT + bytes.fromhex(key_id) + self._next_salt()
        self._ring.sealed[key_id] += 1
        aead, bound = self._keyed(purpose, header)
        nonce, ciphertext, tag = aead.seal(plaintext, bound + frame(context))
        return b"".join((header, nonce, ciphertext, tag))

    def open(self, purpose: str, context: bytes, blob: bytes) -> bytes:
        """Return the content of a blob sealed for this purpose and context.

        Raises:
            IntegrityFailure: too short, of an unknown format, or it does not authenticate.
            KeyUnavailable: the ring lacks the key it names.
        """
        if len(blob) < BLOB_OVERHEAD_BYTES or blob[:1] != _FORMAT:
            raise IntegrityFailure(f"A sealed blob ({purpose}) is too short or of an unknown format.")
        header = blob[:_NONCE_AT]
        aead, bound = self._keyed(purpose, header)
        return aead.open(
            blob[_NONCE_AT:_CIPHERTEXT_AT],
            blob[_CIPHERTEXT_AT:-TAG_BYTES],
            blob[-TAG_BYTES:],
            bound + frame(context),
        )

    def _next_salt(self) -> bytes:
        if self._sealed >= BLOBS_PER_SALT:
            self._salt, self._sealed = os.urandom(_SALT_BYTES), 0
        self._sealed += 1
        return self._salt

    def _derive(self, purpose: str, header: bytes) -> tuple[Aead, bytes]:
        """The cipher for a purpose and a salt, and the associated data that all its blobs have in common."""
        key = self._ring.key(header[1:_SALT_AT].hex())
        aead = Aead(derive(key.subkey(purpose), "blob", salt=header[_SALT_AT:]))
        return aead, header + frame(purpose.encode())
