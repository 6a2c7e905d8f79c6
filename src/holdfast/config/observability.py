"""What a node tells of itself."""

from dataclasses import dataclass, field

from holdfast.config import parsing
from holdfast.config.environment import variable


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
