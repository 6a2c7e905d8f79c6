"""Takes a rotation from phase to phase, each a committed row, so that a crash anywhere loses nothing.

The order is what matters: the candidate is durable before the target is touched, tested before it becomes current, and
the old credential is revoked only when nobody needs it any longer. Every step may have been taken before by somebody
who died, so each is repeatable with the same candidate; a step whose outcome is unknown keeps both credentials.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import uuid4

from holdfast.domain.lifecycle import not_found
from holdfast.domain.masking import masked
from holdfast.domain.policy import OPERATOR_PREFIX, SYSTEM_ID, AuthMethod, Caller, Permission
from holdfast.domain.rotation import FORWARD, Phase, RotationRun, Step, Trigger, advance
from holdfast.domain.secret import SecretSettings, SecretValue, SecretVersion
from holdfast.domain.validation import valid_value
from holdfast.errors import (
    HoldfastError,
    IntegrityFailure,
    InvalidInput,
    RotationFailed,
    SecretNotFound,
    SecretUnusable,
)
from holdfast.ports import (
    SILENCE,
    Clock,
    Head,
    Ledger,
    LedgerTransaction,
    Rotation,
    RotationHandler,
    RotationStore,
    Sealer,
    Span,
    Telemetry,
    rooted,
    traced,
)
from holdfast.ports.places import CANDIDATE, candidate_place
from holdfast.resilience.correlation import correlation_id
from holdfast.resilience.events import Event, Log
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.access.policies import PolicyRights
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.rotation.consumers import Adoption
from holdfast.service.rotation.handlers import CALLBACK, Handlers, retires
from holdfast.service.rotation.holding import LEASE, STEP_PATIENCE_S, Fenced, Holding
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.wishes import NewVersion
from holdfast.service.secrets.writing import Writer

_log: Final = Log(__name__)

_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(hours=1)

_OF_TARGETS: Final = (RotationFailed, SecretNotFound, SecretUnusable)
"""What a handler cannot do: also because a secret that it borrows is none to be used."""

ROTATION_CRASH_POINTS: Final = ("created", "begun", "applying", "applied", "tested", "promoted", "retiring", "retired")
"""In the order in which a rotation passes them."""


@dataclass(frozen=True, slots=True)
class _Work:
    run: RotationRun
    handler: RotationHandler
    head: Head
    rotation: Rotation


_TakeStep = Callable[[_Work], Awaitable[RotationRun]]


class RotationDriver:
    """Takes the steps. ``crashpoint`` is called with the name of each point as it is passed."""

    def __init__(
        self,
        *,
        store: RotationStore,
        holding: Holding,
        handlers: Handlers,
        adoption: Adoption,
        ledger: Ledger,
        mirror: Mirror,
        sealer: Sealer,
        clock: Clock,
        guard: Guard,
        policies: PolicyRights,
        writer: Writer,
        telemetry: Telemetry = SILENCE,
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self.store, self.holding, self.handlers, self._adoption = store, holding, handlers, adoption
        self._ledger, self._mirror, self._sealer, self._clock = ledger, mirror, sealer, clock
        self._guard, self._policies, self._writer, self._crashpoint = guard, policies, writer, crashpoint
        self._telemetry = telemetry
        self._steps: Final[Mapping[Step, _TakeStep]] = {
            Step.APPLY: self._apply,
            Step.TEST: self._test,
            Step.PROMOTE: self._promote,
            Step.RETIRE: self._retire,
        }

    async def begin(
        self,
        authorized: Authorized,
        handler_name: str,
        handler: RotationHandler,
        trigger: Trigger,
        value: SecretValue | None = None,
    ) -> RotationRun:
        """Make a candidate, or take ``value`` for it, and store it before anything else happens.

        Raises:
            RotationInProgress: an earlier rotation is not over.
            RotationFailed: no usable candidate came of it.
            AccessDenied: the policy has to be confirmed first.
        """
        found = await self._mirror.current(authorized.name)
        if found is None:
            raise not_found(authorized.name)
        head, stored = found
        now, policy = self._clock.now(), head.settings.rotation_policy
        run = RotationRun(
            id=uuid4(),
            name=head.name,
            incarnation=head.incarnation,
            phase=Phase.PENDING,
            handler=handler_name,
            trigger=trigger,
            requested_by=authorized.caller.id,
            from_version=head.version,
            retire_by=now + timedelta(days=policy.retire_after_days) if policy and policy.retire_after_days else None,
        )
        self._check_policy(run, head, authorized.caller if trigger is not Trigger.SCHEDULE else None)
        rotation = _rotation(run, head, self._mirror.value(head, stored))
        with traced("rotation.create"):
            candidate = await self._created(handler, rotation, value)
        self._crashpoint("created")
        sealed = self._sealer.seal_bytes(CANDIDATE, _place(run), candidate.reveal().encode())
        begun = await self.store.begin(run, sealed, self._guard.success(authorized), LEASE)
        self._crashpoint("begun")
        return begun

    async def drive(self, run: RotationRun) -> RotationRun:
        """Go as far as can be gone now; returns where the run stands.

        Raises:
            RotationFailed: a step failed. It is tried again later.
            Fenced: somebody else holds the run by now.
        """
        handler = self.handlers.named(run.handler)
        while (step := FORWARD.get(run.phase)) is not None:
            with traced(f"rotation.{step}"):
                before, run = run.phase, await self._taken(self._steps[step], run, handler)
            if run.phase is before:
                break
        return run

    async def retire_now(self, run: RotationRun) -> RotationRun:
        """Revoke the old credential of a current version, whoever still uses it.

        Raises:
            RotationFailed: the target did not do it. It is tried again later.
            Fenced: somebody else holds the run by now.
        """
        with traced("rotation.retire"):
            return await self._taken(self._revoke, run, self.handlers.named(run.handler))

    def traced(self, trigger: Trigger) -> AbstractContextManager[Span]:
        """Enter as a rotation is begun or taken up."""
        return rooted(self._telemetry.tracing, "rotation", trigger=trigger.value, request_id=correlation_id() or "")

    async def _taken(self, step: _TakeStep, run: RotationRun, handler: RotationHandler) -> RotationRun:
        """Take one step, or say on the run why it failed."""
        secrets: list[SecretValue | None] = []
        try:
            work = await self._prepared(run, handler)
            secrets = [work.rotation.current_value, work.rotation.candidate_value]
            return await step(work)
        except Fenced:
            raise
        except Exception as error:
            raise await self._failed(run, error, secrets) from None

    # --- the steps ---

    async def _apply(self, work: _Work) -> RotationRun:
        if work.run.tried and await self._logs_in(work):
            return await self._advanced(work.run, Step.APPLY)
        if not work.run.tried:
            self._check_policy(work.run, work.head, _asker(work.run))
            await self._writer.foresee(work.run.name)
            if work.run.attempts:  # the target may have changed since it was begun
                await self.holding.through(work.run, lambda: work.handler.look(work.rotation))
        await self.holding.hold(work.run, tried=True)
        self._crashpoint("applying")
        await self.holding.through(work.run, lambda: work.handler.apply(work.rotation))
        self._crashpoint("applied")
        return await self._advanced(work.run, Step.APPLY)

    async def _test(self, work: _Work) -> RotationRun:
        await self.holding.hold(work.run)
        await self.holding.through(work.run, lambda: work.handler.test(work.rotation))
        tested = await self._advanced(work.run, Step.TEST)
        self._crashpoint("tested")
        return tested

    async def _promote(self, work: _Work) -> RotationRun:
        """Make the candidate the current version, in one transaction with the run's own row."""
        run = work.run
        phase = Phase.CURRENT if retires(work.handler) else Phase.RETIRED

        async def also(tx: LedgerTransaction, made: SecretVersion) -> None:
            if not await tx.promote(run, phase, made.version):
                raise Fenced

        async with self._guard.operation(_requester(run), Permission.ROTATE, run.name, "rotate.promote") as authorized:
            made = await self._writer.set(authorized, await self._new_version(work), also)
        self._crashpoint("promoted")
        self._telemetry.rotation_ended(succeeded=True)
        return replace(run, phase=phase, version=made.version, promoted_at=self._clock.now())

    async def _retire(self, work: _Work) -> RotationRun:
        """Revoke the old credential, unless somebody still needs it: then let the run wait."""
        run = work.run
        wait = await self._adoption.wait(run)
        if wait is not None:
            await self.holding.release(run, None, wait)
            return run
        return await self._revoke(work)

    async def _revoke(self, work: _Work) -> RotationRun:
        run, is_back = work.run, await self._is_back(work)
        if not is_back:
            self._check_policy(run, work.head, _asker(run))
        await self.holding.hold(run)  # the last look before what cannot be taken back
        self._crashpoint("retiring")
        if not is_back:
            await self.holding.through(run, lambda: work.handler.retire(work.rotation))
        self._crashpoint("retired")
        async with self._guard.operation(_requester(run), Permission.ROTATE, run.name, "rotate.retire") as authorized:
            record = self._guard.success(authorized, version=run.from_version)
            return _still_ours(await self.store.advance(run, advance(run.phase, Step.RETIRE, run.name), record))

    async def _is_back(self, work: _Work) -> bool:
        """Whether somebody made the old credential the current one again: then nobody revokes it."""
        found = await self._mirror.current(work.run.name)
        return found is not None and self._mirror.value(*found).reveal() == work.rotation.current

    # --- what steps need ---

    def _check_policy(self, run: RotationRun, head: Head, asker: Caller | None) -> None:
        """See that the secret's policy may steer the run; a callback is steered by none."""
        if run.handler != CALLBACK:
            self._policies.check_run(asker, head.name, head.settings)

    async def _created(self, handler: RotationHandler, rotation: Rotation, value: SecretValue | None) -> SecretValue:
        """Return a candidate that can be expected to log in, as far as the handler can tell: ``value``, if given."""
        try:
            candidate = value or _usable(await handler.create(rotation), rotation)
            await self._looked(handler, replace(rotation, candidate_value=candidate))
        except Exception as error:
            if isinstance(error, HoldfastError) and not isinstance(error, _OF_TARGETS):
                raise
            self._telemetry.rotation_ended(succeeded=False)
            text = _cause(error, [rotation.current_value])
            raise RotationFailed(f"{rotation.name!r} is not rotated, and nothing is changed: {text}") from None
        return candidate

    @staticmethod
    async def _looked(handler: RotationHandler, rotation: Rotation) -> None:
        async with asyncio.timeout(STEP_PATIENCE_S):
            await handler.look(rotation)

    async def _prepared(self, run: RotationRun, handler: RotationHandler) -> _Work:
        found = await self._ledger.version(run.name, run.from_version)
        head, stored = found or (None, None)
        if head is None or stored is None or head.incarnation != run.incarnation:
            raise not_found(run.name)
        self._mirror.check_living(head)
        rotation = _rotation(run, head, self._mirror.value(head, stored))
        return _Work(run, handler, head, replace(rotation, candidate_value=await self._candidate(run, head)))

    async def _candidate(self, run: RotationRun, head: Head) -> SecretValue:
        """What takes the old one's place: kept with the run until it is a version."""
        if run.version is not None:
            found = await self._ledger.version(run.name, run.version)
            if found is None or found[1] is None:
                raise IntegrityFailure(f"The version that a rotation of {run.name!r} made is gone")
            return self._mirror.value(head, found[1])
        sealed = await self.store.candidate(run)
        if sealed is None:
            raise IntegrityFailure(f"The candidate of a rotation of {run.name!r} is gone: its row was edited")
        return SecretValue(self._sealer.open_bytes(CANDIDATE, _place(run), sealed).decode())

    async def _new_version(self, work: _Work) -> NewVersion:
        found = await self._mirror.current(work.run.name)
        if found is None or work.rotation.candidate_value is None:
            raise not_found(work.run.name)
        current = found[1].version.attributes
        return NewVersion(
            display_name=work.head.display_name,
            value=work.rotation.candidate_value,
            attributes=current.inherited,
            settings=SecretSettings(),
        )

    async def _logs_in(self, work: _Work) -> bool:
        """Whether an earlier attempt did reach the target, although nobody came back to say so."""
        try:
            await self.holding.through(work.run, lambda: work.handler.test(work.rotation))
        except Fenced:
            raise
        except Exception as error:
            _log(Event.ROTATION_NOT_PROVEN, name=work.run.name, reason=type(error).__name__)
            return False
        return True

    async def _advanced(self, run: RotationRun, step: Step) -> RotationRun:
        return _still_ours(await self.store.advance(run, advance(run.phase, step, run.name)))

    async def _failed(self, run: RotationRun, error: Exception, secrets: list[SecretValue | None]) -> RotationFailed:
        self._telemetry.rotation_ended(succeeded=False)
        text = _cause(error, secrets)
        await self.holding.release(run, text, pause_after(run.attempts))
        return RotationFailed(
            f"The rotation of {run.name!r} stays {run.phase}: {text} Both credentials are kept, and it is tried again."
        )


