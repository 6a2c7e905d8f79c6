"""The one door: who passes has been authorised, and the passage is on record."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import InitVar, dataclass
from types import TracebackType
from typing import Final, final

import msgspec

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.break_glass import EMERGENCY, RULE_PREFIX
from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.policy import Caller, Grant, Permission
from holdfast.errors import AccessDenied, HoldfastError, InvalidInput
from holdfast.ports import AuditLog, Clock
from holdfast.resilience.correlation import correlated, correlation_id
from holdfast.service.access.delivery import pass_on
from holdfast.service.access.grants import GrantBook

WHOLE_VAULT: Final = SecretName("*")
"""The name under which operations on no one secret are recorded."""

BREAK_OFF: Final = "break_off"
"""The error code of the record that stands beside a success whose answer may not have arrived."""

_log: Final = logging.getLogger(__name__)

_MINT: Final = object()


@final
@dataclass(frozen=True, slots=True)
class Authorized:
    """Proof that a rule said yes. Everything that touches a secret takes one; only the guard makes them.

    ``rule`` names the rule that decided; it is empty for listings, in which every entry is decided on its own.
    """

    caller: Caller
    permission: Permission
    name: SecretName
    operation: str
    mint: InitVar[object]
    rule: str = ""

    def __post_init__(self, mint: object) -> None:
        if mint is not _MINT:
            raise TypeError("only the guard authorises")


class Guard:
    """Decides and records in one step."""

    def __init__(self, grants: GrantBook, audit: AuditLog, clock: Clock) -> None:
        self._grants, self._audit, self._clock = grants, audit, clock

    def operation(
        self, caller: Caller, permission: Permission, name: SecretName, operation: str, *others: Permission
    ) -> AbstractAsyncContextManager[Authorized]:
        """Let an authorised operation run; however it fails is recorded before the error is passed on.

        Args:
            others: further permissions, each of which suffices as well.

        Raises:
            AccessDenied: no grant allows it. That is on record.
            AuditUnavailable: nothing can be put on record, so nothing happens.
            LeaseExpired: the grants known here are too old to act on.
        """
        return _Passage(self._authorize, self._record_failure, (caller, (permission, *others), name, operation))

    @asynccontextmanager
    async def listing(self, caller: Caller, operation: str, *, strict: bool = False) -> AsyncIterator[Authorized]:
        """Let a listing run, in which every single entry is then asked of ``may``.

        Raises:
            AccessDenied: ``strict`` is given, and the caller may list nothing at all. That is on record.
        """
        try:
            if strict:
                self._check_any(caller, Permission.LIST)
            yield Authorized(caller, Permission.LIST, WHOLE_VAULT, operation, _MINT)
        except (Exception, asyncio.CancelledError) as error:
            await self._audit.append(self.failure(caller, operation, WHOLE_VAULT, error))
            raise

    async def check_any(self, caller: Caller, permission: Permission, operation: str) -> None:
        """See that a caller may do this to any secret at all, before it is known to which.

        Raises:
            AccessDenied: not to one. That is on record.
        """
        try:
            self._check_any(caller, permission)
        except HoldfastError as error:
            await self._audit.append(self.failure(caller, operation, WHOLE_VAULT, error))
            raise

    def _check_any(self, caller: Caller, permission: Permission) -> None:
        if not self._grants.gives(caller, permission):
            raise AccessDenied(
                f"Permission denied: {caller.id!r} may not {permission} any secret. Ask for a grant of '{permission}'."
            )

    @asynccontextmanager
    async def login(self, caller: Caller) -> AsyncIterator[None]:
        """Record how an attempt to prove an identity ends, before anybody is told."""
        try:
            yield
        except (Exception, asyncio.CancelledError) as error:
            await self._audit.append(self.failure(caller, "login", WHOLE_VAULT, error))
            raise
        await self._audit.append(
            record_of(caller, "login", WHOLE_VAULT, self._clock.now(), request_id=correlation_id())
        )

    @asynccontextmanager
    async def own(self, caller: Caller, operation: str, about: SecretName = WHOLE_VAULT) -> AsyncIterator[Authorized]:
        """Let callers do something of their own, for which they need no grant. No secret is within reach.

        Args:
            about: the name under which a failure is recorded.

        Raises:
            LeaseExpired: what is known here is too old to act on.
        """
        try:
            self._grants.check_lease(WHOLE_VAULT)
            yield Authorized(caller, Permission.LIST, WHOLE_VAULT, operation, _MINT)
        except (Exception, asyncio.CancelledError) as error:
            await self._audit.append(self.failure(caller, operation, about, error))
            raise

    async def record_refusal(self, caller: Caller, error: BaseException) -> None:
        """Put a proof of identity that does not hold on record, before whoever tried it is told."""
        await self._audit.append(self.failure(caller, "login", WHOLE_VAULT, error))

    def _authorize(
        self, caller: Caller, sufficient: tuple[Permission, ...], name: SecretName, operation: str
    ) -> Authorized:
        for permission in sufficient:
            rule = self._grants.rule(caller, permission, name)
            if rule is not None:
                return Authorized(caller, permission, name, operation, _MINT, rule)
        raise denied(caller, sufficient, name)

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

    async def record(
        self,
        authorized: Authorized,
        *,
        version: int | None = None,
        source: str | None = None,
        stale: bool = False,
        detail: str | None = None,
    ) -> None:
        """Return when the success of an operation is on record; only then may its result leave."""
        record = self.success(authorized, version=version, source=source, stale=stale, detail=detail)
        await self._audit.append(record)

    def success(
        self,
        authorized: Authorized,
        *,
        version: int | None = None,
        source: str | None = None,
        stale: bool = False,
        detail: str | None = None,
    ) -> AuditRecord:
        """The record of a success, for a transaction that stores it with the change itself."""
        record = record_of(
            authorized.caller,
            authorized.operation,
            authorized.name,
            self._clock.now(),
            version=version,
            source=source,
            stale=stale,
            rule=authorized.rule or None,
            detail=EMERGENCY if authorized.rule.startswith(RULE_PREFIX) else detail,
            request_id=correlation_id(),
        )
        pass_on(record, self._note_break_off)
        return record

    async def _note_break_off(self, record: AuditRecord) -> None:
        """Record beside a success that its answer may not have arrived."""
        try:
            await self._audit.append(
                msgspec.structs.replace(
                    record,
                    timestamp=self._clock.now(),
                    success=False,
                    error_code=BREAK_OFF,
                    error_message="The connection broke before the whole answer was handed over",
                    detail="disclosed=unknown",
                )
            )
        except HoldfastError as error:
            _log.warning("An answer that broke off is not on record: %s", error)

    async def _record_failure(self, caller: Caller, operation: str, name: str, error: BaseException) -> None:
        await self._audit.append(self.failure(caller, operation, name, error))

    def failure(self, caller: Caller, operation: str, name: str, error: BaseException) -> AuditRecord:
        """The record of a failure or refusal."""
        return record_of(caller, operation, name, self._clock.now(), error=error, request_id=correlation_id())


@final
class _Passage(AbstractAsyncContextManager[Authorized]):
    """One operation's way through the guard. As a generator it would cost each read some microseconds more."""

    __slots__ = ("_asked", "_authorize", "_correlated", "_refuse")

    def __init__(
        self,
        authorize: Callable[[Caller, tuple[Permission, ...], SecretName, str], Authorized],
        refuse: Callable[[Caller, str, SecretName, BaseException], Awaitable[None]],
        asked: tuple[Caller, tuple[Permission, ...], SecretName, str],
    ) -> None:
        self._authorize, self._refuse, self._asked = authorize, refuse, asked
        self._correlated: AbstractContextManager[None] | None = None

    async def __aenter__(self) -> Authorized:
        given = self._asked[0].request_id
        if given is not None and given != correlation_id():  # an application says so; a server has said it before
            self._correlated = correlated(given)
            self._correlated.__enter__()
        try:
            return self._authorize(*self._asked)
        except Exception as error:
            await self.__aexit__(type(error), error, None)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception | asyncio.CancelledError):
                await self._record(error)
        finally:
            if self._correlated is not None:
                self._correlated.__exit__(None, None, None)

    async def _record(self, error: BaseException) -> None:
        caller, _, name, operation = self._asked
        await self._refuse(caller, operation, name, error)


def denied(caller: Caller, sufficient: tuple[Permission, ...], name: str) -> AccessDenied:
    """The refusal of an action that no grant allows."""
    ways = " or ".join(f"'{permission}'" for permission in sufficient)
    return AccessDenied(
        f"Permission denied: {caller.id!r} may not {sufficient[0]} {name!r}. Ask for a grant of {ways} on it."
    )
