"""Emergency access at the commit point."""

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.break_glass import CodeSet, EmergencyRequest, EmergencyTotals, Vote
from holdfast.domain.names import SecretName
from holdfast.domain.notices import Event
from holdfast.ports.access import StoredRule
from holdfast.ports.sealing import unambiguous


def request_facts(request: EmergencyRequest) -> bytes:
    """The facts of an open request that nobody may edit, for ``Sealer.attest``: who would be let in, and how."""
    return unambiguous(
        "break-glass request",
        str(request.id),
        request.requester,
        request.pattern,
        ",".join(sorted(request.permissions)),
        str(request.duration),
        str(request.approvers),
        str(request.second_factor),
        str(request.rotate),
        str(request.incarnation or ""),
        request.open_until.astimezone(UTC).isoformat(),
    )


def vote_facts(vote: Vote) -> bytes:
    """The facts of a vote, for ``Sealer.attest``."""
    moment = vote.voted_at.astimezone(UTC).isoformat()
    return unambiguous("break-glass vote", str(vote.request_id), vote.voter, moment, vote.rule, *sorted(vote.groups))


def codes_facts(codes: CodeSet) -> bytes:
    """The facts of a set of recovery codes, for ``Sealer.attest``: a spent code is not to become good again."""
    return unambiguous(
        "recovery codes",
        str(codes.id),
        codes.pattern,
        str(codes.threshold),
        codes.created_by,
        ",".join(map(str, sorted(codes.used))),
        *(each.hex() for each in codes.hashes),
    )


class EmergencyTransaction(Protocol):
    """One transaction. Whoever opens it holds all rules still until it ends, and then everything commits or nothing.

    What is found is as it is stored: whether it was made here, its attestation says.
    """

    async def now(self) -> datetime:
        """The present moment by the database's clock, read after everything is held."""

    async def lock(self, request_id: int) -> EmergencyRequest | None:
        """Hold a request with its votes, and return it as it is stored."""

    async def recent(self, requester: str, since: timedelta) -> int:
        """How many requests somebody made within that time."""

    async def incarnation(self, pattern: str) -> UUID | None:
        """The present incarnation of the secret of that name; None for a glob and for a name without a secret."""

    async def rules(self, subjects: Collection[str]) -> list[StoredRule]:
        """The rules for these subjects, as they will stand when this commits."""

    async def add(self, request: EmergencyRequest) -> EmergencyRequest:
        """Insert a request and return it with its number, attested."""

    async def settle(self, request: EmergencyRequest) -> None:
        """Store the state of a request, and how it came to it."""

    async def add_vote(self, vote: Vote) -> None:
        """Insert a vote."""

    async def note_failure(self, request_id: int) -> None:
        """Count an attempt with wrong recovery codes."""

    async def grant(self, rule: StoredRule) -> int:
        """Insert the rule of an approved request; returns the epoch."""

    async def withdraw(self, request: EmergencyRequest) -> int:
        """Delete the rule of a request; returns the epoch."""

    async def code_sets(self) -> list[CodeSet]:
        """Hold all sets of recovery codes, and return those that were made here; what was edited is an alarm."""

    async def add_codes(self, codes: CodeSet) -> CodeSet:
        """Insert a set in place of the one for the same pattern; returns it with its number."""

    async def spend(self, codes: CodeSet) -> None:
        """Store which codes of a set are spent."""

    async def remove_codes(self, set_id: int) -> bool:
        """Delete a set; False if there was none."""

    async def tell(self, event: Event, recipients: Collection[str]) -> None:
        """Store notices of an event with the change that they tell of."""

    async def record(self, record: AuditRecord) -> None:
        """Store an audit record with the change it describes."""


class BreakGlassStore(Protocol):
    """Requests for emergency access, their votes and grants, and recovery codes."""

    def transaction(self) -> AbstractAsyncContextManager[EmergencyTransaction]:
        """Open a transaction; it waits for whoever changes rules, and they wait for it."""

    async def find(self, request_id: int) -> EmergencyRequest | None:
        """Return a request with its votes, as it stands now."""

    async def requests(self, *, open_only: bool, limit: int) -> list[EmergencyRequest]:
        """Return requests as they stand now, newest first; with ``open_only``, open ones and those with a grant."""

    async def code_sets(self) -> list[CodeSet]:
        """Return all sets of recovery codes that were made here."""

    async def overdue(self, *, limit: int = 100) -> list[int]:
        """The numbers of requests whose time is over and that nobody has noted yet."""

    async def voided(self, since: timedelta) -> list[EmergencyRequest]:
        """Requests that a purge or the removal of an identity made void within that time."""

    async def note_reads(self, after: timedelta, until: timedelta) -> list[SecretName]:
        """Note what was read under grants that ended between these times ago, and have those secrets rotated next.

        Returns the secrets that are due for rotation by it.
        """

    async def totals(self) -> EmergencyTotals:
        """How much break-glass there is now."""
