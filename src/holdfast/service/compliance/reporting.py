"""The report: evidence gathered once, and the controls that it is for."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from holdfast.contract.compliance import WhichReport
from holdfast.domain.compliance import Evidence, Report
from holdfast.domain.frameworks import FRAMEWORKS
from holdfast.ports import Clock
from holdfast.ports.compliance import Queries, Surroundings
from holdfast.service.access.guard import Authorized
from holdfast.service.compliance import access, secrets, system
from holdfast.service.compliance.scope import Scope
from holdfast.service.compliance.trail import Verification, checkpoints, trail

Gather = Callable[[Scope], Awaitable[Evidence]]


class Reporting:
    """Gathers evidence, and puts it next to what controls ask.

    Args:
        ignored_rules: counts the rules in the database that Holdfast did not make.
        installation: the id of this installation.
        release: the version of this program.
    """

    def __init__(
        self,
        *,
        queries: Queries,
        surroundings: Surroundings,
        verification: Verification,
        ignored_rules: Callable[[], int],
        clock: Clock,
        installation: UUID,
        release: str,
    ) -> None:
        self._queries, self._clock = queries, clock
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

    async def report(self, _: Authorized, asked: WhichReport) -> Report:
        """Return what each control asks and what this installation shows for it now."""
        chosen = tuple(FRAMEWORKS[each] for each in asked.frameworks)
        now = self._clock.now()
        scope = Scope(queries=self._queries, now=now, since=now - timedelta(days=asked.days))
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
