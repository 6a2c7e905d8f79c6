"""I1, I9: a model of the audit trail. Every await of both sinks may fail, be made and not confirmed, or be made later;
the database goes back, the process starts again. What was answered is on record once, and the chains are whole."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from enum import Enum, auto
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.chain import ChainId, Entry, sorted_out
from holdfast.domain.policy import Caller
from holdfast.domain.verification import verify
from holdfast.errors import AuditUnavailable, BackendUnavailable, OutcomeUnknown
from holdfast.ports import ChainHead
from holdfast.service.audit.sequencer import COOL_DOWN_S, LONGEST_COOL_DOWN_S, AuditTrail
from tests.support.clock import VirtualClock

T = TypeVar("T")
WRITER = UUID(int=7)
Place = tuple[ChainId, int]


class Fate(Enum):
    """What becomes of an await."""

    DONE = auto()
    REFUSED = auto()
    UNCONFIRMED = auto()
    SILENT = auto()
    LATE = auto()
    """Nobody hears of it, and it is made after all, a while later."""


FATES = st.sampled_from(Fate)


class Sink:
    """A sink in memory. ``fates`` come to pass one by one; then all goes well."""

    def __init__(self) -> None:
        self.stored: dict[Place, Entry] = {}
        self.fates: list[Fate] = []
        self.late: list[Callable[[], object]] = []

    def meet(self, effect: Callable[[], T]) -> T:
        fate = self.fates.pop(0) if self.fates else Fate.DONE
        if fate is Fate.REFUSED:
            raise BackendUnavailable("refused")
        if fate is Fate.LATE:
            self.late.append(effect)
            raise TimeoutError
        made = effect()
        if fate is Fate.UNCONFIRMED:
            raise OutcomeUnknown("not confirmed")
        if fate is Fate.SILENT:
            raise TimeoutError
        return made

    def store(self, entries: Sequence[Entry]) -> None:
        places: dict[Place, Entry] = {(entry.chain, entry.seq): entry for entry in entries}
        if places.keys() & self.stored.keys():
            raise RuntimeError("a place is taken")
        self.stored.update(places)


class Local(Sink):
    """The local log: it may hold an entry twice."""

    async def write(self, entries: Sequence[Entry]) -> None:
        self.meet(lambda: self.stored.update({(entry.chain, entry.seq): entry for entry in entries}))


class Archive(Sink):
    """The database: records with and without a place."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox: list[AuditRecord] = []

    async def write(self, entries: Sequence[Entry]) -> None:
        self.meet(lambda: self.store(entries))

    async def write_once(self, entries: Sequence[Entry]) -> int:
        return self.meet(lambda: self.store_missing(entries))

    def store_missing(self, entries: Sequence[Entry]) -> int:
        there = {seq: entry.hash for (chain, seq), entry in self.stored.items() if chain == entries[0].chain}
        missing, displaced = sorted_out(entries, there)
        assert not displaced, "nobody edits this database"
        self.store(missing)
        placed = [entry.record for entry in missing]
        self.outbox = [record for record in self.outbox if record not in placed]
        return len(missing)

    async def take_in(self, extend: Callable[[Sequence[AuditRecord]], Sequence[Entry]], limit: int) -> Sequence[Entry]:
        claimed = self.outbox[:limit]
        entries = extend(claimed) if claimed else ()

        def effect() -> Sequence[Entry]:
            if not all(record in self.outbox for record in claimed):
                raise BackendUnavailable("somebody else has taken them")
            self.store(entries)
            self.outbox = [record for record in self.outbox if record not in claimed]
            return entries

        return self.meet(effect)

    async def waiting(self) -> bool:
        return bool(self.outbox)

    async def last_head(self, writer: UUID) -> ChainHead | None:
        if not self.stored:
            return None
        (chain, seq), entry = max(self.stored.items())
        return ChainHead(writer=writer, boot=chain.boot, seq=seq, hash=entry.hash)

    def copy(self) -> tuple[dict[Place, Entry], list[AuditRecord]]:
        return dict(self.stored), list(self.outbox)


