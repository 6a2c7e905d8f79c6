"""The one door: who passes has been authorised, and the passage is on record."""

from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import WHOLE_VAULT, SecretName, canonical_name
from holdfast.domain.policy import Caller, Grant, Permission
from holdfast.errors import AccessDenied, InvalidInput
from holdfast.ports import AuditLog, Clock
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.passage import MINT, Authorized, Passage, Records

__all__ = ["WHOLE_VAULT", "Authorized", "Guard", "denied"]


class Guard:
    """Decides and records in one step.

    Each operation runs in one of the contexts below. Who leaves it with an error leaves the record of a failure;
    who leaves it without one leaves that of a success, if nothing on the way has put it on record.
    """

    def __init__(self, grants: GrantBook, audit: AuditLog, clock: Clock) -> None:
        self._grants, self._records = grants, Records(audit, clock)

    # --- the ways through ---

    def operation(
        self, caller: Caller, permission: Permission, name: SecretName, operation: str, *others: Permission
    ) -> AbstractAsyncContextManager[Authorized]:
        """Let an authorised operation run; however it ends is recorded before anybody is told.

        Args:
            others: further permissions, each of which suffices as well.

        Raises:
            AccessDenied: no grant allows it. That is on record.
            AuditUnavailable: nothing can be put on record, so nothing happens.
            LeaseExpired: the grants known here are too old to act on.
            OutcomeUnknown: a transaction was to store the record of a success, and none has said that it did.
        """
        return Passage(self._records, self._authorize, caller, operation, name, (permission, *others))

    def listing(
        self, caller: Caller, operation: str, *, strict: bool = False
    ) -> AbstractAsyncContextManager[Authorized]:
        """Let a listing run, in which every single entry is then asked of ``may``.

        Raises:
            AccessDenied: ``strict`` is given, and the caller may list nothing at all. That is on record.
        """
        admit = self._holds_some if strict else _at_large
        return Passage(self._records, admit, caller, operation, WHOLE_VAULT, (Permission.LIST,))

    async def check_any(self, caller: Caller, permission: Permission, operation: str) -> None:
        """See that a caller may do this to any secret at all, before it is known to which.

        Raises:
            AccessDenied: not to one. That is on record.
        """
        async with Passage(
            self._records, self._holds_some, caller, operation, WHOLE_VAULT, (permission,), recorded=True
        ):
            return

    def login(self, caller: Caller) -> AbstractAsyncContextManager[Authorized]:
        """Record how an attempt to prove an identity ends, before anybody is told."""
        return Passage(self._records, _at_large, caller, "login", WHOLE_VAULT)

    def own(
        self, caller: Caller, operation: str, about: SecretName = WHOLE_VAULT
    ) -> AbstractAsyncContextManager[Authorized]:
        """Let callers do something of their own, for which they need no grant. No secret is within reach.

        Args:
            about: the name under which it is recorded.

        Raises:
            LeaseExpired: what is known here is too old to act on.
        """
        return Passage(self._records, self._in_time, caller, operation, about)

    def finding(self, caller: Caller, operation: str) -> AbstractAsyncContextManager[Authorized]:
        """Let it be looked up what another passage is to be about. Only a failure is recorded; nothing leaves by this.

        Raises:
            LeaseExpired: what is known here is too old to act on.
        """
        return Passage(self._records, self._in_time, caller, operation, WHOLE_VAULT, recorded=True)

    async def record_refusal(self, caller: Caller, error: BaseException) -> None:
        """Put a proof of identity that does not hold on record, before whoever tried it is told."""
        await self._records.put(self._records.failure(caller, "login", WHOLE_VAULT, error))

    # --- decisions ---

    def _authorize(self, passage: Passage) -> Authorized:
        caller, name = passage.caller, passage.about
        for permission in passage.sufficient:
            rule = self._grants.rule(caller, permission, name)
            if rule is not None:
                return Authorized(caller, permission, name, passage.operation, MINT, passage, rule)
        raise denied(caller, passage.sufficient, name)

    def _holds_some(self, passage: Passage) -> Authorized:
        caller, (permission,) = passage.caller, passage.sufficient
        if not self._grants.gives(caller, permission):
            raise AccessDenied(
                f"Permission denied: {caller.id!r} may not {permission} any secret. Ask for a grant of '{permission}'."
            )
        return _at_large(passage)

    def _in_time(self, passage: Passage) -> Authorized:
        self._grants.check_lease(WHOLE_VAULT)
        return _at_large(passage)

    def check_ready(self) -> None:
        """See that this node can decide at all.

        Raises:
            LeaseExpired: the grants known here are too old to act on.
        """
        self._grants.check_lease(WHOLE_VAULT)

    def may_know(self, caller: Caller, name: str) -> bool:
        """Whether a caller may know of a name in Key Vault; one that is no secret's name is for those who list all."""
        try:
            return self.may(caller, Permission.LIST, canonical_name(name))
        except InvalidInput:
            return self.may(caller, Permission.LIST, WHOLE_VAULT)

    def may(self, caller: Caller, permission: Permission, name: SecretName) -> bool:
        """Whether a listing may show this entry to the caller; the listing itself is what is recorded."""
        return self._grants.rule(caller, permission, name) is not None

    def check_delegation(self, authorized: Authorized, wanted: Grant) -> None:
        """Refuse to hand out more than the caller holds.

        Raises:
            AccessDenied: some of it is not the caller's to give.
        """
        if not self._grants.allows_delegation(authorized.caller, wanted):
            raise AccessDenied(
                f"Permission denied: {authorized.caller.id!r} cannot grant more on {wanted.pattern!r} than they hold: "
                "'grant' and all of it, on all of these names, for at least as long."
            )

    def check_withdrawal(self, authorized: Authorized, pattern: str) -> None:
        """Refuse to take rules away on names that are not the caller's to decide about.

        Raises:
            AccessDenied: the caller may not grant on all of these names.
        """
        if not self._grants.allows_withdrawal(authorized.caller, pattern):
            raise denied(authorized.caller, (Permission.GRANT,), pattern)

    # --- records of successes that say more than that they happened ---

    async def record(
        self,
        authorized: Authorized,
        *,
        version: int | None = None,
        source: str | None = None,
        stale: bool = False,
        detail: str | None = None,
    ) -> None:
        """Return when the success of an operation is on record."""
        record = self._records.success(authorized, version=version, source=source, stale=stale, detail=detail)
        await self._records.put(record)
        authorized.passage.recorded = True

    def success(
        self,
        authorized: Authorized,
        *,
        version: int | None = None,
        source: str | None = None,
        stale: bool = False,
        detail: str | None = None,
    ) -> AuditRecord:
        """The record of a success, for a transaction that stores it, this very object, with the change itself."""
        record = self._records.success(authorized, version=version, source=source, stale=stale, detail=detail)
        self._records.promise(record, authorized.passage)
        return record

    def kept(self, records: Iterable[AuditRecord]) -> None:
        """Hear that a transaction which stored these records is committed."""
        self._records.kept(records)


def _at_large(passage: Passage) -> Authorized:
    """On no one secret."""
    return Authorized(passage.caller, Permission.LIST, WHOLE_VAULT, passage.operation, MINT, passage)


def denied(caller: Caller, sufficient: tuple[Permission, ...], name: str) -> AccessDenied:
    """The refusal of an action that no grant allows."""
    ways = " or ".join(f"'{permission}'" for permission in sufficient)
    return AccessDenied(
        f"Permission denied: {caller.id!r} may not {sufficient[0]} {name!r}. Ask for a grant of {ways} on it."
    )
