"""Who is told of an emergency, and what. The reason stays here: who may see the request reads it there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from holdfast.domain.break_glass import EmergencyPolicies, EmergencyRequest, RequestState
from holdfast.domain.names import covers
from holdfast.domain.notices import Event, Topic
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_addresses
from holdfast.errors import InvalidInput
from holdfast.ports import EmergencyTransaction, Notifier
from holdfast.service.access.grants import GrantBook

_SUMMARIES: Final[Mapping[RequestState, str]] = {
    RequestState.REQUESTED: "{who} asks for emergency access to {what}",
    RequestState.APPROVED: "{who} has emergency access to {what}",
    RequestState.DENIED: "Emergency access of {who} to {what} was denied",
    RequestState.WITHDRAWN: "{who} needs no emergency access to {what} any more",
    RequestState.EXPIRED: "Nobody decided whether {who} gets emergency access to {what}",
    RequestState.ENDED: "Emergency access of {who} to {what} has ended",
    RequestState.REVOKED: "Emergency access of {who} to {what} was revoked",
    RequestState.VOID: "Emergency access of {who} to {what} is void",
}


class EmergencyAnnouncer:
    """Has every channel told, and by mail the addresses of the policies and all approvers whose identity is one."""

    def __init__(self, notifier: Notifier, book: GrantBook, policies: EmergencyPolicies) -> None:
        self._notifier, self._book, self._policies = notifier, book, policies

    async def tell(self, tx: EmergencyTransaction, request: EmergencyRequest) -> None:
        """Have people told of a request as it stands, as soon as that is committed."""
        event = event_of(request)
        recipients = self._notifier.recipients(event, self._addresses(request.pattern))
        if recipients:
            await tx.tell(event, recipients)

    async def tell_of(self, request: EmergencyRequest) -> None:
        """Have people told of what was committed before. Nobody is told twice."""
        await self._notifier.announce(event_of(request), self._addresses(request.pattern))

    def _addresses(self, pattern: str) -> list[str]:
        rules = (rule for rule in self._book.rules() if Permission.APPROVE in rule.permissions())
        subjects = {rule.subject for rule in rules if covers(rule.pattern, pattern) and not rule.outlived}
        # Identities of an issuer have its name before them: entra:ann@example.com.
        found = (subject.rpartition(":")[2] for subject in sorted(subjects))
        return [*self._policies.of(pattern).notify, *(each for each in found if _is_address(each))]


def event_of(request: EmergencyRequest) -> Event:
    """What is told of a request: each state that it comes to is one event."""
    facts = {
        "summary": _SUMMARIES[request.state].format(who=request.requester, what=request.pattern),
        "request": str(request.id),
        "permissions": ", ".join(sorted(request.permissions)),
    }
    if request.state is RequestState.REQUESTED:
        facts |= {
            "minutes": str(request.duration // timedelta(minutes=1)),
            "approvers_needed": str(request.approvers),
            "open_until": request.open_until.isoformat(),
        }
    elif request.state is RequestState.APPROVED and request.expires_at is not None:
        facts |= {"approved_by": request.decided_by or "", "ends_at": request.expires_at.isoformat()}
    elif request.ended_by:
        facts["ended_by"] = request.ended_by
    return Event(
        id=f"{Topic.BREAK_GLASS}:{request.id}:{request.state}",
        topic=Topic.BREAK_GLASS,
        subject=request.pattern,
        facts=facts,
    )


def _is_address(text: str) -> bool:
    try:
        return "@" in text and bool(valid_addresses([text]))
    except InvalidInput:
        return False
