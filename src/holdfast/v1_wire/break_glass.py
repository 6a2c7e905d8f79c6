"""Emergency access: requests, what becomes of them, recovery codes."""

from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.break_glass import (
    FEWEST_CODES,
    LONGEST,
    MAX_REASON,
    MIN_REASON,
    MOST_CODES,
    REQUESTABLE,
    CodeSet,
    EmergencyRequest,
    RequestState,
    Vote,
)
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Permission
from holdfast.v1_wire.documents import Confidential, Document, Moment, Pattern, Request
from holdfast.v1_wire.totp import Code

_SAME: Final = (
    *("id", "requester", "pattern", "reason", "approvers", "second_factor", "rotate", "state", "requested_at"),
    *("open_until", "decided_at", "decided_by", "expires_at", "ended_at", "ended_by", "failures"),
)
"""Members of a request's document that have the library's own names and types."""

Requestable = Literal["delete", "get", "list", "recover", "rotate", "set"]
"""What may be asked for: ``REQUESTABLE``."""


class AskForAccess(Request):
    """Emergency access to a secret, or to all that a glob covers. Without ``duration_s``, as long as the policy allows.

    ``code``: of the second factor, where the policy asks for it.
    """

    name: Pattern
    reason: Annotated[
        str,
        Meta(
            min_length=MIN_REASON, max_length=MAX_REASON, description="One line, for approvers and records; no secret."
        ),
    ]
    permissions: Annotated[list[Requestable], Meta(min_length=1, max_length=len(REQUESTABLE))] = msgspec.field(
        default_factory=lambda: ["get"]
    )
    duration_s: Annotated[int, Meta(ge=60, le=int(LONGEST.total_seconds()))] | UnsetType = UNSET
    code: Code | UnsetType = UNSET


class Redeem(Request):
    """Recovery codes, in any order. Case, hyphens and spaces do not matter."""

    codes: Annotated[list[Annotated[Confidential, Meta(max_length=64)]], Meta(min_length=1, max_length=MOST_CODES)]


class VoteDocument(Document):
    """An approver who agreed."""

    voter: str
    voted_at: Moment


class EmergencyDocument(Document):
    """A request and what became of it.

    ``decided_by``: whose word was the last, ``second factor``, or which recovery codes. ``expires_at``: the end of the
    grant, whose rule is named ``rule``. ``read``: secrets that were read by it, known some minutes after its end.
    """

    id: int
    requester: str
    pattern: str
    permissions: list[Permission]
    reason: str
    duration_s: int
    approvers: int
    second_factor: bool
    rotate: bool
    state: RequestState
    requested_at: Moment
    open_until: Moment
    decided_at: Moment | None
    decided_by: str | None
    expires_at: Moment | None
    ended_at: Moment | None
    ended_by: str | None
    failures: int
    votes: list[VoteDocument]
    read: list[str]
    rule: str

    @classmethod
    def of_request(cls, request: EmergencyRequest) -> Self:
        """Return the document of a request."""
        return cls(
            permissions=sorted(request.permissions),
            duration_s=int(request.duration.total_seconds()),
            votes=[VoteDocument(voter=vote.voter, voted_at=vote.voted_at) for vote in request.votes],
            read=list(request.read),
            rule=request.rule,
            **{name: getattr(request, name) for name in _SAME},
        )

    def request(self) -> EmergencyRequest:
        """Return the request."""
        same: dict[str, Any] = {name: getattr(self, name) for name in _SAME}
        return EmergencyRequest(
            permissions=frozenset(self.permissions),
            duration=timedelta(seconds=self.duration_s),
            votes=tuple(Vote(request_id=self.id, voter=each.voter, voted_at=each.voted_at) for each in self.votes),
            read=tuple(map(SecretName, self.read)),
            incarnation=None,
            **same,
        )


class Emergencies(Document):
    """Requests, newest first."""

    items: list[EmergencyDocument]


class MakeCodes(Request):
    """Recovery codes for requests under a name or glob, in place of earlier ones for the very same."""

    name: Pattern = "*"
    number: Annotated[int, Meta(ge=FEWEST_CODES, le=MOST_CODES)] = 5
    threshold: Annotated[
        int, Meta(ge=FEWEST_CODES, le=MOST_CODES, description="How many together stand for the approvers.")
    ] = FEWEST_CODES


class CodeSetDocument(Document):
    """A set of recovery codes, without the codes. ``used``: the numbers of those that are spent."""

    id: int
    pattern: str
    threshold: int
    number: int
    used: list[int]
    created_by: str
    created_at: Moment
    last_used_at: Moment | None

    @classmethod
    def of_set(cls, codes: CodeSet) -> Self:
        """Return the document of a set."""
        return cls(
            id=codes.id,
            pattern=codes.pattern,
            threshold=codes.threshold,
            number=len(codes.hashes),
            used=sorted(codes.used),
            created_by=codes.created_by,
            created_at=codes.created_at,
            last_used_at=codes.last_used_at,
        )

    def codes(self) -> CodeSet:
        """Return the set, as far as a server tells of it: the hashes are blank."""
        return CodeSet(
            id=self.id,
            pattern=self.pattern,
            threshold=self.threshold,
            hashes=(b"",) * self.number,
            used=frozenset(self.used),
            created_by=self.created_by,
            created_at=self.created_at,
            last_used_at=self.last_used_at,
        )


class NewCodesDocument(Document):
    """A set that was just made. The codes, of which the first is number 1, are shown this once."""

    set: CodeSetDocument
    codes: list[Confidential]


class CodeSets(Document):
    """All sets of recovery codes."""

    items: list[CodeSetDocument]
