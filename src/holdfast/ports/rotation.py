"""Rotation: the steps that a handler takes at a target, and the rows that make them survive a crash."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import ClassVar, Protocol
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Consumer, Laggard, Phase, RotationRun
from holdfast.domain.secret import RotationPolicy, SecretValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What a handler is told. Printing it shows neither credential.

    ``fence`` grows with every holder of a secret's rotations: a target that can remember the highest one it saw refuses
    whoever comes late. ``options`` are those of the secret's rotation policy.
    """

    name: SecretName
    run_id: UUID
    fence: int
    current_value: SecretValue
    candidate_value: SecretValue | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def current(self) -> str:
        """The credential in use before this rotation, in clear."""
        return self.current_value.reveal()

    @property
    def candidate(self) -> str:
        """The credential that takes its place, in clear; "" until it is created."""
        return self.candidate_value.reveal() if self.candidate_value is not None else ""


class RotationHandler(ABC):
    """Small steps at the system whose credential is rotated; only ``create`` is required.

    Each may be called again after a crash or an error, with the same candidate, and has to come to the same end. Raise
    anything to say that a step failed: it is tried again later, and both credentials are kept until then.
    """

    borrows: ClassVar[Set[str]] = frozenset()
    """Options that name secrets whose values it works with. A policy that names one takes `get` on it."""

    sends: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """What it sends out, by the option that says where to: of what is borrowed, or as it stands in the option."""

    reversible: ClassVar[bool] = False
    """Whether the current credential goes on working after ``apply``, so that a rotation may still be cancelled."""

    @abstractmethod
    async def create(self, rotation: Rotation) -> str:
        """Return a new credential. Nothing at the target may change yet: it is stored here first."""

    async def look(self, rotation: Rotation) -> None:  # noqa: B027 - to be left out where nothing can be looked at
        """Raise if ``apply`` or ``test`` would fail. Nothing at the target may change yet.

        Called before the candidate is stored, with ``fence`` 0, and again before an ``apply`` that has waited.
        """

    async def apply(self, rotation: Rotation) -> None:  # noqa: B027 - to be left out where there is nothing to do
        """Make the target accept ``rotation.candidate``."""

    async def test(self, rotation: Rotation) -> None:  # noqa: B027 - to be left out where there is nothing to do
        """Return if ``rotation.candidate`` logs in; raise if not."""

    async def retire(self, rotation: Rotation) -> None:  # noqa: B027 - to be left out where there is nothing to do
        """Make the target refuse ``rotation.current``. Called when nobody needs it any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationSchedule:
    """When a secret is to be rotated. ``approved_by`` is None until a person agrees, where the policy asks one.

    ``failures`` counts those since the last success.
    """

    name: SecretName
    policy: RotationPolicy
    last_rotated_at: datetime | None
    next_rotation_at: datetime
    rotation_count: int
    failures: int
    last_error: str | None
    requested_at: datetime | None
    approved_by: str | None


class RotationStore(Protocol):
    """Runs and schedules at the commit point. Leases and due times are judged by the database's clock.

    Whatever moves a run takes the fence of its holder, and returns None or False when somebody else holds it by now.
    """

    async def begin(self, run: RotationRun, candidate: bytes, record: AuditRecord, lease: timedelta) -> RotationRun:
        """Store a run with its sealed candidate, held by the caller.

        Raises:
            RotationInProgress: an earlier run of the secret is not over.
        """

    async def claim(
        self,
        handlers: Collection[str],
        lease: timedelta,
        *,
        limit: int,
        name: SecretName | None = None,
        force: bool = False,
    ) -> list[RotationRun]:
        """Hold open runs that are due, nobody holds and one of these handlers can go on with.

        No one holds what a process held that is gone, as far as the database can tell. With a ``name``, its run is due
        now. ``force``: whoever holds it is fenced off.
        """

    async def candidate(self, run: RotationRun) -> bytes | None:
        """Return the sealed candidate of a run that is not yet current."""

    async def hold(self, run: RotationRun, lease: timedelta, *, tried: bool = False) -> bool:
        """Hold a run for longer, and note whether applying begins now."""

    async def advance(self, run: RotationRun, phase: Phase, record: AuditRecord | None = None) -> RotationRun | None:
        """Move a run on."""

    async def release(self, run: RotationRun, error: str | None, retry_in: timedelta) -> bool:
        """Let go of a run until a later attempt."""

    async def find(self, name: SecretName) -> RotationRun | None:
        """Return the open run of a secret, or else its last one."""

    async def runs(self, *, open_only: bool = False, limit: int = 100) -> list[RotationRun]:
        """Return runs, newest first."""

    async def due(self, lease: timedelta, *, limit: int) -> list[RotationSchedule]:
        """Hold schedules that are due, may go ahead and nobody holds."""

    async def schedule(self, name: SecretName) -> RotationSchedule | None:
        """Return the schedule of a secret."""

    async def overdue(self, *, limit: int = 1000) -> list[RotationSchedule]:
        """Return enabled schedules that are due, longest first, whatever they wait for."""

    async def soon(self, *, limit: int = 1000, ahead: timedelta = timedelta()) -> list[RotationSchedule]:
        """Return enabled schedules that are not due yet, but within the notice that their policy gives; next first.

        ``ahead``: and those that will be within it by then.
        """

    async def steered(self, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        """Return secrets whose policy says who takes the steps, or on what; in order."""

    async def withhold(self, reasons: Mapping[SecretName, str | None]) -> None:
        """Note why a policy waits to be confirmed; None: it does not."""

    async def withheld(self) -> dict[SecretName, str]:
        """Return what was noted."""

    async def failed(self, name: SecretName, error: str, retry_in: timedelta) -> None:
        """Note that a due rotation could not begin."""

    async def request_approvals(self) -> list[SecretName]:
        """Note for due schedules that ask a person first that one is asked now; returns the new ones."""

    async def approve(self, name: SecretName, by: str, record: AuditRecord) -> bool:
        """Let a due schedule go ahead; False if nobody was asked."""

    async def checked(self) -> None:
        """Note that somebody looked for due rotations."""

    async def last_checked(self) -> datetime | None:
        """When somebody last did."""


class Consumers(Protocol):
    """Who fetched what."""

    async def of(self, name: SecretName, since: timedelta) -> Sequence[Consumer]:
        """Return everybody who fetched a secret within that time, with the newest version each has.

        Up to a minute more than that time, never less.
        """

    async def late(self, since: timedelta, grace: timedelta, *, apart: str, limit: int) -> list[Laggard]:
        """Return the consumers of that time that every rotation waits for which became current ``grace`` ago or longer.

        Those whose names begin with ``apart`` are none.
        """


HandlerLookup = Callable[[SecretName, RotationPolicy | None], tuple[str, RotationHandler] | None]
"""The handler for a secret, and its name."""
