"""AES-256-GCM with nothing to choose: random nonces, full tags, associated data always."""

import os
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.errors import IntegrityFailure

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""96 bits, the length for which GCM is defined without hashing the nonce (NIST SP 800-38D, 5.2.1.1)."""

TAG_BYTES: Final = 16
"""128 bits. Shorter tags are legal GCM, easier to forge, and refused."""


@final
class Aead:
    """One AES-256-GCM key, with its schedule kept: three times faster than setting it up for each message.

    Nonces are random, so a key may seal at most 2^32 messages (NIST SP 800-38D, 8.3). The callers keep that bound
    by deriving or drawing keys often.
    """

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"an AES-256 key has {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, associated_data: bytes) -> tuple[bytes, bytes, bytes]:
        """Return a fresh nonce, the ciphertext (as long as the plaintext) and the tag."""
        nonce = os.urandom(NONCE_BYTES)  # the kernel's generator: a forked child cannot repeat it
        sealed = self._cipher.encrypt(nonce, plaintext, associated_data)
        return nonce, sealed[:-TAG_BYTES], sealed[-TAG_BYTES:]

    def open(self, nonce: bytes, ciphertext: bytes, tag: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            IntegrityFailure: nonce or tag of another length, or anything that does not authenticate.
        """
        if len(nonce) != NONCE_BYTES or len(tag) != TAG_BYTES:
            raise IntegrityFailure("A sealed value has a nonce or tag of the wrong length.")
        try:
            return self._cipher.decrypt(nonce, ciphertext + tag, associated_data)
        except InvalidTag:
            raise IntegrityFailure("A sealed value does not authenticate.") from None
