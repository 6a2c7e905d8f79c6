"""Rotating secrets, at once, on a schedule and with a person's word; and seeing where each rotation stands."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM_ID, AuthMethod, Caller, Permission
from holdfast.domain.rotation import Consumer, Phase, RotationResult, RotationRun, Step, Trigger, advance
from holdfast.domain.secret import RotationPolicy, SecretValue
from holdfast.errors import Conflict, HoldfastError, InvalidInput, RotationFailed, RotationInProgress, SecretNotFound
from holdfast.ports import RotationHandler, RotationSchedule, RotationStore
from holdfast.resilience.correlation import correlate
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.resilience.tasks import all_of
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.rotation.consumers import Adoption
from holdfast.service.rotation.driver import RotationDriver, pause_after
from holdfast.service.rotation.handlers import CALLBACK, Generate, Handlers, OneCallback
from holdfast.service.rotation.holding import LEASE, Fenced
from holdfast.service.rotation.reviewing import PolicyReview
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.writing import Writer

_log: Final = Log(__name__)

PARALLEL: Final = 4
"""Rotations that one node drives at the same time."""

_AT_ONCE: Final = 100
"""Schedules taken up in one round, and runs by each of those that drive some at the same time."""

_SCHEDULE_LEASE: Final = timedelta(minutes=3)
"""How long a due schedule is left to whoever took it, until a run has begun. Nothing at the target has happened yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationStatus:
    """Where the rotation of a secret stands. ``laggards``: who still uses the credential before the current one."""

    secret_name: SecretName
    schedule: RotationSchedule | None
    run: RotationRun | None
    laggards: Sequence[Consumer] = ()


