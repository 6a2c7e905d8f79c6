"""Recovery codes: made in advance, kept on paper by several people, for when approvers cannot be reached.

They stand for the approvers of a request, never for the requester's own login or second factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from holdfast.crypto.recovery_codes import hash_recovery_code, matching_codes, new_recovery_code
from holdfast.domain.break_glass import (
    MAX_FAILURES,
    REQUESTABLE,
    CodeSet,
    EmergencyRequest,
    RequestStep,
    same_person,
)
from holdfast.domain.names import SecretName, covers
from holdfast.domain.policy import Caller, Grant, Permission
from holdfast.errors import AccessDenied, Conflict
from holdfast.ports import BreakGlassStore, EmergencyTransaction
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.break_glass.granting import Granting, summary
from holdfast.service.break_glass.requests import EmergencyRequests


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCodes:
    """A set of recovery codes with the codes themselves, which are shown this once."""

    set: CodeSet
    codes: tuple[str, ...] = field(repr=False)


class RecoveryCodes:
    """Makes sets of codes, and takes codes in place of approvals."""

    def __init__(
        self, *, guard: Guard, store: BreakGlassStore, granting: Granting, requests: EmergencyRequests
    ) -> None:
        self._guard, self._store, self._granting, self._requests = guard, store, granting, requests

    async def create(self, caller: Caller, pattern: str, number: int, threshold: int) -> NewCodes:
        """Make a set for a name or glob, in place of an earlier one for the very same; old codes are void.

        Raises:
            AccessDenied: the caller does not hold `grant`, `approve` and all that may be asked for there.
        """
        codes = tuple(new_recovery_code() for _ in range(number))
        hashes = tuple(hashed for code in codes if (hashed := hash_recovery_code(code)) is not None)
        async with self._guard.operation(
            caller, Permission.GRANT, SecretName(pattern), "break_glass.codes.create"
        ) as authorized:
            self._guard.check_delegation(authorized, _worth(pattern, caller))
            async with self._store.transaction() as tx:
                made = await tx.add_codes(
                    CodeSet(
                        id=0,
                        pattern=pattern,
                        threshold=threshold,
                        hashes=hashes,
                        used=frozenset(),
                        created_by=caller.id,
                        created_at=await tx.now(),
                    )
                )
                detail = f"set {made.id}: {number} codes, {threshold} together stand for the approvers"
                await tx.record(self._guard.success(authorized, detail=detail))
        return NewCodes(set=made, codes=codes)

    async def list(self, caller: Caller) -> list[CodeSet]:
        """All sets, without codes, for those who may grant on the whole vault or read its audit trail."""
        async with self._guard.operation(
            caller, Permission.GRANT, WHOLE_VAULT, "break_glass.codes.list", Permission.AUDIT
        ):
            return await self._store.code_sets()

    async def remove(self, caller: Caller, set_id: int) -> bool:
        """Make all codes of a set void; False if there is no such set."""
        async with (
            self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "break_glass.codes.remove") as authorized,
            self._store.transaction() as tx,
        ):
            removed = await tx.remove_codes(set_id)
            await tx.record(self._guard.success(authorized, detail=f"set {set_id}"))
        return removed

    async def redeem(self, caller: Caller, request_id: int, codes: Sequence[str]) -> EmergencyRequest:
        """Let enough codes of one set stand for the approvers of the caller's own request; each is good once.

        Raises:
            AccessDenied: they are not that many good codes of a set that somebody else made, or the request is not the
                caller's.
            Conflict: the request is not open any more, or was tried with wrong codes too often.
        """
        found = await self._requests.visible(caller, request_id, "break_glass.redeem")
        async with self._guard.own(caller, "break_glass.redeem", SecretName(found.pattern)) as authorized:
            if caller.id != found.requester:
                raise AccessDenied(f"Permission denied: request {request_id} is not yours.")
            async with self._store.transaction() as tx:
                request = await self._granting.held(tx, request_id)
                request.advanced(RequestStep.APPROVE)
                _check_failures(request)
                spent = _spent(await tx.code_sets(), request, codes)
                if spent is None:
                    await tx.note_failure(request_id)
                    approved, epoch = request, None
                else:
                    approved, epoch = await self._redeemed(tx, authorized, request, *spent)
            if spent is None:
                raise AccessDenied(
                    "Permission denied: these are not enough good recovery codes of one set for these names, made by "
                    "somebody else. Each code is good once."
                )
        await self._granting.told(approved, epoch)
        return approved

    async def _redeemed(
        self,
        tx: EmergencyTransaction,
        authorized: Authorized,
        request: EmergencyRequest,
        codes: CodeSet,
        numbers: frozenset[int],
    ) -> tuple[EmergencyRequest, int]:
        codes = replace(codes, used=codes.used | numbers, last_used_at=await tx.now())
        await tx.spend(codes)
        approved, epoch = await self._granting.grant(tx, request, f"recovery codes of set {codes.id}")
        for number in sorted(numbers):
            use = f"code {number} of set {codes.id} is spent on request {request.id}; {codes.left} are left"
            await tx.record(self._guard.success(authorized, detail=use))
        await tx.record(self._guard.success(authorized, detail=summary(approved)))
        return approved, epoch


def _worth(pattern: str, caller: Caller) -> Grant:
    """What enough codes together are as good as."""
    return Grant(
        user_id=caller.id,
        pattern=pattern,
        permissions=REQUESTABLE | {Permission.APPROVE},
        granted_by=caller.id,
    )


def _check_failures(request: EmergencyRequest) -> None:
    if request.failures >= MAX_FAILURES:
        raise Conflict(
            f"Request {request.id} was tried with wrong recovery codes {request.failures} times: it is for approvers "
            "alone now. Check the codes, and make another request."
        )


def _spent(
    sets: Sequence[CodeSet], request: EmergencyRequest, codes: Sequence[str]
) -> tuple[CodeSet, frozenset[int]] | None:
    """The set whose codes are enough, and the numbers of those that are spent on it; None if there is none."""
    found = None
    for each in sets:  # all of them are looked at, whichever fits
        good = sorted(matching_codes(codes, each.hashes) - each.used)
        fits = covers(each.pattern, request.pattern) and not same_person(each.created_by, request.requester)
        if fits and len(good) >= each.threshold and found is None:
            found = each, frozenset(good[: each.threshold])
    return found
