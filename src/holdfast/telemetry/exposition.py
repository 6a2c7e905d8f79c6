"""The cells of all workers, in Prometheus's text format."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from holdfast.telemetry import table
from holdfast.telemetry.cells import Cells
from holdfast.telemetry.table import BUCKETS_MS, METRICS, Kind

_BOUNDS: Final = (*map(str, BUCKETS_MS), "+Inf")

_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_FAMILIES: Final[Mapping[Kind, type[CounterMetricFamily] | type[HistogramMetricFamily]]] = {
    Kind.COUNTER: CounterMetricFamily,
    Kind.HISTOGRAM: HistogramMetricFamily,
}


def exposition(cells: Cells) -> bytes:
    """Return every metric over all workers, as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Everything(cells))
    return generate_latest(registry)


class _Everything(Collector):
    def __init__(self, cells: Cells) -> None:
        self._cells = cells

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        for metric in METRICS:
            yield self._family(metric)

    def _family(self, metric: table.Metric) -> _Family:
        labels = [metric.label] if metric.label else []
        family = _FAMILIES.get(metric.kind, GaugeMetricFamily)(metric.name, metric.meaning, labels=labels)
        for value in metric.values:
            numbers, given = self._cells.numbers(metric, value), [value] if labels else []
            if numbers is None:
                continue
            if isinstance(family, HistogramMetricFamily):
                *counts, total = numbers
                family.add_metric(given, list(zip(_BOUNDS, accumulate(counts), strict=True)), total)
            else:
                family.add_metric(given, numbers[0])
        return family
