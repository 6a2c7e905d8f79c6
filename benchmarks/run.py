"""One run: how much is done, and what came out of it."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.measuring import Comparison, Round, alternate, check
from benchmarks.stage import Stage

_PLACED_WITHIN_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done per round.

    ``crowd``: secrets that are stored to be listed, besides ``crowd_read`` that are read; ``crowd_by_25``: names that
    are listed by Key Vault's pages of 25. ``crowd_connections`` ask one server for ``crowd_seconds`` without a pause.
    ``held_seconds``: for how long each of ``held_tables`` tables, or a row, is held.
    ``vault_reads`` and ``writes`` are few enough for Key Vault's quota.

    ``spellings`` of a secret are generated for each language and kind of quotes; ``libraries`` are scanned besides.

    ``rotations`` are those of each secret that is rotated.

    ``secrets`` is a multiple of the number of workers that read past the cache, so that no two ask for the same at
    the same time. ``histories``: secrets with a long history, and their versions. ``synced``: secrets in a small and in
    a large vault; the small one is mirrored in each round.
    """

    rounds: int = 5
    secrets: int = 64
    cached_reads: int = 8192
    single_reads: int = 512
    vault_reads: int = 192
    writes: int = 24
    requests: int = 6400
    inserts: int = 960
    connections: int = 64
    synced: tuple[int, int] = (250, 2_500)
    histories: tuple[int, int] = (6, 400)
    rotations: int = 24
    crowd: int = 100_000
    crowd_read: int = 1_000
    crowd_by_25: int = 5_000
    spellings: int = 8
    libraries: int = 10
    crowd_connections: int = 5_000
    crowd_seconds: float = 15.0
    held_seconds: float = 12.0
    held_tables: int = 6


SMOKE = Size(
    rounds=1,
    secrets=16,
    cached_reads=128,
    single_reads=16,
    vault_reads=16,
    writes=8,
    requests=64,
    inserts=64,
    connections=8,
    synced=(10, 40),
    histories=(3, 30),
    rotations=2,
    crowd=1_000,
    crowd_read=20,
    crowd_by_25=200,
    spellings=1,
    libraries=1,
    crowd_connections=100,
    crowd_seconds=1.0,
    held_seconds=0.5,
    held_tables=1,
)

FULL_SYNC = (1_000, 10_000)
"""Secrets in the vaults of a full run."""


@dataclass(frozen=True, slots=True)
class Run:
    """``told`` hears what goes on; ``notes`` are findings that are no ratios of rates."""

    stage: Stage
    size: Size
    told: Callable[[str], None]
    results: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    async def compare(self, sides: Mapping[str, Round], *pairs: tuple[str, str]) -> None:
        """Measure all sides in alternating rounds; the pairs, by default the first with every other, are results."""
        self.told("measuring: " + ", ".join(sides))
        rates = await alternate(self.size.rounds, sides)
        first, *others = sides
        for ours, theirs in pairs or [(first, other) for other in others]:
            self.add(ours, theirs, rates[ours], rates[theirs])

    def add(self, ours: str, theirs: str, our_rates: tuple[float, ...], their_rates: tuple[float, ...]) -> None:
        """Keep a result."""
        self.results.append(Comparison(scenario=ours, against=theirs, our_rates=our_rates, their_rates=their_rates))

    async def check_record(self, dsn: str, user_id: str, operation: str, count: int) -> None:
        """See that there is one record for each answer, and none besides.

        Records that are committed with a change are durable before they have their place in the trail.
        """
        for _ in range(_PLACED_WITHIN_S):
            found = await self.stage.audited(dsn, user_id, operation)
            if found >= count:
                break
            await asyncio.sleep(1)
        check(found == count, f"{found} records of {operation!r} by {user_id!r} for {count} answers")
