"""Whose word counts, and the grant that comes of it. All of it in a transaction that holds the rules still."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC
from typing import Final

from holdfast.domain.break_glass import EmergencyRequest, RequestState, RequestStep, Vote
from holdfast.domain.policy import Caller, Permission, group_subject
from holdfast.errors import Conflict, IntegrityFailure, KeyUnavailable, RequestNotFound
from holdfast.ports import EmergencyTransaction, RuleKind, Sealer, StoredRule, request_facts, vote_facts
from holdfast.resilience.events import Event, Log
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import OWNER, GrantBook
from holdfast.service.break_glass.announcing import EmergencyAnnouncer

_log: Final = Log(__name__)


class Granting:
    """Counts votes, makes the grant of a request, and ends it.

    Args:
        rules_changed: tells this node of a change of one subject's rules and of its epoch.
    """

    def __init__(
        self,
        *,
        book: GrantBook,
        directory: Directory,
        sealer: Sealer,
        rules_changed: Callable[[int, str | None], Awaitable[None]],
        announcer: EmergencyAnnouncer,
    ) -> None:
        self._book, self._directory, self._sealer = book, directory, sealer
        self._rules_changed, self._announcer = rules_changed, announcer

    async def held(self, tx: EmergencyTransaction, request_id: int) -> EmergencyRequest:
        """Hold a request, and return it as it stands by the database's clock.

        Raises:
            IntegrityFailure: it was edited behind our back, so nobody may be let in by it.
        """
        stored = await tx.lock(request_id)
        if stored is None:
            raise RequestNotFound(f"There is no request {request_id}.")
        request = stored.at(await tx.now())
        if request.state is RequestState.REQUESTED:
            self._sealer.verify(request_facts(request), request.attestation)
        return request

    async def voted(self, tx: EmergencyTransaction, request: EmergencyRequest, vote: Vote) -> EmergencyRequest:
        """Store a vote; returns the request with it."""
        attested = replace(vote, attestation=self._sealer.attest(vote_facts(vote)))
        await tx.add_vote(attested)
        return replace(request, votes=(*request.votes, attested))

    async def asked(self, tx: EmergencyTransaction, request: EmergencyRequest) -> EmergencyRequest:
        """Store a new request, and have the approvers told; returns it with its number."""
        numbered = await tx.add(request)
        await self._announcer.tell(tx, numbered)
        return numbered

    async def look_up(self, request: EmergencyRequest) -> None:
        """Read anew who has voted so far, before any transaction: who was disabled counts no more."""
        for vote in request.votes:
            await self._directory.load(vote.voter)

    async def counting(self, tx: EmergencyTransaction, request: EmergencyRequest) -> list[str]:
        """The voters who may still approve it: by the rules as they stand now, whatever they were when they voted."""
        genuine = [vote for vote in request.votes if self._is_genuine(vote)]
        voters = [Caller(vote.voter, is_system=vote.rule == OWNER, groups=vote.groups) for vote in genuine]
        subjects = {subject for voter in voters for subject in self._subjects(voter)}
        decide = self._book.decider(self._book.genuine(await tx.rules(subjects)))
        return [
            voter.id
            for voter in voters
            if voter.is_system
            or (
                not self._directory.is_disabled(voter.id)
                and decide(voter, Permission.APPROVE, request.pattern) is not None
            )
        ]

    def _is_genuine(self, vote: Vote) -> bool:
        try:
            self._sealer.verify(vote_facts(vote), vote.attestation)
        except (IntegrityFailure, KeyUnavailable) as error:
            _log(Event.VOTE_NOT_GENUINE, request=vote.request_id, reason=error)
            return False
        return True

    def _subjects(self, voter: Caller) -> list[str]:
        return [voter.id, *map(group_subject, voter.groups | self._directory.groups_of(voter.id))]

    async def grant(
        self, tx: EmergencyTransaction, request: EmergencyRequest, decided_by: str
    ) -> tuple[EmergencyRequest, int]:
        """Make the grant of a request, from now on for its duration; returns the request and the epoch.

        Raises:
            Conflict: it is not open any more, or the secret that it is for is gone.
        """
        state, now = request.advanced(RequestStep.APPROVE), await tx.now()
        living = await tx.incarnation(request.pattern)
        if request.incarnation not in (None, living):
            raise Conflict(f"The secret that request {request.id} is for is gone: a new request is for the new one.")
        approved = replace(
            request, state=state, decided_at=now, decided_by=decided_by, expires_at=now + request.duration
        )
        rule = StoredRule(
            kind=RuleKind.BREAK_GLASS,
            id=request.id,
            subject=request.requester,
            pattern=request.pattern,
            terms=tuple(sorted(request.permissions)),
            granted_by=decided_by,
            granted_at=now,
            expires_at=approved.expires_at,
            incarnation=living,
        )
        await tx.settle(approved)
        await self._announcer.tell(tx, approved)
        return approved, await tx.grant(replace(rule, attestation=self._sealer.attest(rule.facts())))

    async def settled(
        self, tx: EmergencyTransaction, request: EmergencyRequest, step: RequestStep, by: str
    ) -> tuple[EmergencyRequest, int | None]:
        """End a request, and its grant if it has one; returns it and the epoch if the rules changed."""
        state, now, before = request.advanced(step), await tx.now(), request.state
        ended = replace(request, state=state, ended_at=now, ended_by=by)
        await tx.settle(ended)
        await self._announcer.tell(tx, ended)
        return ended, await tx.withdraw(ended) if before is RequestState.APPROVED else None

    async def told(self, request: EmergencyRequest, epoch: int | None) -> None:
        """Let this node act on what was committed."""
        if epoch is not None:
            await self._rules_changed(epoch, request.requester)


def summary(request: EmergencyRequest) -> str:
    """What the audit trail keeps of a change of a request, beside who made it and of which names."""
    until = f" until {request.expires_at.astimezone(UTC).isoformat()}" if request.expires_at else ""
    what = ", ".join(sorted(request.permissions))
    return f"request {request.id} of {request.requester} for {what}: {request.state}{until}"
