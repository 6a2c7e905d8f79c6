"""Numbers that several processes share: each worker writes a row of its own, and whoever is asked reads them all.

A count costs one addition in memory: no lock, no file, no system call. What a worker has counted stays when it ends,
and the next in its row goes on from there, so no counter ever falls.
"""

import mmap
import os
import tempfile
import time
from collections.abc import Iterable
from typing import Final, Self, TypeAlias

from holdfast.telemetry.table import BUCKETS_MS, METRICS, Kind, Metric

Row: TypeAlias = "memoryview[float]"

_DOUBLE: Final = 8
_FRESH_S: Final = 30.0
"""Seconds after which the gauges of a row that nobody writes any more are out of date."""

_WIDTHS: Final = {Kind.HISTOGRAM: len(BUCKETS_MS) + 2}
"""Cells per series: buckets, the one above them, and the sum."""


def _places() -> dict[tuple[str, str], int]:
    places, at = {}, 1  # the first cell says when the row's gauges were written
    for metric in METRICS:
        for value in metric.values:
            places[metric.name, value] = at
            at += _WIDTHS.get(metric.kind, 1)
    places["", ""] = at
    return places


PLACES: Final = _places()
"""Where each series begins in a row, by metric and label value."""

WIDTH: Final = PLACES["", ""]


class Cells:
    """Rows of numbers; ``own`` is this process's."""

    def __init__(self, memory: mmap.mmap, row: int = 0) -> None:
        self._all: Row = memoryview(memory).cast("d")
        self.own: Row = self._all[row * WIDTH : (row + 1) * WIDTH]

    @classmethod
    def alone(cls) -> Self:
        """Return the cells of a process that shares them with none."""
        return cls(mmap.mmap(-1, WIDTH * _DOUBLE))

    @classmethod
    def shared(cls, descriptor: int, row: int) -> Self:
        """Return the cells behind a file that ``shared_file`` made."""
        return cls(mmap.mmap(descriptor, 0), row)

    def touch(self) -> None:
        """Say that the gauges of this row are up to date."""
        self.own[0] = time.monotonic()

    def rows(self, *, fresh: bool) -> Iterable[Row]:
        """Every row; with ``fresh``, those whose gauges are up to date."""
        for start in range(0, len(self._all), WIDTH):
            row = self._all[start : start + WIDTH]
            if not fresh or (row[0] and time.monotonic() - row[0] < _FRESH_S):
                yield row

    def numbers(self, metric: Metric, value: str) -> list[float] | None:
        """Return the cells of a series over all workers; None if no worker knows."""
        at, width = PLACES[metric.name, value], _WIDTHS.get(metric.kind, 1)
        if metric.kind in (Kind.COUNTER, Kind.HISTOGRAM):
            found = [row[at : at + width].tolist() for row in self.rows(fresh=False)]
            return [sum(column) for column in zip(*found, strict=True)]
        known = [row[at] for row in self.rows(fresh=True) if row[at] == row[at]]  # NaN: it does not know
        return [min(known) if metric.kind is Kind.LOWEST else max(known)] if known else None


def shared_file(rows: int) -> int:
    """Return the descriptor of a nameless file with room for so many rows, all zero."""
    with tempfile.TemporaryFile() as file:
        file.truncate(rows * WIDTH * _DOUBLE)
        return os.dup(file.fileno())
