"""Metrics to Application Insights: what this process counted since the last time, now and then."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from holdfast.resilience.outages import Outages
from holdfast.telemetry import table
from holdfast.telemetry.cells import PLACES, Row
from holdfast.telemetry.table import BUCKETS_MS, METRICS, Kind
from holdfast.telemetry.tracing.sending import GOODBYE_S

INTERVAL_S: Final = 60.0
_SENDING: Final = "Sending metrics"
_DELTA: Final = AggregationTemporality.DELTA

_Point = NumberDataPoint | HistogramDataPoint


class Measurements:
    """Sends the row of this process through ``exporter``, every minute and once more at the end.

    Each process sends its own: Application Insights adds them up.
    """

    def __init__(self, exporter: Any, row: Row, resource: Resource, release: str) -> None:
        self._exporter, self._row, self._resource = exporter, row, resource
        self._scope = InstrumentationScope("holdfast", release)
        self._before: Sequence[float] = row.tolist()
        self._began = time.time_ns()
        self._closing, self._outages = threading.Event(), Outages()
        self._thread = threading.Thread(target=self._run, name="measurements", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send the last ones, for so long; then give up."""
        self._closing.set()
        self._thread.join(GOODBYE_S)
        self._exporter.shutdown()

    def _run(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(INTERVAL_S)
            if self._exporter.export(self._since()) is MetricExportResult.SUCCESS:  # it raises nothing
                self._outages.works(_SENDING)
            else:
                self._outages.failed(_SENDING, "Application Insights did not take them; requests go on")

    def _since(self) -> MetricsData:
        now, ended = self._row.tolist(), time.time_ns()
        metrics = [self._metric(metric, now, ended) for metric in METRICS]
        self._before, self._began = now, ended
        scopes = [ScopeMetrics(self._scope, [metric for metric in metrics if metric.data.data_points], "")]
        return MetricsData([ResourceMetrics(self._resource, scopes, "")])

    def _metric(self, metric: table.Metric, now: Sequence[float], ended: int) -> Metric:
        points: Any = list(self._points(metric, now, ended))
        if metric.kind is Kind.COUNTER:
            data: Any = Sum(points, _DELTA, is_monotonic=True)
        else:
            data = Histogram(points, _DELTA) if metric.kind is Kind.HISTOGRAM else Gauge(points)
        unit = "ms" if metric.name.endswith("_ms") else "s" if metric.name.endswith("_seconds") else "1"
        return Metric(metric.shown, metric.meaning, unit, data)

    def _points(self, metric: table.Metric, now: Sequence[float], ended: int) -> Iterator[_Point]:
        for value in metric.values:
            at, labels = PLACES[metric.name, value], {metric.label: value} if metric.label else {}
            if metric.kind is Kind.HISTOGRAM:
                end = at + len(BUCKETS_MS) + 1
                counts = [int(after - before) for after, before in zip(now[at:end], self._before[at:end], strict=True)]
                if any(counts):
                    yield self._histogram(counts, now[end] - self._before[end], labels, ended)
            elif metric.kind is Kind.COUNTER:
                if (count := now[at] - self._before[at]) > 0:
                    yield NumberDataPoint(labels, self._began, ended, count)
            elif now[at] == now[at]:  # NaN: it does not know
                yield NumberDataPoint(labels, self._began, ended, now[at])

    def _histogram(self, counts: list[int], total: float, labels: dict[str, str], ended: int) -> HistogramDataPoint:
        """Extremes are not counted: the bounds of the buckets that were hit stand for them."""
        hit = [number for number, count in enumerate(counts) if count]
        bounds = (0.0, *BUCKETS_MS, BUCKETS_MS[-1])
        return HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=self._began,
            time_unix_nano=ended,
            count=sum(counts),
            sum=total,
            bucket_counts=counts,
            explicit_bounds=list(BUCKETS_MS),
            min=bounds[hit[0]],
            max=bounds[hit[-1] + 1],
        )
