"""The report: evidence gathered once, and the controls that it is for."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.compliance import Evidence, FrameworkId, Report
from holdfast.domain.frameworks import FRAMEWORKS
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_number
from holdfast.errors import InvalidInput
from holdfast.ports import Clock
from holdfast.ports.compliance import Queries, Surroundings
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.callers import Context, authenticated
from holdfast.service.compliance import access, secrets, system
from holdfast.service.compliance.scope import Scope
from holdfast.service.compliance.trail import Verification, checkpoints, trail

MAX_DAYS: Final = 366

Gather = Callable[[Scope], Awaitable[Evidence]]


class Compliance:
    """What ``service.compliance`` offers. It takes the permission ``audit`` on '*': it names secrets and identities.

    Args:
        ignored_rules: counts the rules in the database that Holdfast did not make.
        installation: the id of this installation.
        release: the version of this program.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        queries: Queries,
        surroundings: Surroundings,
        verification: Verification,
        ignored_rules: Callable[[], int],
        clock: Clock,
        installation: UUID,
        release: str,
    ) -> None:
        self._guard, self._queries, self._clock = guard, queries, clock
        self._installation, self._release = installation, release
        self._gatherers: dict[str, Gather] = {
            "secrets": secrets.secrets,
            "sealed": secrets.sealed,
            "keys": system.keys,
            "expiry": secrets.expiry,
            "rotation": secrets.rotation,
            "rotations": secrets.rotations,
            "value-ages": secrets.value_ages,
            "removal": secrets.removal,
            "access": lambda scope: access.access(scope, ignored_rules),
            "identities": access.identities,
            "second-factor": access.second_factor,
            "tokens": access.tokens,
            "refusals": access.refusals,
            "changes": access.changes,
            "reviews": access.reviews,
            "break-glass": access.break_glass,
            "trail": lambda scope: trail(scope, surroundings),
            "verification": verification.evidence,
            "checkpoints": lambda scope: checkpoints(scope, surroundings),
            "transport": lambda scope: system.transport(scope, surroundings),
            "backup": system.backup,
            "replication": system.replication,
            "notices": system.notices,
        }

    async def report(self, frameworks: Sequence[str] = (), *, days: int = 90, context: Context = None) -> Report:
        """Return what each control asks and what this installation shows for it now.

        Args:
            frameworks: ``soc2``, ``iso27001``, ``hipaa``, ``pci-dss``, ``gdpr``; by default all of them.
            days: how far back the audit trail is looked at: 1 to 366.
        """
        chosen = tuple(FRAMEWORKS[_framework(each)] for each in frameworks or FRAMEWORKS)
        valid_number("days", days, 1, MAX_DAYS)
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "report"):
            now = self._clock.now()
            scope = Scope(queries=self._queries, now=now, since=now - timedelta(days=days))
            wanted = {each for framework in chosen for control in framework.controls for each in control.evidence}
            evidence = [await gather(scope) for name, gather in self._gatherers.items() if name in wanted]
        return Report(
            made_at=now,
            since=scope.since,
            installation=str(self._installation),
            release=self._release,
            frameworks=chosen,
            evidence=tuple(evidence),
        )


def _framework(name: str) -> FrameworkId:
    try:
        return FrameworkId(name)
    except ValueError:
        raise InvalidInput(f"framework must be one of {', '.join(FrameworkId)}.", field="framework") from None
