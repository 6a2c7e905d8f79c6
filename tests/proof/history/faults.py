"""Which faults a seed has: where, when, and for how long."""

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.proof.history.links import Wrong

NODES: Final = 2
DURING_S: Final = 10.0
"""How long clients work, from the first operation to the end of the last fault."""

LONGEST_S: Final = 3.0
"""How long a fault lasts at most: between faults, work is to succeed, or there is nothing to go wrong."""

STOPPED_S: Final = 4.0
"""How long a process stands still at least: longer than the lease on grants that nodes run with here."""


class Blow(StrEnum):
    """What happens to processes, and not to links."""

    KILL = "kill"
    """``kill -9`` of a node, which is started again."""
    WORKER = "worker"
    """``kill -9`` of one of a node's workers: its supervisor starts another. Of the kill loop, not of seeds."""
    STOP = "stop"
    """``SIGSTOP`` of a node for longer than its leases."""
    BACKEND = "backend"
    """``kill -9`` of one of PostgreSQL's processes: it recovers from that by itself."""
    POSTMASTER = "postmaster"
    """``kill -9`` of PostgreSQL as a whole, which is started again."""
    FAILOVER = "failover"
    """``kill -9`` of PostgreSQL as a whole, whose standby is promoted; it has all that was acknowledged."""
    READ_ONLY = "read-only"
    """PostgreSQL refuses changes, as a standby does."""
    CLOCK = "clock"
    """The clock of a node is wrong by ``by_s``."""
    SYNC = "sync"
    """A node is cut off from PostgreSQL, and its own disk fails at ``fsync``."""
    FULL = "full"
    """A node is cut off from PostgreSQL, and its own disk has no room for audit records."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``where`` is a link's or a process's name. Times in seconds; ``at_s`` counts from the first operation."""

    at_s: float
    lasts_s: float
    where: str
    what: Wrong | Blow
    by_s: float = 0.0

    def __str__(self) -> str:
        by = f" by {self.by_s:.0f} s" if self.by_s else ""
        return f"{self.at_s:.2f} s: {self.where}: {self.what} for {self.lasts_s:.2f} s{by}"


LINKS: Final = (
    "token",
    "target",
    *(f"{kind}-{node}" for node in range(NODES) for kind in ("postgres", "redis", "clients")),
)
"""The first are the ways to the token endpoint, and to the server whose credentials are rotated."""
ITSELF: Final = "postgres-itself"
FAILING_OVER: Final = 0.1
"""How many of the seeds have a standby, which is promoted."""

ITS_OWN: Final = (Blow.BACKEND, Blow.BACKEND, Blow.POSTMASTER, Blow.READ_ONLY)
"""What happens to PostgreSQL itself."""

STEPS_S: Final = (-3600.0, -40.0, 40.0, 3600.0)
PROCESSES: Final = tuple(f"node-{node}" for node in range(NODES))


def faults_of(seed: int) -> list[Fault]:
    """The faults of a seed: three to six, none at the same place at the same time as another.

    Where PostgreSQL fails over, nothing else happens to it.
    """
    dice = random.Random(f"faults {seed}")
    found = [_failover(dice)] if dice.random() < FAILING_OVER else []
    for _ in range(dice.randint(3, 6)):
        fault = _draw(dice)
        if fault.where == ITSELF and any(other.what is Blow.FAILOVER for other in found):
            continue
        if not any(_meet(fault, other) for other in found):
            found.append(fault)
    return sorted(found, key=lambda fault: fault.at_s)


def _failover(dice: random.Random) -> Fault:
    return Fault(dice.uniform(2.0, DURING_S * 0.6), dice.uniform(0.2, 1.5), ITSELF, Blow.FAILOVER)


def _draw(dice: random.Random) -> Fault:
    at_s = dice.uniform(1.0, DURING_S * 0.6)
    lasts_s = dice.uniform(0.2, LONGEST_S)
    where = dice.choice(("vault", "vault", "vault", *LINKS, *PROCESSES, ITSELF))
    if where in PROCESSES:
        blow = dice.choice((Blow.KILL, Blow.KILL, Blow.STOP, Blow.CLOCK, Blow.SYNC, Blow.FULL))
        by_s = dice.choice(STEPS_S) if blow is Blow.CLOCK else 0.0
        return Fault(at_s, _lasts_s(blow, lasts_s), where, blow, by_s)
    if where == ITSELF:
        return Fault(at_s, min(lasts_s, 2.0), where, dice.choice(ITS_OWN))
    return Fault(at_s, lasts_s, where, dice.choice(tuple(Wrong)))


def _lasts_s(blow: Blow, drawn_s: float) -> float:
    return max(drawn_s, STOPPED_S) if blow is Blow.STOP else min(drawn_s, 1.0) if blow is Blow.KILL else drawn_s


def _meet(one: Fault, other: Fault) -> bool:
    both_end = one.at_s <= other.at_s + other.lasts_s and other.at_s <= one.at_s + one.lasts_s
    return one.where == other.where and both_end
