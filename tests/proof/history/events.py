"""What clients saw: operations with their times and outcomes, and what was there in the end."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

NEVER: Final = math.inf
"""When an operation ended whose answer never came: it may take effect at any later time."""


class Op(StrEnum):
    """What a client asked for."""

    SET = "set"
    GET = "get"
    PIN = "get_version"
    UPDATE = "update"
    LIST = "list"
    DELETE = "delete"
    RECOVER = "recover"
    PURGE = "purge"
    GRANT = "grant"
    REVOKE = "revoke"
    ROLLBACK = "rollback"
    EDIT = "edit"
    """A set made in the vault, past every node."""
    ROTATE = "rotate"
    LOGIN = "login"
    """A login with a credential that was just read, at the system that it is for."""
    ASK = "ask"
    """For emergency access."""
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    ACTIVATE = "activate"
    """Another encryption key seals from now on."""
    REWRAP = "rewrap"
    RETIRE = "retire"


READS: Final = frozenset({Op.GET, Op.PIN})
"""Operations that disclose a value."""

OF_A_SECRET: Final = READS | {Op.SET, Op.DELETE, Op.RECOVER, Op.PURGE, Op.ROLLBACK, Op.EDIT, Op.ROTATE}
"""Operations that tell of one secret."""

ROTATED: Final = ("pair", "single")
"""Secrets whose values Holdfast makes: credentials of two roles in turn, and the password of one."""

EDITED: Final = ("edit-0",)
"""Secrets that are also written in the vault."""

OF_OTHERS: Final = frozenset((*ROTATED, *EDITED))
"""Secrets with values that no client of a node asked for."""


class Outcome(StrEnum):
    """How it ended, as far as the client knows."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Surface(StrEnum):
    """Which of the two APIs was asked."""

    OWN = "v1"
    KEY_VAULT = "keyvault"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One operation. Times are seconds on the harness's one clock.

    ``id``: the id of the request. ``who``: the identity; ``client``: the one connection it came from, which asks for
    one thing at a time. ``value``: written or read. ``version``: 0 where the answer told none. ``names``: a list's, or
    the rows that a change of keys found damaged. ``why``: what a refusal says. ``of``: the version that is asked for,
    or the number of a request for emergency access, which ``lasts`` so many seconds from when it is granted.
    """

    id: str
    client: str
    who: str
    node: int
    surface: Surface
    op: Op
    name: str
    began: float
    ended: float | None = None
    outcome: Outcome = Outcome.UNKNOWN
    status: int = 0
    code: str = ""
    value: str = ""
    version: int = 0
    stale: bool = False
    source: str = ""
    key: str = ""
    names: tuple[str, ...] = ()
    why: str = ""
    of: int = 0
    lasts: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.outcome is Outcome.OK

    @property
    def possible(self) -> bool:
        """Whether it may have taken effect."""
        return self.outcome is not Outcome.REFUSED

    @property
    def until(self) -> float:
        """The last moment at which it can have taken effect."""
        return NEVER if self.outcome is Outcome.UNKNOWN or self.ended is None else self.ended

    def may_fall_between(self, after: float, before: float) -> bool:
        """Whether it may have taken effect in that time."""
        return self.possible and self.began < before and self.until > after

    def known_to(self, later: "Event", elsewhere: float) -> bool:
        """Whether the node of the later one had to know of it then; another node than its own, after these seconds."""
        return self.until + (0.0 if self.node == later.node else elsewhere) < later.began


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret after healing, on one side: live, deleted or absent, with the values of all its versions, in order."""

    state: str
    values: tuple[str, ...] = ()


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A rotated credential after healing: whether the current one logs in, and what logs in that is not stored."""

    current: bool
    strange: tuple[str, ...] = ()


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What was there once all faults were over.

    ``records``: how many successful audit records each request id has. ``trail``: what the verifier found wrong.
    ``unhealed``: what did not come back within the time for it.
    """

    ours: dict[str, Secret] = {}
    vaults: dict[str, Secret] = {}
    records: dict[str, int] = {}
    credentials: dict[str, Credential] = {}
    trail: tuple[str, ...] = ()
    unhealed: tuple[str, ...] = ()


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds after which what one node acknowledged holds on another.

    ``coherent``: for answers that are not declared stale. ``cut_off``: for a node that cannot reach PostgreSQL. Both
    have room for a machine under load.
    """

    coherent: float = 3.0
    cut_off: float = 6.0


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    events: tuple[Event, ...]
    ending: Ending = Ending()
    bounds: Bounds = Bounds()

    def only(self, kept: Collection[Event]) -> "History":
        """The same run with these operations alone."""
        return msgspec.structs.replace(self, events=tuple(kept))


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A promise that did not hold. ``events``: the ids of the operations that show it."""

    promise: str
    text: str
    events: tuple[str, ...] = ()


def by_name(events: Iterable[Event]) -> Mapping[str, list[Event]]:
    """The operations on each secret, by their beginning; a list takes part in none."""
    found: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda each: each.began):
        if event.op in OF_A_SECRET:
            found.setdefault(event.name, []).append(event)
    return found


def contradicted(
    seen: Event, events: Sequence[Event], causes: Collection[Op], undone: Collection[Op], elsewhere: float
) -> Event | None:
    """The first acknowledged cause of which the answer had to know, and which nothing can have undone before it.

    ``causes``, ``undone``: the kinds of events that have, and that may have undone, what the answer denies.
    ``elsewhere``: the seconds after which another node knows of a cause.
    """
    for cause in events:
        if not (cause.op in causes and cause.ok and cause.known_to(seen, elsewhere)):
            continue
        if not any(each.op in undone and each.may_fall_between(cause.began, seen.until) for each in events):
            return cause
    return None
