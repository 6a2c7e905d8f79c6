"""Authenticated encryption bound to a place."""

from typing import Protocol

from holdfast.domain.sealed import Place, SealedValue
from holdfast.domain.secret import SecretValue


class Sealer(Protocol):
    """Authenticated encryption bound to a place.

    Everything that opens or verifies raises ``IntegrityFailure`` when the bytes do not authenticate for the given
    place, and ``KeyUnavailable`` when the ring lacks the key they name.
    """

    def seal(self, place: Place, value: SecretValue) -> SealedValue:
        """Seal a value for a place under a fresh data key."""

    def open(self, place: Place, sealed: SealedValue) -> SecretValue:
        """Return the value sealed for this very place."""

    def rewrap(self, key_id: str, wrapped_key: bytes) -> tuple[str, bytes]:
        """Return a data key under the ring key that seals now, and the id of that one."""

    def attest(self, facts: bytes) -> str:
        """Return a keyed MAC over facts about a row that must not be edited behind our back."""

    def verify(self, facts: bytes, attestation: str) -> None:
        """Check such a MAC in constant time."""

    def seal_bytes(self, purpose: str, context: bytes, plaintext: bytes) -> bytes:
        """Seal a blob for a purpose ("cache", "backup") and a context that must be repeated to open it."""

    def open_bytes(self, purpose: str, context: bytes, blob: bytes) -> bytes:
        """Return a blob sealed for this very purpose and context."""


def unambiguous(*parts: str) -> bytes:
    """Return parts as bytes for ``Sealer.attest``: no other parts give the same bytes."""
    return b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
