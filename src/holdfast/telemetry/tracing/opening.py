"""From settings to a ``Tracing``: where spans go, and which are kept."""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from holdfast.domain.extras import needing
from holdfast.errors import StartupError
from holdfast.ports import Tracing

if TYPE_CHECKING:  # optional extras
    from opentelemetry.sdk.trace.sampling import Sampler

    from holdfast.telemetry.cells import Row

_OTLP: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_INSIGHTS: Final = "azure.monitor.opentelemetry.exporter"
_TALKATIVE: Final = (_OTLP, f"{_INSIGHTS}.export._base")
_IMPATIENT: Final = {"retry_total": 1, "retry_backoff_max": 1, "timeout": 5.0}
"""The SDK would repeat for minutes, and what is new would be dropped meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingOptions:
    """Where spans go, and which. ``sampler`` has one of OpenTelemetry's names; ``ratio`` is its argument."""

    release: str
    service: str = "holdfast"
    endpoint: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    insights: str | None = field(default=None, repr=False)
    sampler: str = "parentbased_always_on"
    ratio: float = 1.0


class _ToldByUs(logging.Filter):
    """Exporters complain of each attempt at each batch; we tell of the outage once. At the level debug they pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether everything is asked for."""
        return logging.getLogger("holdfast").isEnabledFor(logging.DEBUG)


class OpenedTracing:
    """``tracing``, and how to end it."""

    def __init__(self, tracing: Tracing, close: Callable[[], object]) -> None:
        self.tracing, self.close = tracing, close


def open_tracing(
    options: TracingOptions, dropped: Callable[[str], None], row: "Row | None" = None
) -> OpenedTracing | None:
    """Return what keeps spans and sends them; None where they have nowhere to go.

    ``row``: what this process counts goes to Application Insights as well, if that is where spans go.

    An application that has set up OpenTelemetry itself gets our spans among its own, whatever the settings say.

    Raises:
        StartupError: the extra that it takes is not installed.
    """
    theirs = _applications_own()
    if theirs is None and not (options.endpoint or options.insights):
        return None
    for name in () if theirs else _TALKATIVE:
        logging.getLogger(name).addFilter(_ToldByUs())
    otlp = _extra(_OTLP, "OTEL_EXPORTER_OTLP_ENDPOINT", "traces") if options.endpoint and not theirs else None
    azure = _insights_extra() if options.insights and not theirs else None
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - an optional extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    from holdfast.telemetry.tracing.sending import Sender  # noqa: PLC0415
    from holdfast.telemetry.tracing.spans import OpenTelemetry  # noqa: PLC0415

    if theirs is not None:
        return OpenedTracing(OpenTelemetry(theirs.get_tracer("holdfast", options.release)), lambda: None)
    resource = Resource.create({"service.name": options.service, "service.version": options.release})
    provider = TracerProvider(sampler=_sampler(options), resource=resource, shutdown_on_exit=False)
    if otlp is not None:
        provider.add_span_processor(Sender(_otlp(otlp, options), dropped))
    if azure is not None:
        provider.add_span_processor(Sender(_insights(azure.AzureMonitorTraceExporter, options, provider), dropped))
    closing = [provider.shutdown]
    if azure is not None and row is not None:
        from holdfast.telemetry.tracing.measurements import Measurements  # noqa: PLC0415

        exporter = _insights(azure.AzureMonitorMetricExporter, options, provider)
        closing.append(Measurements(exporter, row, resource, options.release).close)
    tracing = OpenTelemetry(provider.get_tracer("holdfast", options.release), _kept_of_ours(options))
    return OpenedTracing(tracing, lambda: [close() for close in closing])


def _applications_own() -> Any:
    """The provider of the application around us, if it has set up OpenTelemetry; imports nothing for that."""
    api, sdk = sys.modules.get("opentelemetry.trace"), sys.modules.get("opentelemetry.sdk.trace")
    provider = api.get_tracer_provider() if api and sdk else None
    return provider if sdk and isinstance(provider, sdk.TracerProvider) else None


def _otlp(otlp: Any, options: TracingOptions) -> Any:
    return otlp.OTLPSpanExporter(
        endpoint=f"{options.endpoint}/v1/traces",
        headers=dict(options.headers) or None,
        certificate_file=str(options.ca_file) if options.ca_file else None,
    )


def _insights_extra() -> Any:
    # It would tell Microsoft about itself, and be told from there what to do.
    os.environ.setdefault("APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL", "true")
    os.environ.setdefault("APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED", "true")
    return _extra(_INSIGHTS, "APPLICATIONINSIGHTS_CONNECTION_STRING", "azure-monitor")


def _insights(kind: Any, options: TracingOptions, provider: object) -> Any:
    """Return an exporter to Application Insights that writes no files."""
    try:
        return kind(
            connection_string=options.insights, tracer_provider=provider, disable_offline_storage=True, **_IMPATIENT
        )
    except ValueError:
        raise StartupError(
            "APPLICATIONINSIGHTS_CONNECTION_STRING is no connection string: copy it from the resource's overview."
        ) from None


def _extra(module: str, setting: str, extra: str) -> Any:
    with needing(setting, extra):
        return importlib.import_module(module)


def _kept_of_ours(options: TracingOptions) -> float:
    """The part that is kept of traces that nobody has begun before us.

    To pass a request over by the SDK's sampler takes as long as a sixth of a cached read, so that is decided before.
    """
    return {"parentbased_traceidratio": options.ratio, "parentbased_always_off": 0.0}.get(options.sampler, 1.0)


def _sampler(options: TracingOptions) -> "Sampler":
    from opentelemetry.sdk.trace import sampling  # noqa: PLC0415 - an optional extra

    if _kept_of_ours(options) < 1.0:
        return sampling.ParentBased(sampling.ALWAYS_ON)
    ratio = sampling.TraceIdRatioBased(options.ratio)
    plain = {"always_on": sampling.ALWAYS_ON, "always_off": sampling.ALWAYS_OFF, "traceidratio": ratio}
    name = options.sampler
    root = plain[name.removeprefix("parentbased_")]
    return sampling.ParentBased(root) if name.startswith("parentbased_") else root
