"""The way of spans out of the process: a bounded queue and a thread, so that no collector is ever waited for.

OpenTelemetry's own processor does not tell how many spans it drops.
"""

import threading
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from typing import Final

from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from holdfast.resilience.events import Log
from holdfast.resilience.outages import Outages

_log: Final = Log(__name__)

QUEUE: Final = 4096
"""Ended spans that wait to be sent; further ones are dropped."""

BATCH: Final = 512
INTERVAL_S: Final = 1.0
"""How long a span waits for others to go with it."""

GOODBYE_S: Final = 5.0
"""How long a node that stops waits for the last spans to be sent."""

_SENDING: Final = "Sending spans"

FULL: Final = "full"
REFUSED: Final = "refused"


class Sender(SpanProcessor):
    """Sends ended spans through ``exporter``, and tells ``dropped`` of each that is not sent, and why."""

    def __init__(self, exporter: SpanExporter, dropped: Callable[[str], None]) -> None:
        self._exporter, self._dropped = exporter, dropped
        self._queue: Queue[ReadableSpan] = Queue(QUEUE)
        self._closing = threading.Event()
        self._full = threading.Event()
        self._outages = Outages()
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def on_start(self, span: Span, parent_context: context.Context | None = None) -> None:
        """Nothing is sent yet."""

    def on_end(self, span: ReadableSpan) -> None:
        """Put a span in the queue, if there is room."""
        try:
            self._queue.put_nowait(span)
        except Full:
            self._dropped(FULL)
        if self._queue.qsize() >= BATCH:
            self._full.set()

    def shutdown(self) -> None:
        """Send what waits, for so long; then give up."""
        self._closing.set()
        self._full.set()
        self._thread.join(GOODBYE_S)
        self._exporter.shutdown()
        self._drop_waiting()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Say whether nothing waits."""
        return self._queue.empty()

    def _run(self) -> None:
        while not (self._closing.is_set() and self._queue.empty()):
            self._full.wait(INTERVAL_S)
            self._full.clear()
            while batch := self._batch():
                self._send(batch)

    def _batch(self) -> list[ReadableSpan]:
        batch: list[ReadableSpan] = []
        try:
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch

    def _send(self, batch: Sequence[ReadableSpan]) -> None:
        try:
            result = self._exporter.export(batch)
        except Exception as error:  # an exporter's bug must not end the thread
            self._refused(batch, type(error).__name__)
        else:
            if result is not SpanExportResult.SUCCESS:
                self._refused(batch, "the collector did not take them")
            else:
                self._outages.works(_SENDING)

    def _refused(self, batch: Sequence[ReadableSpan], why: str) -> None:
        for _ in batch:
            self._dropped(REFUSED)
        self._outages.failed(_SENDING, f"{why}. Requests go on; holdfast_spans_dropped_total counts what is lost.")

    def _drop_waiting(self) -> None:
        while batch := self._batch():
            for _ in batch:
                self._dropped(FULL)
