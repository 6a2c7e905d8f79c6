"""Traces of a node, and its metrics to Application Insights, where its settings send them somewhere."""

import asyncio
from contextlib import AsyncExitStack

from holdfast.bootstrap.release import release
from holdfast.config import Settings
from holdfast.telemetry.recorder import Recorder
from holdfast.telemetry.tracing import TracingOptions, open_tracing


def start_tracing(stack: AsyncExitStack, settings: Settings, recorder: Recorder) -> None:
    """Let ``recorder`` keep spans until the stack is left; the last ones are sent then.

    Raises:
        StartupError: they have somewhere to go, and what takes them there is not installed.
    """
    opened = open_tracing(
        TracingOptions(
            release=release(),
            service=settings.service_name,
            endpoint=settings.otlp_endpoint,
            headers=dict(settings.otlp_headers),
            ca_file=settings.otlp_ca,
            insights=settings.insights_connection,
            sampler=settings.traces_sampler,
            ratio=settings.traces_ratio,
        ),
        recorder.span_dropped,
        recorder.cells.own,
    )
    if opened is not None:
        recorder.tracing = opened.tracing
        stack.push_async_callback(asyncio.to_thread, opened.close)
