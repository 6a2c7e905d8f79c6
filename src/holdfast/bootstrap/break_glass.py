"""Emergency access on a node: the rows, the use cases, and what notes that it has ended."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from holdfast.domain.break_glass import EmergencyPolicies
from holdfast.ports import BreakGlassStore, Clock, Notifier, Sealer
from holdfast.resilience.supervision import Work
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.access.secondfactor import SecondFactors
from holdfast.service.break_glass.announcing import EmergencyAnnouncer
from holdfast.service.break_glass.codes import RecoveryCodes
from holdfast.service.break_glass.control import BreakGlass
from holdfast.service.break_glass.ending import EmergencyEnds
from holdfast.service.break_glass.granting import Granting
from holdfast.service.break_glass.requests import EmergencyRequests
from holdfast.stores.postgres.break_glass import PostgresBreakGlass
from holdfast.stores.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakGlassParts:
    """What lets people in in an emergency."""

    store: BreakGlassStore
    control: BreakGlass
    ends: EmergencyEnds

    def background(self) -> dict[str, Work]:
        """What has to go on beside serving."""
        return {"break-glass": self.ends.run}


def open_break_glass(
    database: Database,
    policies: EmergencyPolicies,
    *,
    sealer: Sealer,
    clock: Clock,
    guard: Guard,
    book: GrantBook,
    directory: Directory,
    factors: SecondFactors,
    notifier: Notifier,
    rules_changed: Callable[[int, str | None], Awaitable[None]],
) -> BreakGlassParts:
    """Return the emergency access of a node, with nothing begun."""
    store = PostgresBreakGlass(database, sealer)
    announcer = EmergencyAnnouncer(notifier, book, policies)
    granting = Granting(book=book, directory=directory, sealer=sealer, rules_changed=rules_changed, announcer=announcer)
    requests = EmergencyRequests(
        guard=guard, book=book, store=store, granting=granting, factors=factors, policies=policies
    )
    codes = RecoveryCodes(guard=guard, store=store, granting=granting, requests=requests)
    return BreakGlassParts(
        store=store,
        control=BreakGlass(requests, codes),
        ends=EmergencyEnds(store=store, granting=granting, clock=clock, announcer=announcer),
    )