def _cause(error: Exception, secrets: Sequence[SecretValue | None]) -> str:
    """Say in a sentence what went wrong; of errors that are not ours with their kind."""
    text = masked(str(error), secrets)
    told = text if isinstance(error, HoldfastError) else f"{type(error).__name__}: {text}".removesuffix(": ")
    return told if told.endswith((".", "!", "?")) else f"{told}."


def pause_after(failures: int) -> timedelta:
    """How long to leave a target alone after so many failures in a row: doubled each time, half of it at random."""
    longest = min(_FIRST_PAUSE * (1 << min(failures, 16)), _LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - to spread attempts, not to keep a secret


def _rotation(run: RotationRun, head: Head, current: SecretValue) -> Rotation:
    policy = head.settings.rotation_policy
    return Rotation(
        name=run.name,
        run_id=run.id,
        fence=run.fence,
        current_value=current,
        options=policy.options if policy is not None else {},
    )


def _usable(made: object, rotation: Rotation) -> SecretValue:
    value = valid_value(made)
    if not value.reveal():
        raise InvalidInput(f"The new value for {rotation.name!r} is empty; nothing is changed.")
    if value.reveal() == rotation.current:
        raise InvalidInput(
            f"The new value for {rotation.name!r} is the present one; nothing is changed.", field="value"
        )
    return value


def _place(run: RotationRun) -> bytes:
    return candidate_place(run.id, run.incarnation, run.name, run.from_version)


def _requester(run: RotationRun) -> Caller:
    """Whoever asked for the rotation, and was authorised to then."""
    return Caller(run.requested_by, is_system=True, user_agent=f"rotation {run.id}", method=AuthMethod.SYSTEM)


def _asker(run: RotationRun) -> Caller | None:
    """On whose word it goes on, besides that of the policy's author; no one's where it was begun by itself."""
    if run.trigger is Trigger.SCHEDULE:
        return None
    owner = run.requested_by == SYSTEM_ID or run.requested_by.startswith(OPERATOR_PREFIX)
    return Caller(run.requested_by, is_system=owner)


def _still_ours(run: RotationRun | None) -> RotationRun:
    if run is None:
        raise Fenced
    return run
