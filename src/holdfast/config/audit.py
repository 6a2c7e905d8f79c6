"""Where the audit trail goes, and for how long it is kept."""

from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.config import parsing
from holdfast.config.environment import variable


@dataclass(frozen=True, kw_only=True, repr=False)
class AuditSettings:
    """Where the audit trail goes, and for how long it is kept."""

    audit_streams: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_AUDIT_STREAMS",
            "Where audit records are sent to, comma-separated: file:/path, stdout, syslog://host:port (UDP), "
            "syslog+tcp://host:port, syslog+unix:/path, or the https:// address of a webhook.",
            parsing.places,
            secret=True,
        ),
    )
    audit_checkpoints: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_AUDIT_CHECKPOINTS",
            "Where signed checkpoints of the audit trail are sent to, likewise. Choose a place outside the database.",
            parsing.places,
            secret=True,
        ),
    )
    audit_retention: timedelta | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_AUDIT_RETENTION",
            "Days for which audit records are kept at least: 30 to 36500. Whole months are dropped after that.",
            parsing.days(30, 36_500),
            default="without end",
        ),
    )
