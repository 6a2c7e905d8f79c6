"""Counts what the use cases announce."""

import math
from bisect import bisect_left
from collections.abc import Mapping
from contextlib import AbstractContextManager
from time import perf_counter
from types import TracebackType
from typing import Any, Final, Self

from holdfast.domain.secret import Source
from holdfast.errors import BackendUnavailable, HoldfastError
from holdfast.ports import UNTRACED, Reading, Span, Tracing, rooted
from holdfast.telemetry.cells import PLACES, Cells, Row
from holdfast.telemetry.table import BUCKETS_MS, METRICS, Kind
from holdfast.telemetry.traced import Traced

_ANSWERED: Final = {source: PLACES["secrets_get_success", source.value] for source in Source}
_DURATIONS: Final = {source: PLACES["secrets_get_duration_ms", source.value] for source in Source}
_CACHED: Final = {
    source: PLACES["secrets_cache_hit" if source in (Source.CACHE, Source.REDIS) else "secrets_cache_miss", ""]
    for source in Source
}
_SUM: Final = len(BUCKETS_MS) + 1
_GAUGES: Final = tuple(
    PLACES[metric.name, value]
    for metric in METRICS
    if metric.kind in (Kind.LOWEST, Kind.HIGHEST)
    for value in metric.values
)


class Counted:
    """A read that is counted as it ends."""

    __slots__ = ("_began", "_cells", "source")

    def __init__(self, cells: Row) -> None:
        self._cells = cells
        self.source: Source | None = None

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        cells, source = self._cells, self.source
        if error is not None:
            refused = isinstance(error, HoldfastError) and not isinstance(error, BackendUnavailable)
            cells[PLACES["secrets_get_failure", "refused" if refused else "failed"]] += 1.0
        elif source is not None:
            took = (perf_counter() - self._began) * 1000.0
            at = _DURATIONS[source]
            cells[_ANSWERED[source]] += 1.0
            cells[_CACHED[source]] += 1.0
            cells[at + bisect_left(BUCKETS_MS, took)] += 1.0
            cells[at + _SUM] += took


class _Writing:
    __slots__ = ("_cells",)

    def __init__(self, cells: Row) -> None:
        self._cells = cells

    def __enter__(self) -> None:
        """Wait for the end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cells[PLACES["secrets_set_success" if kind is None else "secrets_set_failure", ""]] += 1.0


class Recorder:
    """The ``Telemetry`` that counts into cells. ``tracing`` is set once, before it is used."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.tracing: Tracing | None = None
        self.show({})

    def reading(self) -> AbstractContextManager[Reading]:
        """See the port."""
        counted = Counted(self.cells.own)
        return counted if self.tracing is None else _traced(counted, rooted(self.tracing, "read"))

    def writing(self) -> AbstractContextManager[object]:
        """See the port."""
        counted = _Writing(self.cells.own)
        return counted if self.tracing is None else _traced(counted, rooted(self.tracing, "write"))

    def span_dropped(self, reason: str) -> None:
        """A span was not sent: the queue was full, or the collector did not take it."""
        self._count("holdfast_spans_dropped", reason)

    def rotation_ended(self, *, succeeded: bool) -> None:
        """See the port."""
        self._count("secrets_rotation_success" if succeeded else "secrets_rotation_failure")

    def breaker_moved(self, kind: str, old: str, new: str) -> None:
        """See the port. A probe that fails opens nothing that was closed."""
        if (old, new) == ("closed", "open"):
            self._count("secrets_circuit_breaker_opened", kind)
        elif new == "closed":
            self._count("secrets_circuit_breaker_closed", kind)

    def audited(self, records: int) -> None:
        """See the port."""
        self._count("holdfast_audit_batches")
        self._count("holdfast_audit_records", by=records)

    def show(self, gauges: Mapping[tuple[str, str], float | None]) -> None:
        """Let the gauges have these values, by metric and label value; those that are left out are not shown."""
        shown = {PLACES[series]: value for series, value in gauges.items() if value is not None}
        for at in _GAUGES:
            self.cells.own[at] = shown.get(at, math.nan)
        self.cells.touch()

    def _count(self, name: str, value: str = "", *, by: float = 1.0) -> None:
        self.cells.own[PLACES[name, value]] += by


def _traced(counted: Any, span: AbstractContextManager[Span]) -> AbstractContextManager[Any]:
    return counted if span is UNTRACED else Traced(counted, span)