class Rotations:
    """The use cases of rotation."""

    def __init__(
        self,
        *,
        guard: Guard,
        store: RotationStore,
        handlers: Handlers,
        driver: RotationDriver,
        adoption: Adoption,
        review: PolicyReview,
        mirror: Mirror,
        writer: Writer,
    ) -> None:
        self._guard, self._store, self._handlers = guard, store, handlers
        self._driver, self._adoption, self._mirror, self._writer = driver, adoption, mirror, writer
        self.review = review
        self._slots = asyncio.Semaphore(PARALLEL)
        self._outages = Outages(Event.ROTATION_FAILS, Event.ROTATION_WENT)

    # --- rotating ---

    async def rotate(self, caller: Caller, name: SecretName, generate: Generate | None) -> RotationResult:
        """Rotate a secret now, with a function of the caller's or with the handler that is set for it.

        Raises:
            RotationInProgress: an earlier rotation is not over.
            RotationFailed: a step failed; it is tried again in the background.
        """
        if generate is not None and not callable(generate):
            raise InvalidInput("generate must be a function that returns the new value.", field="generate")
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate") as authorized:
            if generate is not None:
                return await self._begin(authorized, CALLBACK, OneCallback(generate), Trigger.MANUAL)
            handler_name, handler = await self._handler_for(name)
            return await self._begin(authorized, handler_name, handler, Trigger.MANUAL)

    async def reapply(
        self, caller: Caller, name: SecretName, former: Callable[[], Awaitable[SecretValue]]
    ) -> RotationResult:
        """Make a former credential the current one again, at its target as well."""
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate") as authorized:
            handler_name, handler = await self._handler_for(name)
            return await self._begin(authorized, handler_name, handler, Trigger.ROLLBACK, await former())

    async def execute_due(self) -> list[RotationResult]:
        """Rotate what is due and may go ahead, and take up what was left; one result per secret."""
        await self._store.checked()
        await self.review.look()
        asked = await self._store.request_approvals()
        if asked:
            _log(Event.ROTATION_ASKED_FOR, count=len(asked))
        resumed = await self.resume_open()
        due = await self._store.due(_SCHEDULE_LEASE, limit=_AT_ONCE)
        return [*resumed, *await all_of(map(self._rotate_due, due))]

    async def resume_open(self) -> list[RotationResult]:
        """Take up runs that nobody holds and whose time has come."""
        await self._driver.holding.release_kept()
        results = await all_of(self._take_up() for _ in range(PARALLEL))
        return [result for some in results for result in some]

    async def _take_up(self) -> list[RotationResult]:
        """Take up one after the other, so that none is held while it waits for its turn."""
        results = list[RotationResult | None]()
        while len(results) < _AT_ONCE and (runs := await self._store.claim(self._handlers.names, LEASE, limit=1)):
            results += [await self._resume(run) for run in runs]
        return [result for result in results if result is not None]

    async def schedule(
        self, caller: Caller, name: SecretName, interval_days: int, *, auto_rotate: bool
    ) -> RotationPolicy:
        """Give a secret a rotation interval; the rest of its policy stays."""
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate.schedule") as authorized:
            return await self._writer.reschedule(authorized, interval_days, auto_rotate=auto_rotate)

    # --- a person's word ---

    async def approve(self, caller: Caller, name: SecretName) -> None:
        """Let a rotation go ahead that is due and asks a person first.

        Raises:
            Conflict: nobody was asked.
        """
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate.approve") as authorized:
            if not await self._store.approve(name, caller.id, self._guard.success(authorized)):
                raise Conflict(f"No rotation of {name!r} waits for approval: see `holdfast rotation show`.")

    async def cancel(self, caller: Caller, name: SecretName) -> RotationRun:
        """Give up a rotation whose candidate cannot have taken the place of the current credential.

        Raises:
            Conflict: there is none, or the target may know nothing but its candidate.
        """
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate.cancel") as authorized:
            run = await self._held(name)
            phase = advance(run.phase, Step.CANCEL, name)
            if run.tried and not self._handlers.named(run.handler).reversible:
                await self._store.release(run, run.last_error, timedelta())
                raise Conflict(
                    f"The target of {name!r} may already refuse the current credential, so its rotation can only go "
                    "on: mend what `holdfast rotation show` names, then resume it."
                )
            cancelled = await self._store.advance(run, phase, self._guard.success(authorized))
            if cancelled is None:
                raise RotationInProgress(f"Somebody else has taken up the rotation of {name!r} at this moment.")
        return cancelled

    async def resume(self, caller: Caller, name: SecretName) -> RotationResult:
        """Go on with a rotation now rather than at its next attempt, whoever holds it: that one is fenced off."""
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate.resume"):
            run = await self._held(name, force=True)
        return await self._ended(self._driver.drive(run), name)

    async def retire(self, caller: Caller, name: SecretName) -> RotationResult:
        """Revoke the old credential now, although some may still use it: a person decides.

        Raises:
            Conflict: there is no old credential to revoke.
        """
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotate.retire"):
            run = await self._held(name)
            if run.phase is not Phase.CURRENT:
                await self._store.release(run, run.last_error, timedelta())
                raise Conflict(f"The rotation of {name!r} is {run.phase}: there is no old credential to revoke yet.")
        return await self._ended(self._driver.retire_now(run), name)

    # --- seeing ---

    async def status(self, caller: Caller, name: SecretName) -> RotationStatus:
        """Where the rotation of a secret stands, and who still uses the credential before."""
        async with self._guard.operation(caller, Permission.ROTATE, name, "rotation", Permission.LIST):
            run, schedule = await self._store.find(name), await self._store.schedule(name)
            waits = run is not None and run.phase is Phase.CURRENT
            laggards = await self._adoption.laggards(run) if run is not None and waits else ()
        return RotationStatus(secret_name=name, schedule=schedule, run=run, laggards=laggards)

    async def runs(self, caller: Caller, *, open_only: bool, limit: int) -> list[RotationRun]:
        """Rotations of secrets that the caller may list, newest first."""
        async with self._guard.listing(caller, "rotations"):
            found = await self._store.runs(open_only=open_only, limit=limit)
            return [run for run in found if self._guard.may(caller, Permission.LIST, run.name)]

    async def may_execute(self, caller: Caller) -> None:
        """See that a caller may run what is due."""
        async with self._guard.operation(caller, Permission.ROTATE, WHOLE_VAULT, "rotate.due"):
            return

    async def previous_version(self, name: SecretName) -> int:
        """Return the version before the current one, while its credential still works at the target.

        Raises:
            SecretNotFound: there is none any more.
        """
        run = await self._store.find(name)
        if run is None or run.phase is not Phase.CURRENT:
            raise SecretNotFound(f"Secret not found: {name!r} has no previous version that is still in use.")
        return run.from_version

    # --- one rotation ---

    async def _begin(
        self,
        authorized: Authorized,
        handler_name: str,
        handler: RotationHandler,
        trigger: Trigger,
        value: SecretValue | None = None,
    ) -> RotationResult:
        with self._driver.traced(trigger):
            run = await self._driver.begin(authorized, handler_name, handler, trigger, value)
            return await self._ended(self._driver.drive(run), run.name)

    async def _ended(self, going: Awaitable[RotationRun], name: SecretName) -> RotationResult:
        try:
            return _result_of(await going)
        except Fenced:
            raise RotationInProgress(f"Somebody else has taken up the rotation of {name!r}.") from None

    async def _resume(self, run: RotationRun) -> RotationResult | None:
        correlate(f"rotation:{run.id}")  # of a task that has this run alone
        before = run.phase
        async with self._slots:
            try:
                with self._driver.traced(run.trigger):
                    run = await self._driver.drive(run)
            except Fenced:
                return None
            except RotationFailed as error:
                self._outages.failed(run.name, error)
                return _failure(run.name, error, run)
        self._outages.works(run.name)
        return _result_of(run) if run.phase is not before else None

    async def _rotate_due(self, schedule: RotationSchedule) -> RotationResult:
        name, caller = schedule.name, Caller(SYSTEM_ID, is_system=True, user_agent="schedule", method=AuthMethod.SYSTEM)
        correlate(f"rotation:{name}")
        async with self._slots:
            try:
                async with self._guard.operation(caller, Permission.ROTATE, name, "rotate") as authorized:
                    handler_name, handler = await self._handler_for(name)
                    result = await self._begin(authorized, handler_name, handler, Trigger.SCHEDULE)
            except HoldfastError as error:
                self._outages.failed(name, error)
                await self._store.failed(name, str(error), pause_after(schedule.failures))
                return _failure(name, error)
        self._outages.works(name)
        return result

    async def _handler_for(self, name: SecretName) -> tuple[str, RotationHandler]:
        found = await self._mirror.current(name)
        if found is None:
            raise not_found(name)
        return self._handlers.chosen(name, found[0].settings.rotation_policy)

    async def _held(self, name: SecretName, *, force: bool = False) -> RotationRun:
        held = await self._store.claim(self._handlers.names, LEASE, limit=1, name=name, force=force)
        if held:
            return held[0]
        run = await self._store.find(name)
        if run is None or run.finished_at is not None:
            raise Conflict(f"No rotation of {name!r} is under way.")
        raise RotationInProgress(
            f"The rotation of {name!r} is held by another node, or needs the handler {run.handler!r}, which this node "
            "does not have; try again, or there."
        )


def _result_of(run: RotationRun) -> RotationResult:
    return RotationResult(secret_name=run.name, success=True, phase=run.phase, version=run.version, run_id=run.id)


def _failure(name: SecretName, error: HoldfastError, run: RotationRun | None = None) -> RotationResult:
    return RotationResult(
        secret_name=name,
        success=False,
        phase=run.phase if run else None,
        run_id=run.id if run else None,
        error_message=str(error),
    )
