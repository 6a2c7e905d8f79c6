"""Keeps what this node remembers in step with what was committed, here or on any other node."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Secret
from holdfast.resilience.singleflight import SingleFlight
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook
from holdfast.service.secrets.content import Content
from holdfast.service.secrets.losses import Losses
from holdfast.service.secrets.tiers import Tiers

Flights = SingleFlight[SecretName, Secret]
"""Loads under way, by name."""

ABSENT_S: Final = 1.0
"""Seconds for which Key Vault's word that it lacks a secret is taken: the most by which a new one is seen late."""

MAX_ABSENT: Final = 10_000

LOOK_HOLDS_S: Final = 2.0
"""Seconds for which a look at the journal speaks for names that it did not find waiting: two intervals of looking."""

MAX_UNSETTLED: Final = 100_000
"""Names remembered as waiting for Key Vault; beyond it every name counts as waiting."""


class Unsettled:
    """The names for which Key Vault may be behind: those must not be read from it without asking PostgreSQL.

    Announced changes add to it. A look at the journal that began after them takes them out again, and so does this
    node where it has seen Key Vault take the change.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._from_journal: set[SecretName] | None = None
        self._announced: dict[SecretName, tuple[int, int]] = {}  # by which look, and the revision
        self._settled: dict[SecretName, tuple[int, int]] = {}  # likewise: its announcement may still come
        self._looks = 0
        self._began = self._looked_at = float("-inf")

    def __contains__(self, name: SecretName) -> bool:
        return self._from_journal is None or name in self._announced or name in self._from_journal

    @property
    def is_current(self) -> bool:
        """Whether the last look is young enough to say that nothing waits for a name that is not in here."""
        return self.age_s < LOOK_HOLDS_S

    @property
    def age_s(self) -> float:
        """Seconds since the last look began; infinite before the first."""
        return self._monotonic() - self._looked_at

    def announce(self, name: SecretName, revision: int) -> None:
        """A change of this secret was committed, or found to wait."""
        if revision <= self._settled.get(name, (0, 0))[1]:
            return
        if len(self._announced) >= MAX_UNSETTLED:
            self._from_journal = None
            self._announced.clear()
        known = self._announced.get(name, (0, 0))[1]
        self._announced[name] = self._looks, max(known, revision)

    def settled(self, name: SecretName, revision: int) -> None:
        """Key Vault has everything up to this revision."""
        if self._announced.get(name, (0, 0))[1] > revision:
            return
        self._announced.pop(name, None)
        if self._from_journal is not None:
            self._from_journal.discard(name)
        if len(self._settled) < MAX_UNSETTLED:
            self._settled[name] = self._looks, revision

    def distrust(self) -> None:
        """The database may give out revisions once more: none tells what has settled."""
        self._settled.clear()

    def missed(self) -> None:
        """Announcements may have been missed: every name counts as waiting until a look that begins now has ended."""
        self._from_journal = None
        self._looks += 1

    def begin_look(self) -> int:
        """The journal is about to be read; give what this returns to ``end_look``."""
        self._looks += 1
        self._began = self._monotonic()
        return self._looks

    def end_look(self, look: int, waiting: Iterable[SecretName]) -> None:
        """The journal was read: these names had open or parked intents."""
        if look < self._looks:
            return  # something was missed meanwhile
        self._from_journal, self._looked_at = set(waiting), self._began
        self._announced = {name: (seen, at) for name, (seen, at) in self._announced.items() if seen >= look}
        self._settled = {name: (seen, at) for name, (seen, at) in self._settled.items() if seen >= look - 1}


class Absences:
    """Names that Key Vault has just denied having, so that a flood of wrong names does not become a flood of calls."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, name: str) -> bool:
        return self._until.get(name, 0.0) > self._monotonic()

    def add(self, name: str) -> None:
        """Key Vault does not have it: a secret, or a version of one ("name/id")."""
        self._until[name] = self._monotonic() + ABSENT_S
        self._until.move_to_end(name)
        if len(self._until) > MAX_ABSENT:
            self._until.popitem(last=False)

    def discard(self, name: SecretName) -> None:
        """It may be there now."""
        self._until.pop(name, None)


class Coherence:
    """Implements ``ports.FeedListener`` over the tiers, the loads under way, the grants and the identities.

    ``seal_with`` is told which key seals; ``losses`` looks for what a database that went back has lost, and
    ``compare_records`` for audit records of that kind.
    """

    def __init__(
        self,
        tiers: Tiers,
        flights: Flights,
        grants: GrantBook,
        directory: Directory,
        seal_with: Callable[[int, str], None] = lambda _activation, _key_id: None,
        losses: Losses | None = None,
        compare_records: Callable[[], None] = lambda: None,
    ) -> None:
        self._tiers, self._flights = tiers, flights
        self._grants, self._directory, self._seal_with, self._losses = grants, directory, seal_with, losses
        self._compare_records = compare_records
        self.unsettled = Unsettled()
        self.absences = Absences(time.monotonic)

    async def resynchronise(self) -> None:
        """See the port."""
        self._distrust()
        self.unsettled.distrust()
        self._compare_records()
        await self._grants.load()
        await self._directory.load()

    def _distrust(self) -> None:
        self._tiers.distrust()
        self._flights.forget_all()

    def secrets_missed(self) -> None:
        """See the port."""
        self._distrust()
        self.unsettled.missed()

    async def secret_absent(self, name: SecretName, revision: int) -> None:
        """See the port."""
        if await self._tiers.knows(name):
            await self.secret_changed(name, revision)
        else:
            self._flights.forget(name)

    async def secret_changed(self, name: SecretName, revision: int) -> None:
        """See the port."""
        self._flights.forget(name)
        self.unsettled.announce(name, revision)
        self.absences.discard(name)
        if self._losses is not None:
            self._losses.mended(name)
        await self._tiers.changed(name, revision)

    async def committed(self, name: SecretName, revision: int, content: Content | None = None) -> None:
        """This node committed a change: no one is told of it before no cache can contradict it.

        ``content``: what readers get from now on; it stands in the caches at once. None: they get nothing.
        """
        await self.secret_changed(name, revision)
        await self._tiers.committed(name, revision, content)

    async def purged(self, name: SecretName, revision: int) -> None:
        """This node purged a secret: beside the caches, the rules for it alone are void."""
        self._grants.forget(name)
        await self.committed(name, revision)

    async def timeline_reached(self, timeline: str, revision: int) -> None:
        """See the port."""
        if self._losses is not None:
            await self._losses.timeline_reached(timeline, revision)

    async def rules_changed(self, epoch: int, subject: str | None) -> None:
        """This node changed the rules of one subject, or of any with None: no one is told before they count here."""
        await self._grants.committed(epoch, subject)

    async def rules_reached(self, epoch: int) -> None:
        """See the port."""
        await self._grants.reached(epoch)

    async def identities_reached(self, epoch: int) -> None:
        """See the port."""
        await self._directory.reached(epoch)

    async def key_activated(self, activation: int, key_id: str) -> None:
        """See the port."""
        self._seal_with(activation, key_id)
