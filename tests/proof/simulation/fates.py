"""What becomes of each wait for something outside, drawn from the seed, and how often each way was met."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final, NamedTuple

NODES: Final = 2
DURING_S: Final = 10.0
"""Seconds in which clients work and anything may go wrong; then all is well."""


PASSES_S: Final = 7.0
"""Seconds in which the vault is gone over, so that what came there late is seen."""


class Way(StrEnum):
    """How a wait may end."""

    REFUSED = "fails"
    """An error, and it was not done."""
    HUNG = "hangs"
    """No answer, and it is not done."""
    LOST = "done, then fails"
    """An error, and it was done."""
    MUTE = "done, then hangs"
    """No answer, and it was done."""
    LATE = "overtaken"
    """No answer in time, and it is done when others have acted since."""


class Kind(StrEnum):
    """What is waited for."""

    CONNECT = "PostgreSQL: connection"
    READ = "PostgreSQL: statement that reads"
    STEP = "PostgreSQL: statement in a transaction"
    ALONE = "PostgreSQL: change of one statement"
    COPY = "PostgreSQL: COPY"
    COMMIT = "PostgreSQL: COMMIT"
    NOTIFY = "PostgreSQL: NOTIFY"
    VAULT_READ = "vault: GET"
    VAULT_SET = "vault: PUT"
    VAULT_UPDATE = "vault: PATCH"
    VAULT_DELETE = "vault: DELETE"
    VAULT_RECOVER = "vault: recover"
    VAULT_PURGE = "vault: purge"
    REDIS_READ = "Redis: GETRANGE"
    REDIS_EVAL = "Redis: EVAL"
    APPEND = "audit file: append"
    FSYNC = "audit file: fsync"


_READS: Final = (Way.REFUSED, Way.HUNG)
_UNMARKED: Final = (Way.REFUSED, Way.HUNG, Way.LOST, Way.MUTE)
_WAYS: Final[Mapping[Kind, tuple[Way, ...]]] = {
    **dict.fromkeys((Kind.CONNECT, Kind.READ, Kind.VAULT_READ, Kind.REDIS_READ), _READS),
    **dict.fromkeys((Kind.VAULT_DELETE, Kind.VAULT_RECOVER, Kind.VAULT_PURGE), _UNMARKED),
    Kind.APPEND: (Way.REFUSED, Way.HUNG, Way.LATE),
    Kind.FSYNC: (Way.REFUSED, Way.LOST, Way.MUTE),
}
CELLS: Final = tuple((kind, way) for kind in Kind for way in _WAYS.get(kind, tuple(Way)))
"""Every way in which something may go wrong. What changes nothing cannot be done and then fail; a file is never asked
to be synced later than it is written. Deletions, recoveries and purges carry no marker, so that late ones are what
others might have asked for: those are a known limit, and are not simulated."""

_POSTGRES: Final = tuple(kind for kind in Kind if kind.value.startswith("PostgreSQL"))
_VAULT: Final = tuple(kind for kind in Kind if kind.value.startswith("vault"))
_GROUPS: Final = (
    *[_POSTGRES, _VAULT, (Kind.COMMIT, Kind.COPY)] * 3,
    *[(kind,) for kind in Kind],
    *[(Kind.COMMIT,), (Kind.COPY,), (Kind.ALONE,)] * 2,
    *[(kind,) for kind in _VAULT] * 2,
    (*_POSTGRES, Kind.APPEND, Kind.FSYNC),
    (Kind.REDIS_READ, Kind.REDIS_EVAL),
)


class Site(NamedTuple):
    """The one wait that something befell: the ``number``-th of its kind at its node."""

    kind: Kind
    node: int
    number: int
    way: Way


@dataclass(frozen=True, slots=True)
class Weather:
    """A time in which such waits at a node go wrong, each with a likelihood. ``way``: None for any."""

    kinds: tuple[Kind, ...]
    node: int
    way: Way | None
    begin_s: float
    end_s: float
    chance: float


class Fate(NamedTuple):
    """``way``: None where all is well. ``takes_s``: one way, and ``late_s`` until what is overtaken is done."""

    way: Way | None
    takes_s: float
    late_s: float


SYSTEMATIC: Final = 20
"""In seeds below it every second, third or sixtieth wait goes wrong, in one way for each kind: of PostgreSQL and the
disk in even ones, else of the vault and Redis. Two of them or more have each cell."""

_EVERY: Final = {
    **dict.fromkeys((Kind.READ, Kind.STEP, Kind.ALONE), 60),
    **dict.fromkeys((Kind.COMMIT, Kind.VAULT_READ), 20),
    **dict.fromkeys((Kind.CONNECT, Kind.COPY, Kind.NOTIFY), 9),
    **dict.fromkeys((Kind.VAULT_SET, Kind.APPEND, Kind.REDIS_EVAL), 3),
    **dict.fromkeys((Kind.VAULT_RECOVER, Kind.VAULT_PURGE), 1),
}
_TURNED: Final = {Kind.VAULT_RECOVER: 1, Kind.VAULT_PURGE: 2, Kind.VAULT_UPDATE: 1, Kind.VAULT_SET: 1}
"""So that what must have gone well for a wait to come about does."""


def _systematic(seed: int, kind: Kind, number: int) -> Way | None:
    ways, local = _WAYS.get(kind, tuple(Way)), kind in (*_POSTGRES, Kind.APPEND, Kind.FSYNC)
    turn = seed // 4 if kind is Kind.FSYNC else seed // 2 + _TURNED.get(kind, 0)  # what is not appended is not synced
    every = _EVERY.get(kind, 2)
    strikes = number % every == (kind is Kind.VAULT_DELETE and turn in (7, 9))  # or nothing is left to recover
    return ways[turn % len(ways)] if local is (seed % 2 == 0) and strikes else None


def weather_of(seed: str) -> list[Weather]:
    """The weathers of a seed: one to four, but see ``SYSTEMATIC``."""
    dice = random.Random(f"weather {seed}")
    found = []
    for _ in range(dice.randint(1, 4)):
        kinds, begin_s = dice.choice(_GROUPS), dice.uniform(0.5, DURING_S * 0.7)
        way = dice.choice((None, *_WAYS.get(kinds[0], tuple(Way))))
        chance = dice.choice((0.05, 0.2, 0.5, 1.0))
        found.append(Weather(kinds, dice.randrange(NODES), way, begin_s, begin_s + dice.uniform(0.3, 4.0), chance))
    return found


class Fates:
    """The fates of one run. ``late_until``: when the last of what is overtaken is done and seen.

    Args:
        time: seconds since the beginning.
        only: the sites that something befalls; None: those that the seed says.
    """

    def __init__(self, seed: str, time: Callable[[], float], only: Collection[Site] | None = None) -> None:
        self._seed, self._time, self.only = seed, time, only
        self._weather = weather_of(seed)
        self._is_systematic = seed.isdecimal() and int(seed) < SYSTEMATIC
        self._chance = random.Random(f"chance {seed}").choice((0.0, 0.002, 0.005, 0.02))
        self._asked: Counter[tuple[Kind, int]] = Counter()
        self.met: list[Site] = []
        self.well, self.late_until = False, 0.0

    def of(self, kind: Kind, node: int) -> Fate:
        """What becomes of the next wait of a kind at a node; it does not depend on any other."""
        self._asked[kind, node] += 1
        number = self._asked[kind, node]
        hashed = blake2b(f"{self._seed} {kind} {node} {number}".encode(), digest_size=20).digest()
        dice = [int.from_bytes(hashed[at : at + 4], "big") / 2**32 for at in range(0, 20, 4)]
        way = self._way(kind, node, number, dice)
        if way is not None:
            self.met.append(Site(kind, node, number, way))
        slow = 30.0 if dice[2] < 0.02 else 1.0
        fate = Fate(way, _takes_s(kind) * (0.2 + dice[3]) * slow, 0.5 + 9.5 * dice[4])
        if way is Way.LATE:
            passes_s = PASSES_S if kind in _VAULT else 0.5
            self.late_until = max(self.late_until, self._time() + fate.late_s + passes_s)
        return fate

    def _way(self, kind: Kind, node: int, number: int, dice: list[float]) -> Way | None:
        if self.well:
            return None
        ways = _WAYS.get(kind, tuple(Way))
        any_of_them = ways[int(dice[1] * len(ways))]
        if self.only is not None:
            return next((site.way for site in self.only if site[:3] == (kind, node, number)), None)
        if self._is_systematic:
            return _systematic(int(self._seed), kind, number)
        for each in self._weather:
            if kind in each.kinds and node == each.node and each.begin_s <= self._time() < each.end_s:
                return (each.way if each.way in ways else any_of_them) if dice[0] < each.chance else None
        return any_of_them if dice[0] < self._chance else None


def _takes_s(kind: Kind) -> float:
    if kind in _VAULT:
        return 0.03
    return 0.002 if kind in (Kind.APPEND, Kind.FSYNC) else 0.0005
