"""What passes the one door, and its record: no way leads out without one."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import InitVar, dataclass, field
from types import TracebackType
from typing import Final, final

import msgspec

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.break_glass import EMERGENCY, RULE_PREFIX
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.errors import AuditUnavailable, BackendUnavailable, HoldfastError, OutcomeUnknown
from holdfast.ports import AuditLog, Clock
from holdfast.resilience.correlation import correlated, correlation_id
from holdfast.resilience.events import Event, Log
from holdfast.service.access.delivery import pass_on

BREAK_OFF: Final = "break_off"
"""The error code of the record that stands next to a success whose answer may not have arrived."""

_log: Final = Log(__name__)

MINT: Final = object()
"""What the guard alone uses, to make what proves that it said yes."""


@final
@dataclass(frozen=True, slots=True)
class Authorized:
    """Proof that a rule said yes. Everything that touches a secret takes one; only the guard makes them.

    ``rule`` names the rule that decided; it is empty for listings, in which every entry is decided on its own.
    ``passage`` is the operation that was let through; it ends with a record.
    """

    caller: Caller
    permission: Permission
    name: SecretName
    operation: str
    mint: InitVar[object]
    passage: "Passage" = field(repr=False, compare=False)
    rule: str = ""

    def __post_init__(self, mint: object) -> None:
        if mint is not MINT:
            raise TypeError("only the guard authorises")


class Records:
    """Makes the records of passages, and knows which of them transactions have kept."""

    def __init__(self, audit: AuditLog, clock: Clock) -> None:
        self._audit, self._clock = audit, clock
        self._promised: dict[int, tuple[AuditRecord, Passage]] = {}

    async def put(self, record: AuditRecord) -> None:
        """Return when a record is durable."""
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
        """The record of a success."""
        record = record_of(
            authorized.caller,
            authorized.operation,
            authorized.passage.about,
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

    def failure(self, caller: Caller, operation: str, about: str, error: BaseException) -> AuditRecord:
        """The record of a failure or refusal."""
        return record_of(caller, operation, about, self._clock.now(), error=error, request_id=correlation_id())

    def promise(self, record: AuditRecord, passage: "Passage") -> None:
        """A transaction is to store the record of a passage."""
        self._promised[id(record)] = record, passage
        passage.promised = (*passage.promised, record)

    def kept(self, records: Iterable[AuditRecord]) -> None:
        """A transaction with these very records is committed; others are passed over."""
        for record in records:
            _, passage = self._promised.get(id(record), (None, None))
            if passage is not None:
                passage.recorded = True

    def forget(self, records: Iterable[AuditRecord]) -> None:
        """No one waits any more to hear what became of these records."""
        for record in records:
            self._promised.pop(id(record), None)

    async def _note_break_off(self, record: AuditRecord) -> None:
        """Record next to a success that its answer may not have arrived."""
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
            _log(Event.AUDIT_BREAK_OFF_UNRECORDED, reason=error)


@final
class Passage(AbstractAsyncContextManager[Authorized]):
    """One operation's way through the guard. As a generator it would cost each read some microseconds more.

    However it ends is on record before anybody is told: a failure, or else a success that was recorded on the way, that
    a transaction has kept, or that is recorded at the end.

    Args:
        admit: decides; what it raises is recorded as the failure that it is.
        sufficient: the permissions of which one is enough.
        about: the name that is recorded.
        recorded: a success needs no record, for it is only the beginning of another passage.
    """

    __slots__ = (
        "_admit",
        "_authorized",
        "_correlated",
        "_records",
        "about",
        "caller",
        "operation",
        "promised",
        "recorded",
        "sufficient",
    )

    def __init__(
        self,
        records: Records,
        admit: "Callable[[Passage], Authorized]",
        caller: Caller,
        operation: str,
        about: SecretName,
        sufficient: tuple[Permission, ...] = (),
        *,
        recorded: bool = False,
    ) -> None:
        self._records, self._admit = records, admit
        self.caller, self.operation, self.about, self.sufficient = caller, operation, about, sufficient
        self.recorded = recorded
        self.promised: tuple[AuditRecord, ...] = ()
        self._correlated: AbstractContextManager[None] | None = None

    async def __aenter__(self) -> Authorized:
        given = self.caller.request_id
        if given is not None and given != correlation_id():  # an application says so; a server has said it before
            self._correlated = correlated(given)
            self._correlated.__enter__()
        try:
            self._authorized = self._admit(self)
        except Exception as error:
            await self.__aexit__(type(error), error, None)
            raise
        return self._authorized

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                if not self.recorded:
                    await self._succeed()
            elif isinstance(error, Exception | asyncio.CancelledError):
                told = self._told(error)
                await self._fail(told)
                if told is not error:
                    raise told from error
        finally:
            if self.promised:
                self._records.forget(self.promised)
            if self._correlated is not None:
                self._correlated.__exit__(None, None, None)

    async def _succeed(self) -> None:
        try:
            self._check_promises()
            await self._records.put(self._records.success(self._authorized))
        except (Exception, asyncio.CancelledError) as error:
            await self._fail(error)
            raise

    def _check_promises(self) -> None:
        if self.promised:
            raise OutcomeUnknown(
                f"The record of {self.operation!r} of {self.about!r} was to be stored with the change itself, and no "
                "transaction says that it was: the change may have been made or not. Look at it."
            )

    def _told(self, error: BaseException) -> BaseException:
        """What is told of an error: not that nothing was done, if a transaction has said otherwise."""
        kept = self.recorded and bool(self.promised)
        if not kept or isinstance(error, OutcomeUnknown) or not isinstance(error, BackendUnavailable):
            return error
        return OutcomeUnknown(
            f"The change by {self.operation!r} of {self.about!r} is stored, and what came after it failed: "
            "read before you repeat it."
        )

    async def _fail(self, error: BaseException) -> None:
        try:
            await self._records.put(self._records.failure(self.caller, self.operation, self.about, error))
        except AuditUnavailable:
            if not isinstance(error, OutcomeUnknown):  # a change that was made has its record
                raise
