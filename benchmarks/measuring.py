"""Rates in alternating rounds, and what is said of them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

Round = Callable[[], Awaitable[float]]
"""Does one round of work and returns its rate, per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Rates per second, round by round. ``against``: what we are measured by."""

    scenario: str
    against: str
    our_rates: tuple[float, ...]
    their_rates: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, of each round."""
        return [ours / theirs for ours, theirs in zip(self.our_rates, self.their_rates, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def typical(self) -> tuple[float, float]:
        """The median rates, ours and theirs."""
        return statistics.median(self.our_rates), statistics.median(self.their_rates)


class Wrong(Exception):
    """What was measured did not do what it should have done."""


def check(holds: bool, otherwise: str) -> None:
    """Raise unless a result is what it must be."""
    if not holds:
        raise Wrong(otherwise)


def percentile(figures: Sequence[float], share: int) -> float:
    """Return what ``share`` of a hundred figures do not exceed."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)]


async def rate(workers: int, each: int, operation: Callable[[int], Awaitable[None]]) -> float:
    """Run ``operation(number)`` in some workers, ``each`` times in each; return operations per second.

    A worker gets every ``workers``-th number, so that two workers share none modulo a multiple of ``workers``.
    """

    async def work(worker: int) -> None:
        for step in range(each):
            await operation(step * workers + worker)

    check(each > 0, f"a round has too little work for {workers} workers")
    began = time.perf_counter()
    await asyncio.gather(*map(work, range(workers)))
    return workers * each / (time.perf_counter() - began)


async def alternate(rounds: int, sides: Mapping[str, Round]) -> dict[str, tuple[float, ...]]:
    """Warm all sides up, then measure each once per round; every second round runs backwards (A B C, C B A, …).

    So each side has every other as its neighbour, and what drifts with time cancels out.
    """
    names = list(sides)
    rates: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        await sides[name]()
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            rates[name].append(await sides[name]())
    return {name: tuple(measured) for name, measured in rates.items()}
