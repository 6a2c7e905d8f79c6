"""The same idempotency key gives the same answer, and never a second change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from holdfast.domain.secret import JSONObject, SecretVersion
from holdfast.errors import (
    HoldfastError,
    IdempotencyMismatch,
    IntegrityFailure,
    Rejected,
    SecretDeleted,
    VaultRefusal,
)
from holdfast.ports import LedgerTransaction, Sealer
from holdfast.ports.places import REQUEST, as_text, from_text, request_place
from holdfast.service.access.guard import Authorized


@dataclass(frozen=True, slots=True)
class Made:
    """What a request made, as its repetition is to be told."""

    version: int
    version_id: str
    created_at: datetime
    intent: UUID
    dropped: tuple[str, ...] = ()
    display_name: str = ""

    @classmethod
    def of(cls, version: SecretVersion, intent: UUID, dropped: tuple[str, ...], display_name: str) -> "Made":
        """The version a request made, the intent that brings it to Key Vault, and the dates that it left out."""
        return cls(version.version, version.version_id, version.created_at, intent, dropped, display_name)

    def answer(self) -> JSONObject:
        """What is kept of it."""
        return {
            "version": self.version,
            "version_id": self.version_id,
            "created_at": self.created_at.isoformat(),
            "intent": str(self.intent),
            "dropped": list(self.dropped),
            "display_name": self.display_name,
        }


async def recall(
    tx: LedgerTransaction, sealer: Sealer, authorized: Authorized, key: str | None, request: Sequence[str]
) -> Made | None:
    """Return what the caller's earlier request under ``key`` made; None if there was none.

    Raises:
        IdempotencyMismatch: that request was a different one.
        VaultRefusal, SecretDeleted, Rejected: Key Vault refused that request.
    """
    kept = await tx.recall(authorized.caller.id, key) if key is not None else None
    if kept is None:
        return None
    fingerprint, answer = kept
    try:
        _check(sealer, fingerprint, authorized, key or "", request)
    except IntegrityFailure:
        raise IdempotencyMismatch(
            "The idempotency key was used for a different request; use a fresh key for each request."
        ) from None
    if "refused" in answer:
        raise _refused(answer)
    created_at, dropped = datetime.fromisoformat(answer["created_at"]), answer.get("dropped", ())
    name = answer.get("display_name", "")  # which earlier releases did not keep
    return Made(answer["version"], answer["version_id"], created_at, UUID(answer["intent"]), tuple(dropped), name)


async def remember(
    tx: LedgerTransaction, sealer: Sealer, authorized: Authorized, key: str | None, request: Sequence[str], made: Made
) -> None:
    """Keep what a request made. Of the request itself only a digest is kept, sealed: it holds a value."""
    if key is None:
        return
    place = request_place(authorized.caller.id, key)
    fingerprint = as_text(sealer.seal_bytes(REQUEST, place, _digest(authorized, request)))
    await tx.remember(authorized.caller.id, key, fingerprint, authorized.name, made.answer())


def refusal(error: HoldfastError) -> JSONObject:
    """What is kept of a request that Key Vault refused, so that its repetition is told the same."""
    kept: JSONObject = {"refused": error.code, "text": str(error)}
    if isinstance(error, VaultRefusal):
        kept |= {"status": error.status, "vault_code": error.vault_code}
    return kept


def _refused(answer: JSONObject) -> HoldfastError:
    if "status" in answer:
        return VaultRefusal(answer["text"], status=answer["status"], vault_code=answer["vault_code"])
    return (SecretDeleted if answer["refused"] == SecretDeleted.code else Rejected)(answer["text"])


def _check(sealer: Sealer, fingerprint: bytes, authorized: Authorized, key: str, request: Sequence[str]) -> None:
    """See that this request has the fingerprint that was kept.

    Raises:
        IntegrityFailure: it has another.
    """
    sealed = from_text(fingerprint)
    if sealed is None:  # a MAC, as the release before kept it
        sealer.verify(_facts(authorized, request), fingerprint.decode())
    elif sealer.open_bytes(REQUEST, request_place(authorized.caller.id, key), sealed) != _digest(authorized, request):
        raise IntegrityFailure("The request is another one")


def _digest(authorized: Authorized, request: Sequence[str]) -> bytes:
    return sha256(_facts(authorized, request)).digest()


def _facts(authorized: Authorized, request: Sequence[str]) -> bytes:
    parts = [part.encode() for part in ("request", authorized.operation, authorized.name, *request)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
