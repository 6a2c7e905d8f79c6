"""Some of a listing that is too long for one answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")

MAX_SLICE: Final = 10_000
"""Items."""


@dataclass(frozen=True, slots=True)
class Slice(Generic[T]):
    """``more``: others follow the last of the ``items``."""

    items: Sequence[T]
    more: bool


def slice_of(found: Sequence[T], size: int) -> Slice[T]:
    """Return the first ``size`` of what was found by asking for one more than that."""
    return Slice(found[:size], len(found) > size)
