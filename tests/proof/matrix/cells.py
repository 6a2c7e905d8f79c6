"""The axes of the matrix, and the words for what comes of a cell."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Part(StrEnum):
    """What goes wrong."""

    VAULT = "Key Vault"
    TOKENS = "the token endpoint"
    POSTGRES = "PostgreSQL"
    REDIS = "Redis"
    AUDIT = "the audit file"
    NODE = "one node"


class Ill(StrEnum):
    """How it goes wrong."""

    REFUSE = "refuse"
    """Connections break, and new ones break at once."""
    RESET = "reset"
    """Connections break once, while requests are under way; new ones are well."""
    HANG = "hang"
    """Nothing passes; all of it arrives afterwards."""
    MUTE = "mute"
    """Questions arrive, and their answers are lost."""
    DRIP = "drip"
    """Answers come in crumbs: of Key Vault and its token endpoint, a byte every 0.2 s."""
    CUT = "cut"
    """Each connection breaks in the middle of an answer, when the question has taken effect."""
    THROTTLE = "throttle"
    """429, with a second of ``Retry-After``."""
    FAIL = "fail"
    """503."""
    READ_ONLY = "read-only"
    """No change is taken, as by a standby."""
    FULL = "full"
    """The disk of the local log takes nothing (ENOSPC)."""
    EIO = "eio"
    """The disk of the local log takes bytes, and fails to sync them (EIO)."""
    FULL_ALONE = "full and PostgreSQL away"
    EIO_ALONE = "eio and PostgreSQL away"
    KILL = "kill"
    """``kill -9``, while requests are under way."""
    STOP = "stop"
    """``SIGSTOP``, likewise."""


class Start(StrEnum):
    """Which node is asked."""

    WARM = "warm"
    """One that ran before."""
    COLD = "cold"
    """One that was started while this was wrong."""


class Op(StrEnum):
    """What is asked for."""

    READ = "read"
    """Of a secret that this node has read before."""
    FIRST_READ = "first read"
    """Of one that it has not."""
    WRITE = "write"
    DELETE = "delete"
    PURGE = "purge"
    ROTATE = "rotate"
    RULE = "grant, revoke"
    LIST = "list"
    LOG_IN = "log in"


class Outcome(StrEnum):
    """All that may come of it; a 500, silence, a wrong value, anything lost or half done is a violation."""

    WELL = "well"
    """As if nothing were wrong."""
    STALE = "stale"
    """The value, with ``stale`` set."""
    LATER = "later"
    """It counts here at once, and Key Vault gets it later, once."""
    REFUSED = "refused"
    """A clear refusal that may be tried again (429 or 503 with ``Retry-After``), after which nothing has changed."""
    ONCE = "once"
    """No one knew; asked again, it has taken effect exactly once."""


CHANGES: Final = frozenset({Op.WRITE, Op.DELETE, Op.PURGE, Op.ROTATE, Op.RULE})

_LINK: Final = (Ill.REFUSE, Ill.RESET, Ill.HANG, Ill.MUTE, Ill.DRIP, Ill.CUT)
FAULTS: Final[Mapping[Part, tuple[Ill, ...]]] = {
    Part.VAULT: (*_LINK, Ill.THROTTLE, Ill.FAIL),
    Part.TOKENS: (*_LINK, Ill.THROTTLE, Ill.FAIL),
    Part.POSTGRES: (*_LINK, Ill.READ_ONLY),
    Part.REDIS: _LINK,
    Part.AUDIT: (Ill.FULL, Ill.EIO, Ill.FULL_ALONE, Ill.EIO_ALONE),
    Part.NODE: (Ill.KILL, Ill.STOP),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong with a part."""

    part: Part
    ill: Ill

    def __str__(self) -> str:
        return f"{self.part}: {self.ill}"

    @property
    def slug(self) -> str:
        """A name for it that a secret's name may have in it."""
        return f"{self.part.name}-{self.ill.name}".replace("_", "-").lower()


@dataclass(frozen=True, slots=True)
class Cell:
    """An operation at a node under a fault."""

    fault: Fault
    start: Start
    op: Op

    def __str__(self) -> str:
        return f"{self.fault}, {self.start}: {self.op}"


ALL_FAULTS: Final = tuple(Fault(part, ill) for part, ills in FAULTS.items() for ill in ills)


def asked_of(start: Start) -> list[Op]:
    """What a node is asked for: one that has just started has read nothing before."""
    return [op for op in Op if not (start is Start.COLD and op is Op.READ)]


def cells() -> Iterator[Cell]:
    """All of them."""
    for fault in ALL_FAULTS:
        for start in Start:
            yield from (Cell(fault, start, op) for op in asked_of(start))
