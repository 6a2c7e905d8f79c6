"""What a node tells of itself."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from holdfast.config import collectors, parsing
from holdfast.config.environment import variable

_PLAIN: Final = ("always_on", "always_off", "traceidratio")
SAMPLERS: Final = (*_PLAIN, *(f"parentbased_{name}" for name in _PLAIN))


@dataclass(frozen=True, kw_only=True, repr=False)
class ObservabilitySettings:
    """What a node tells of itself."""

    metrics_token: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_METRICS_TOKEN",
            "What Prometheus proves itself with at /metrics: 32 to 256 characters. Without it there is no /metrics.",
            parsing.scrape_token,
            secret=True,
        ),
    )
    log_level: str = field(
        default="info",
        metadata=variable(
            "HOLDFAST_LOG_LEVEL",
            "debug, info, warning or error.",
            parsing.choice("debug", "info", "warning", "error"),
            default="info",
        ),
    )
    log_format: str = field(
        default="text",
        metadata=variable(
            "HOLDFAST_LOG_FORMAT",
            "text, for people, or json: one object per line.",
            parsing.choice("text", "json"),
            default="text",
        ),
    )
    access_log: bool = field(
        default=False,
        metadata=variable(
            "HOLDFAST_ACCESS_LOG",
            "Log a line per request; the audit trail has them all anyway.",
            parsing.boolean,
            default="false",
        ),
    )
    otlp_endpoint: str | None = field(
        default=None,
        metadata=variable(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "Where traces are sent to, by OTLP over HTTP: http://collector:4318. Takes the extra `traces`.",
            collectors.collector,
        ),
    )
    otlp_headers: tuple[tuple[str, str], ...] = field(
        default=(),
        metadata=variable(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "Headers for it, such as api-key=…, comma-separated.",
            collectors.headers,
            secret=True,
        ),
    )
    otlp_ca: Path | None = field(
        default=None,
        metadata=variable(
            "OTEL_EXPORTER_OTLP_CERTIFICATE",
            "PEM file of the CAs to trust for it.",
            parsing.file,
            default="the system's",
        ),
    )
    service_name: str = field(
        default="holdfast",
        metadata=variable("OTEL_SERVICE_NAME", "What traces call this service.", parsing.text, default="holdfast"),
    )
    traces_sampler: str = field(
        default="parentbased_always_on",
        metadata=variable(
            "OTEL_TRACES_SAMPLER",
            "Which traces are kept: always_on, always_off, traceidratio, or one of these after parentbased_.",
            parsing.choice(*SAMPLERS),
            default="parentbased_always_on",
        ),
    )
    traces_ratio: float = field(
        default=1.0,
        metadata=variable(
            "OTEL_TRACES_SAMPLER_ARG", "Which part of them traceidratio keeps: 0 to 1.", collectors.ratio, default="1"
        ),
    )
    insights_connection: str | None = field(
        default=None,
        metadata=variable(
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            "The Application Insights that traces and metrics are sent to. Takes the extra `azure-monitor`.",
            parsing.text,
            secret=True,
        ),
    )
