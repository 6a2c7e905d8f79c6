"""What a source offers, and what becomes of it."""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import InvalidInput

MAX_ITEMS: Final = 10_000
"""Of one import."""


class State(enum.StrEnum):
    """How something in the source relates to what is here."""

    NEW = "new"
    CONTINUED = "continued"
    """Some of its versions are here already, in order."""
    UNCHANGED = "unchanged"
    DIFFERENT = "different"
    CONFLICT = "conflict"
    """It cannot be taken over as it is; the note says why."""
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """One version in a source. Without attributes, the source knows of none."""

    value: SecretValue
    attributes: Attributes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One secret in a source.

    ``source`` is its name there, ``origin`` the same for somebody who reads it later in a description. ``versions``
    are oldest first. ``content_type`` is for values that the import itself gave a form. ``fault``: why it cannot be
    taken over; ``left_out``: why it need not be; ``note``: what else to know. None of the texts holds a value.
    """

    source: str
    origin: str
    versions: tuple[Content, ...] = ()
    content_type: str | None = None
    fault: str = ""
    left_out: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be done about an item: the versions to write, in order, the first over ``generation`` (0: none)."""

    item: Item
    name: SecretName | None
    state: State
    note: str = ""
    generation: int = 0
    pending: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, in the order of the source."""

    steps: Sequence[Step]

    def count(self, *states: State) -> int:
        """How many items are in one of the states."""
        return sum(step.state in states for step in self.steps)

    @property
    def writes(self) -> int:
        """How many versions are to be written."""
        return sum(len(step.pending) for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which items of a source are wanted, under which names.

    ``patterns`` are globs over the names in the source; none takes all. ``mapping`` gives names, or None for what
    is to be left out; other names are made from the source's, after ``prefix``.
    """

    patterns: Sequence[str] = ()
    mapping: Mapping[str, SecretName | None] = field(default_factory=dict)
    prefix: str = ""


def limited(items: Iterable[Item]) -> list[Item]:
    """Return the items as a list.

    Raises:
        InvalidInput: there are more than one import takes, or none.
    """
    found: list[Item] = []
    for item in items:
        found.append(item)
        check_count(len(found))
    return found


def check_count(count: int) -> None:
    """Raise InvalidInput if that is more than one import takes."""
    if count > MAX_ITEMS:
        raise InvalidInput(f"The source holds more than {MAX_ITEMS:,} secrets, which is the limit: take it in parts.")
