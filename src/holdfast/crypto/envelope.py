"""Envelope encryption of secret values, and MACs over the rows that carry them.

A stored value (``SealedValue``) is five columns:

    +------------+-------------------+----------+------------+----------+
    | key id     | wrapped key       | iv       | ciphertext | auth tag |
    | 16 hex     | 40 bytes          | 12 bytes | as UTF-8   | 16 bytes |
    +------------+-------------------+----------+------------+----------+

Each value is sealed by AES-256-GCM under a random data key of its own, bound to every fact of its place. The data key
is wrapped by AES Key Wrap (RFC 3394, NIST SP 800-38F) under a subkey of the ring key. Invariant I16 holds by
construction: a data key seals one value, and Key Wrap has no nonce, hence no 2^32 bound on what one key may wrap.

An attestation is text: ``v1.<key id>.<HMAC-SHA256 in hex>``.
"""

import hmac
import os
import re
from contextlib import suppress
from functools import lru_cache
from typing import Final, final

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from holdfast.crypto.aead import KEY_BYTES, Aead
from holdfast.crypto.binding import bind_place
from holdfast.crypto.blobs import BlobSealer
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.sealed import Place, SealedValue
from holdfast.domain.secret import SecretValue
from holdfast.errors import IntegrityFailure, InvalidInput

_ATTESTATION: Final = re.compile(r"v1\.([0-9a-f]{16})\.([0-9a-f]{64})", re.ASCII)


@final
class Envelope:
    """Seals, opens, attests and verifies under the keys of a ring; implements ``ports.Sealer``."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._blobs = BlobSealer(ring)
        self.seal_bytes = self._blobs.seal
        self.open_bytes = self._blobs.open
        self._subkey = lru_cache(maxsize=64)(lambda key_id, label: ring.key(key_id).subkey(label))

    def seal(self, place: Place, value: SecretValue) -> SealedValue:
        """Seal a value for a place under a fresh data key.

        Raises:
            InvalidInput: the value is not text that UTF-8 can carry.
        """
        key_id = self._ring.sealing
        data_key = os.urandom(KEY_BYTES)
        iv, ciphertext, tag = Aead(data_key).seal(_encode(value), bind_place(place))
        wrapped = self._wrap(key_id, data_key)
        return SealedValue(key_id=key_id, wrapped_key=wrapped, iv=iv, ciphertext=ciphertext, auth_tag=tag)

    def open(self, place: Place, sealed: SealedValue) -> SecretValue:
        """Return the value sealed for this very place.

        Raises:
            IntegrityFailure: the bytes do not authenticate for this place.
            KeyUnavailable: the ring lacks the key they name.
        """
        wrapping_key = self._subkey(sealed.key_id, "wrap")
        try:
            data_key = Aead(aes_key_unwrap(wrapping_key, sealed.wrapped_key))
            plaintext = data_key.open(sealed.iv, sealed.ciphertext, sealed.auth_tag, bind_place(place))
        # ValueError: a wrapped key of another length. TypeError: a column that is NULL.
        except (IntegrityFailure, InvalidUnwrap, ValueError, TypeError):
            raise IntegrityFailure(
                f"The stored value of {place.name!r}, version {place.version}, does not authenticate: it was "
                f"changed, or belongs to another place. It is not served."
            ) from None
        return SecretValue(plaintext.decode())

    def rewrap(self, key_id: str, wrapped_key: bytes) -> tuple[str, bytes]:
        """Return a data key under the key that seals now, and that key's id. The value under it stays as it is.

        Raises:
            IntegrityFailure: this is not what the key of that id wrapped.
            KeyUnavailable: the ring lacks it.
        """
        try:
            data_key = aes_key_unwrap(self._subkey(key_id, "wrap"), wrapped_key)
        except (InvalidUnwrap, ValueError, TypeError):
            raise IntegrityFailure("A wrapped data key does not authenticate: it was changed.") from None
        sealing = self._ring.sealing
        return sealing, self._wrap(sealing, data_key)

    def attest(self, facts: bytes) -> str:
        """Return a keyed MAC over facts about a row that must not be edited behind our back."""
        key_id = self._ring.sealing
        return f"v1.{key_id}.{self._mac(key_id, facts)}"

    def verify(self, facts: bytes, attestation: str) -> None:
        """Check such a MAC in constant time.

        Raises:
            IntegrityFailure: the facts are not the attested ones.
            KeyUnavailable: the ring lacks the key that attested them.
        """
        parts = _ATTESTATION.fullmatch(attestation)
        if parts is None or not hmac.compare_digest(self._mac(parts[1], facts), parts[2]):
            raise IntegrityFailure("A row does not carry a valid attestation of its facts: it was changed.")

    def _wrap(self, key_id: str, data_key: bytes) -> bytes:
        self._ring.sealed[key_id] += 1
        return aes_key_wrap(self._subkey(key_id, "wrap"), data_key)

    def _mac(self, key_id: str, facts: bytes) -> str:
        return hmac.digest(self._subkey(key_id, "attest"), facts, "sha256").hex()


def _encode(value: SecretValue) -> bytes:
    with suppress(UnicodeEncodeError):  # it holds the value, so it may not stay as the context of ours
        return value.reveal().encode()
    raise InvalidInput("value is not text: it holds half a surrogate pair.", field="value")
