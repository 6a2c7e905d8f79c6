"""Requests for emergency access: made, decided about, taken back."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from holdfast.domain.audit import AuditRecord
from holdfast.domain.break_glass import (
    MAX_REASON,
    MIN_REASON,
    OPEN_FOR,
    REQUESTABLE,
    EmergencyPolicies,
    EmergencyPolicy,
    EmergencyRequest,
    RequestState,
    RequestStep,
    Vote,
    same_person,
)
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM_ID, Caller, Permission, parse_permissions
from holdfast.errors import AccessDenied, Conflict, InvalidInput, RequestNotFound, Throttled
from holdfast.ports import BreakGlassStore, EmergencyTransaction
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Authorized, Guard, denied
from holdfast.service.access.secondfactor import SecondFactors
from holdfast.service.break_glass.granting import Granting, summary

AT_MOST: Final = 10
"""Requests that one person may make within ``PERIOD``: each is announced to all approvers."""

PERIOD: Final = timedelta(hours=1)

LOOKED_AT: Final = 1000
"""Requests that a listing looks at, whoever made them, for those that the caller may see."""

_SEE: Final = (Permission.APPROVE, Permission.GRANT, Permission.AUDIT)


class EmergencyRequests:
    """The use cases of those who ask and of those who decide."""

    def __init__(
        self,
        *,
        guard: Guard,
        book: GrantBook,
        store: BreakGlassStore,
        granting: Granting,
        factors: SecondFactors,
        policies: EmergencyPolicies,
    ) -> None:
        self._guard, self._book, self._store = guard, book, store
        self._granting, self._factors, self._policies = granting, factors, policies

    # --- asking ---

    async def request(
        self,
        caller: Caller,
        pattern: str,
        permissions: Iterable[str],
        reason: str,
        duration: timedelta | None,
        code: str | None,
    ) -> EmergencyRequest:
        """Ask for access; where the policy asks for no approvers but for the second factor alone, it is granted.

        Raises:
            Unauthenticated: the code of the second factor is wrong, or was used before.
            AccessDenied: the second factor is new, and nobody else would look at the request.
            Throttled: too many requests.
        """
        wanted, policy = _requestable(permissions), self._policies.of(pattern)
        length = _within(policy, duration)
        if caller.is_system:
            raise InvalidInput(
                "Whoever owns the service needs no emergency access: it is asked for by the person whom it is for.",
                field="context",
            )
        async with self._guard.own(caller, "break_glass.request", SecretName(pattern)) as authorized:
            await self._check_factor(caller, policy, code)
            async with self._store.transaction() as tx:
                request = await self._add(tx, caller, policy, wanted, reason, length)
                epoch = None
                if not policy.approvers:
                    request, epoch = await self._granting.grant(tx, request, "second factor")
                await tx.record(self._recorded(authorized, request))
        await self._granting.told(request, epoch)
        return request

    async def _check_factor(self, caller: Caller, policy: EmergencyPolicy, code: str | None) -> None:
        if not policy.second_factor:
            return
        if code is None:
            raise InvalidInput(
                f"code is missing: the policy for {policy.pattern!r} asks for your second factor.", field="code"
            )
        if not policy.approvers:
            await self._factors.check_settled(caller)
        await self._factors.verify(code, context=caller)

    async def _add(
        self,
        tx: EmergencyTransaction,
        caller: Caller,
        policy: EmergencyPolicy,
        permissions: frozenset[Permission],
        reason: str,
        duration: timedelta,
    ) -> EmergencyRequest:
        if await tx.recent(caller.id, PERIOD) >= AT_MOST:
            raise Throttled(
                f"{AT_MOST} requests within an hour are the most: ask an approver, or wait.",
                retry_after_s=PERIOD.total_seconds(),
            )
        now = await tx.now()
        return await self._granting.asked(
            tx,
            EmergencyRequest(
                id=0,
                requester=caller.id,
                pattern=policy.pattern,
                permissions=permissions,
                reason=reason,
                duration=duration,
                approvers=policy.approvers,
                second_factor=policy.second_factor,
                rotate=policy.rotate,
                incarnation=await tx.incarnation(policy.pattern),
                state=RequestState.REQUESTED,
                requested_at=now,
                open_until=now + OPEN_FOR,
            ),
        )

    async def withdraw(self, caller: Caller, request_id: int) -> EmergencyRequest:
        """Take a request back, or give its grant back before its time is over.

        Raises:
            AccessDenied: it is somebody else's.
        """
        found = await self.visible(caller, request_id, "break_glass.withdraw")
        async with self._guard.own(caller, "break_glass.withdraw", SecretName(found.pattern)) as authorized:
            if caller.id != found.requester:
                raise AccessDenied(f"Permission denied: request {request_id} is not yours; deny or revoke it.")
            return await self._settle(authorized, request_id, RequestStep.WITHDRAW)

    # --- deciding ---

    async def approve(self, caller: Caller, request_id: int) -> EmergencyRequest:
        """Agree to a request; the last approver that it needs makes the grant.

        Raises:
            AccessDenied: the caller may not approve on all of its names, or asked for it.
            Conflict: it is not open any more, or the caller has agreed already.
        """
        _check_person(caller)
        found = await self.visible(caller, request_id, "break_glass.approve")
        name = SecretName(found.pattern)
        async with self._guard.operation(caller, Permission.APPROVE, name, "break_glass.approve") as authorized:
            await self._granting.look_up(found)
            async with self._store.transaction() as tx:
                request, epoch = await self._vote(tx, authorized, await self._granting.held(tx, request_id))
                await tx.record(self._recorded(authorized, request))
        await self._granting.told(request, epoch)
        return request

    async def _vote(
        self, tx: EmergencyTransaction, authorized: Authorized, request: EmergencyRequest
    ) -> tuple[EmergencyRequest, int | None]:
        caller = authorized.caller
        request.advanced(RequestStep.APPROVE)
        _check_other(caller, request)
        if any(same_person(vote.voter, caller.id) for vote in request.votes):
            raise Conflict(f"{caller.id!r} has agreed to request {request.id} already: it needs somebody else as well.")
        vote = Vote(
            request_id=request.id,
            voter=caller.id,
            voted_at=await tx.now(),
            groups=caller.groups,
            rule=authorized.rule,
        )
        request = await self._granting.voted(tx, request, vote)
        counting = await self._granting.counting(tx, request)
        if caller.id not in counting:
            raise denied(caller, (Permission.APPROVE,), request.pattern)
        if len(counting) < request.approvers:
            return request, None
        return await self._granting.grant(tx, request, caller.id)

    async def deny(self, caller: Caller, request_id: int) -> EmergencyRequest:
        """Refuse a request: one approver's no is enough.

        Raises:
            Conflict: it is not open any more.
        """
        found = await self.visible(caller, request_id, "break_glass.deny")
        name = SecretName(found.pattern)
        async with self._guard.operation(caller, Permission.APPROVE, name, "break_glass.deny") as authorized:
            _check_other(caller, found)
            return await self._settle(authorized, request_id, RequestStep.DENY)

    async def revoke(self, caller: Caller, request_id: int) -> EmergencyRequest:
        """End the grant of a request now: here at once, on other nodes within a second.

        Raises:
            Conflict: there is none, or it has ended.
        """
        found = await self.visible(caller, request_id, "break_glass.revoke")
        name = SecretName(found.pattern)
        async with self._guard.operation(
            caller, Permission.APPROVE, name, "break_glass.revoke", Permission.GRANT
        ) as authorized:
            return await self._settle(authorized, request_id, RequestStep.REVOKE)

    async def _settle(self, authorized: Authorized, request_id: int, step: RequestStep) -> EmergencyRequest:
        async with self._store.transaction() as tx:
            request = await self._granting.held(tx, request_id)
            request, epoch = await self._granting.settled(tx, request, step, authorized.caller.id)
            await tx.record(self._recorded(authorized, request))
        await self._granting.told(request, epoch)
        return request

    # --- seeing ---

    async def show(self, caller: Caller, request_id: int) -> EmergencyRequest:
        """A request as it stands now, for who made it, and for those who may approve, grant or audit there.

        Raises:
            RequestNotFound: there is none, or it is not the caller's to see.
        """
        found = await self.visible(caller, request_id, "break_glass.show")
        async with self._guard.own(caller, "break_glass.show", SecretName(found.pattern)):
            return found

    async def list(self, caller: Caller, *, open_only: bool, limit: int) -> list[EmergencyRequest]:
        """Those of the newest ``LOOKED_AT`` requests that the caller may see, newest first."""
        async with self._guard.listing(caller, "break_glass.list"):
            found = await self._store.requests(open_only=open_only, limit=LOOKED_AT)
            return [request for request in found if self._sees(caller, request)][:limit]

    async def visible(self, caller: Caller, request_id: int, operation: str) -> EmergencyRequest:
        """Return a request that the caller may know of.

        Raises:
            RequestNotFound: there is none, or it is not the caller's to see; that is on record.
        """
        async with self._guard.finding(caller, operation):
            found = await self._store.find(request_id)
            if found is None or not self._sees(caller, found):
                raise RequestNotFound(f"There is no request {request_id} for {caller.id!r} to see.")
        return found

    def _sees(self, caller: Caller, request: EmergencyRequest) -> bool:
        if caller.id == request.requester:
            return True
        return any(self._guard.may(caller, permission, SecretName(request.pattern)) for permission in _SEE)

    def _recorded(self, authorized: Authorized, request: EmergencyRequest) -> AuditRecord:
        return self._guard.success(authorized, detail=summary(request))


def _requestable(permissions: Iterable[str]) -> frozenset[Permission]:
    wanted = parse_permissions(permissions)
    refused = sorted(wanted - REQUESTABLE)
    if refused:
        raise InvalidInput(
            f"'{refused[0]}' cannot be asked for in an emergency: choose from {', '.join(sorted(REQUESTABLE))}.",
            field="permissions",
        )
    return wanted


def valid_reason(raw: object) -> str:
    """Why access is needed, for the approvers and the records: one line of 10 to 500 printable characters."""
    text = raw.strip() if isinstance(raw, str) else ""
    if not MIN_REASON <= len(text) <= MAX_REASON or not text.isprintable():
        raise InvalidInput(
            f"reason must be one line of {MIN_REASON} to {MAX_REASON} printable characters; no secret belongs in it.",
            field="reason",
        )
    return text


def _within(policy: EmergencyPolicy, duration: timedelta | None) -> timedelta:
    if duration is None:
        return policy.max_duration
    if not isinstance(duration, timedelta) or not timedelta(minutes=1) <= duration <= policy.max_duration:
        longest = int(policy.max_duration.total_seconds())
        raise InvalidInput(
            f"duration must be 60 to {longest} seconds: the policy for {policy.pattern!r} allows no more.",
            field="duration",
        )
    return duration


def _check_person(caller: Caller) -> None:
    if caller.id == SYSTEM_ID:
        raise InvalidInput("An approval is a person's: say whose it is with a context.", field="context")


def _check_other(caller: Caller, request: EmergencyRequest) -> None:
    if same_person(caller.id, request.requester):
        raise AccessDenied(
            f"Permission denied: nobody decides about their own request; {request.requester!r} made request "
            f"{request.id}, and can withdraw it."
        )
