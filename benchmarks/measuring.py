"""Rates in alternating rounds, and what is said of them."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Round = Callable[[], Awaitable[float]]
"""Does one round of work and returns its rate, per second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Rates per second, round by round. ``peer``: what we are measured against."""

    scenario: str
    peer: str
    unit: str
    our_rates: tuple[float, ...]
    peer_rates: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        """Ours to the peer's, of the two rounds that ran next to each other."""
        return [ours / peer for ours, peer in zip(self.our_rates, self.peer_rates, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def typical(self) -> tuple[float, float]:
        """The median rates, ours and the peer's."""
        return statistics.median(self.our_rates), statistics.median(self.peer_rates)


class Wrong(Exception):
    """What was measured did not do what it should have done."""


def check(holds: bool, otherwise: str) -> None:
    """Raise unless a result is what it must be."""
    if not holds:
        raise Wrong(otherwise)


async def rate(workers: int, each: int, operation: Callable[[int], Awaitable[None]]) -> float:
    """Run ``operation(number)`` in some workers, ``each`` times in each; return operations per second.

    A worker gets every ``workers``-th number, so that two workers share none modulo a multiple of ``workers``.
    """

    async def work(worker: int) -> None:
        for step in range(each):
            await operation(step * workers + worker)

    began = time.perf_counter()
    await asyncio.gather(*map(work, range(workers)))
    return workers * each / (time.perf_counter() - began)


async def alternate(rounds: int, ours: Round, peer: Round) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Warm both up, then measure them in turn; who begins changes from round to round, so that a drift cancels out."""
    our_rates, peer_rates = [await ours()], [await peer()]
    for number in range(rounds):
        if number % 2 == 0:
            our_rates.append(await ours())
            peer_rates.append(await peer())
        else:
            peer_rates.append(await peer())
            our_rates.append(await ours())
    return tuple(our_rates[1:]), tuple(peer_rates[1:])
