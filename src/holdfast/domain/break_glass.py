"""Break-glass: access in an emergency, for a time, that others agree to.

    REQUESTED   somebody asks; it lapses if nobody decides
    APPROVED    there is a grant of its own, until its time is over
    DENIED      an approver said no
    WITHDRAWN   the requester took it back
    EXPIRED     nobody decided in time
    ENDED       the time of the grant is over, or the requester gave it back
    REVOKED     an approver ended the grant
    VOID        the secret was purged, or the requester's identity removed

Requests are kept in whatever state they end.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.names import SecretName, covers, overlap
from holdfast.domain.policy import OPERATOR_PREFIX, Permission
from holdfast.errors import Conflict

REQUESTABLE: Final = frozenset(
    {
        Permission.GET,
        Permission.LIST,
        Permission.SET,
        Permission.DELETE,
        Permission.RECOVER,
        Permission.ROTATE,
    }
)
"""What an emergency may need. Nothing that hands out access, nothing that cannot be undone."""

OPEN_FOR: Final = timedelta(hours=1)
"""How long a request waits to be decided."""

LONGEST: Final = timedelta(hours=24)
"""No policy allows a grant for longer."""

MOST_APPROVERS: Final = 10
FEWEST_CODES: Final = 2
"""No single sheet of paper opens anything."""

MOST_CODES: Final = 20
MAX_FAILURES: Final = 5
"""Attempts with wrong recovery codes, after which a request is for approvers alone."""

MIN_REASON: Final = 10
MAX_REASON: Final = 500

RULE_PREFIX: Final = "break-glass:"
"""Rules of this kind are named by it and the number of the request."""

EMERGENCY: Final = "emergency"
"""Marks records of what was done by such a rule."""


class RequestState(enum.StrEnum):
    """Where a request stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    ENDED = "ended"
    REVOKED = "revoked"
    VOID = "void"


class RequestStep(enum.StrEnum):
    """What takes a request from one state to the next."""

    APPROVE = "approve"
    DENY = "deny"
    WITHDRAW = "withdraw"
    LAPSE = "lapse"
    END = "end"
    REVOKE = "revoke"
    VOID = "void"


TRANSITIONS: Final[Mapping[tuple[RequestState, RequestStep], RequestState]] = {
    (RequestState.REQUESTED, RequestStep.APPROVE): RequestState.APPROVED,
    (RequestState.REQUESTED, RequestStep.DENY): RequestState.DENIED,
    (RequestState.REQUESTED, RequestStep.WITHDRAW): RequestState.WITHDRAWN,
    (RequestState.REQUESTED, RequestStep.LAPSE): RequestState.EXPIRED,
    (RequestState.REQUESTED, RequestStep.VOID): RequestState.VOID,
    (RequestState.APPROVED, RequestStep.WITHDRAW): RequestState.ENDED,
    (RequestState.APPROVED, RequestStep.END): RequestState.ENDED,
    (RequestState.APPROVED, RequestStep.REVOKE): RequestState.REVOKED,
    (RequestState.APPROVED, RequestStep.VOID): RequestState.VOID,
}
"""(state, step) to the state afterwards. What ended stays as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """An approver's yes. ``groups``: those their proof of identity vouched for; ``rule``: by which they may approve."""

    request_id: int
    voter: str
    voted_at: datetime
    groups: frozenset[str] = frozenset()
    rule: str = ""
    attestation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyRequest:
    """A request and what became of it.

    ``approvers``, ``second_factor``, ``rotate``: what the policy asked for when it was made. ``incarnation``: the life
    of a single secret that it is for; None for a glob. ``decided_by``: whose word was the last, or "recovery codes".
    ``expires_at``: the end of the grant. ``failures``: attempts with wrong recovery codes.
    ``read``: the secrets that were read by it and are to be rotated, known some time after its end.
    """

    id: int
    requester: str
    pattern: str
    permissions: frozenset[Permission]
    reason: str
    duration: timedelta
    approvers: int
    second_factor: bool
    rotate: bool
    incarnation: UUID | None
    state: RequestState
    requested_at: datetime
    open_until: datetime
    decided_at: datetime | None = None
    decided_by: str | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str | None = None
    failures: int = 0
    votes: Sequence[Vote] = ()
    read: Sequence[SecretName] = ()
    attestation: str = ""

    @property
    def rule(self) -> str:
        """The name of the rule that its approval makes."""
        return f"{RULE_PREFIX}{self.id}"

    def at(self, now: datetime) -> "EmergencyRequest":
        """The request as it stands at a moment, whether or not somebody has noted by then that its time is over."""
        if self.state is RequestState.REQUESTED and now >= self.open_until:
            return replace(self, state=RequestState.EXPIRED, ended_at=self.open_until)
        if self.state is RequestState.APPROVED and self.expires_at is not None and now >= self.expires_at:
            return replace(self, state=RequestState.ENDED, ended_at=self.expires_at)
        return self

    def advanced(self, step: RequestStep) -> RequestState:
        """Return the state after ``step``.

        Raises:
            Conflict: that step is not to be taken in this state.
        """
        try:
            return TRANSITIONS[self.state, step]
        except KeyError:
            raise Conflict(f"Request {self.id} is {self.state}: there is nothing to {step}.") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPolicy:
    """What a request for names under ``pattern`` needs: so many approvers, the requester's second factor, or both.

    ``rotate``: whether what was read is rotated afterwards. ``notify``: e-mail addresses that are told.
    """

    pattern: str = "*"
    approvers: int = 2
    second_factor: bool = False
    max_duration: timedelta = timedelta(hours=1)
    rotate: bool = True
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPolicies:
    """The policies of an installation; ``default`` is for the names that none of them covers."""

    default: EmergencyPolicy = EmergencyPolicy()
    policies: tuple[EmergencyPolicy, ...] = ()

    def of(self, pattern: str) -> EmergencyPolicy:
        """Return what a request for a name or glob has to satisfy: all policies that share a name with it, at once."""
        concerned = [policy for policy in self.policies if overlap(policy.pattern, pattern)]
        if not any(covers(policy.pattern, pattern) for policy in concerned):
            concerned.append(self.default)
        return EmergencyPolicy(
            pattern=pattern,
            approvers=max(policy.approvers for policy in concerned),
            second_factor=any(policy.second_factor for policy in concerned),
            max_duration=min(policy.max_duration for policy in concerned),
            rotate=any(policy.rotate for policy in concerned),
            notify=tuple(dict.fromkeys(address for policy in concerned for address in policy.notify)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSet:
    """Recovery codes made together; ``threshold`` of them stand for the approvers of a request under ``pattern``.

    ``hashes`` are those of the codes numbered 1, 2, 3 …; ``used`` the numbers that are spent.
    """

    id: int
    pattern: str
    threshold: int
    hashes: tuple[bytes, ...]
    used: frozenset[int]
    created_by: str
    created_at: datetime
    last_used_at: datetime | None = None

    @property
    def left(self) -> int:
        """How many codes are still good."""
        return len(self.hashes) - len(self.used)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTotals:
    """How much break-glass there is now. ``unrotated``: secrets read by it whose value still stands, and must not."""

    open_requests: int
    live_grants: int
    unrotated: int = 0


def same_person(one: str, other: str) -> bool:
    """Whether two identities are, or may be, one person: at the machine itself people have their unix login."""
    return one.removeprefix(OPERATOR_PREFIX).casefold() == other.removeprefix(OPERATOR_PREFIX).casefold()