class Records(RuleBasedStateMachine):
    """One process, its two sinks, and a standby that is behind."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.numbers = count()
        self.answered: set[str] = set()
        self.committed: set[str] = set()
        self.waits_again: set[str] = set()
        self.exposed: dict[str, ChainId] = {}
        self.torn: set[ChainId] = set()
        self.archive, self.local = Archive(), Local()
        self.standby = self.archive.copy()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @initialize()
    def start(self) -> None:
        self.clock = VirtualClock(auto=True)
        self.begin()

    def begin(self) -> None:
        self.trail = AuditTrail(WRITER, self.archive, self.local, self.clock)

    def record(self) -> AuditRecord:
        number = str(next(self.numbers))
        return record_of(Caller("alice"), "get", "k", self.clock.now(), request_id=number)

    @rule(first=st.lists(FATES, max_size=3), local=st.lists(FATES, max_size=2), number=st.integers(1, 3))
    def answer(self, first: list[Fate], local: list[Fate], number: int) -> None:
        self.archive.fates, self.local.fates = first, local

        async def ask(record: AuditRecord) -> None:
            try:
                await self.trail.append(record)
            except AuditUnavailable:
                return
            self.answered.add(str(record.request_id))

        async def ask_all() -> None:
            await asyncio.gather(*(ask(self.record()) for _ in range(number)))
            await self.trail.aclose()

        self.run(ask_all())

    @rule(fates=st.lists(FATES, max_size=3))
    def change(self, fates: list[Fate]) -> None:
        record = self.record()
        self.archive.outbox.append(record)
        self.committed.add(str(record.request_id))
        self.archive.fates = fates
        self.settle()

    @rule(seconds=st.sampled_from([COOL_DOWN_S / 2, COOL_DOWN_S, 60.0]))
    def wait(self, seconds: float) -> None:
        self.run(self.clock.sleep(seconds))

    @rule()
    def arrive_late(self) -> None:
        for sink in (self.archive, self.local):
            late, sink.late = sink.late, []
            for effect in late:
                try:
                    effect()
                except (RuntimeError, BackendUnavailable):
                    continue  # PostgreSQL refuses a place that is taken, and what somebody else took

    @rule(fates=st.lists(FATES, max_size=2))
    def ship(self, fates: list[Fate]) -> None:
        self.archive.fates = fates
        chains = sorted({chain for chain, _ in self.local.stored})
        for chain in chains:
            entries = [self.local.stored[place] for place in sorted(self.local.stored) if place[0] == chain]
            try:
                self.run(self.archive.write_once(entries))
            except (BackendUnavailable, TimeoutError):
                return

    @rule()
    def replicate(self) -> None:
        self.standby = self.archive.copy()

    @rule(fates=st.lists(FATES, max_size=2))
    def fail_over(self, fates: list[Fate]) -> None:
        """The database is the standby from now on.

        Changes that the standby lacks, and whose place nobody here has heard of, are gone with their records."""
        self.archive.stored, self.archive.outbox = dict(self.standby[0]), list(self.standby[1])
        remembered = {entry.record for entry in self.trail.newest()}
        self.waits_again |= {str(record.request_id) for record in self.archive.outbox if record not in remembered}
        kept = [*self.trail.newest(), *self.local.stored.values(), *self.archive.stored.values()]
        there = {str(record.request_id) for record in [*(entry.record for entry in kept), *self.archive.outbox]}
        self.committed &= there
        self.lose(self.exposed.keys() - there)
        self.archive.late = []
        self.archive.fates = fates
        self.settle(went_back=True)

    @rule()
    def restart(self) -> None:
        """In good order: what the process had in memory is in the local log."""
        for entry in self.trail.newest():
            self.local.stored[entry.chain, entry.seq] = entry
            if entry.record in self.archive.outbox:  # since a failover that nobody has compared yet
                self.waits_again.add(str(entry.record.request_id))
        self.clock.move(1.0)
        self.begin()

    def lose(self, gone: set[str]) -> None:
        """What a process that was killed had not noted yet, and the standby had not got."""
        self.answered -= gone
        self.torn |= {self.exposed.pop(each) for each in gone}

    @rule()
    def note(self) -> None:
        """What was confirmed is written to the local log as well."""
        self.local.stored.update({(entry.chain, entry.seq): entry for entry in self.trail.take_new()})

    @rule()
    def kill(self) -> None:
        """Nothing that the process had in memory is left, but for what it had noted."""
        for entry in self.trail.take_new():
            if (entry.chain, entry.seq) not in self.local.stored:
                self.exposed[str(entry.record.request_id)] = entry.chain
        for record in self.archive.outbox:
            self.waits_again.add(str(record.request_id))
        self.clock.move(1.0)
        self.begin()

    def settle(self, *, went_back: bool = False) -> None:
        async def settled() -> None:
            if went_back:
                self.trail.compare()
            self.trail.take_in()
            await self.trail.aclose()

        self.run(settled())

    def heal(self) -> None:
        """Everything works again, for long enough."""
        self.archive.fates, self.local.fates = [], []
        for _ in range(3):
            self.run(self.clock.sleep(LONGEST_COOL_DOWN_S))
            self.settle()
            self.ship([])

    @invariant()
    def chains_fit(self) -> None:
        for place, entry in self.local.stored.items():
            there = self.archive.stored.get(place)
            assert there is None or there.hash == entry.hash, "no place is given out twice"

    def teardown(self) -> None:
        try:
            if hasattr(self, "trail"):
                self.heal()
                self.judge()
        finally:
            self.loop.close()

    def judge(self) -> None:
        stored = self.archive.stored
        lines = [stored[place].line() + b"\n" for place in sorted(stored) if place[0] not in self.torn]
        assert verify(lines, [], lambda *_: True).problems == []
        on_record = [str(entry.record.request_id) for entry in stored.values() if entry.record.request_id]
        twice = {each for each in on_record if on_record.count(each) > 1}
        assert twice <= self.waits_again, "each once, unless its place was forgotten in a restart around a failover"
        assert self.answered | self.committed <= set(on_record)
        assert self.archive.outbox == []


TestRecords = Records.TestCase
TestRecords.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
