"""Every metric there is. All series are known beforehand: labels have these values and no others."""

import enum
from dataclasses import dataclass
from typing import Final

from holdfast.domain.secret import Source


class Kind(enum.StrEnum):
    """As Prometheus has them. Of a gauge, several workers show the lowest or the highest."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    LOWEST = "gauge (lowest)"
    HIGHEST = "gauge (highest)"


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` as it is shown, without the suffixes of its kind. ``label`` has one of ``values``."""

    name: str
    kind: Kind
    meaning: str
    label: str | None = None
    values: tuple[str, ...] = ("",)

    @property
    def shown(self) -> str:
        """The name to query by."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


BUCKETS_MS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 750.0, 2500.0, 10_000.0)
"""From an answer out of memory to the end of the retries; 750 ms is how long a read waits for Key Vault."""

SOURCES: Final = tuple(source.value for source in Source)
BREAKERS: Final = ("read", "write")
EMERGENCIES: Final = ("requested", "granted")
BREAKER_STATES: Final = {"closed": 0.0, "half-open": 1.0, "open": 2.0}

METRICS: Final = (
    Metric("secrets_keyvault_connected", Kind.LOWEST, "1 while Key Vault's circuit breakers are closed, else 0."),
    Metric("secrets_redis_connected", Kind.LOWEST, "1 while Redis answers, else 0."),
    Metric("secrets_get_success", Kind.COUNTER, "Reads answered, by the tier that did.", "source", SOURCES),
    Metric(
        "secrets_get_failure",
        Kind.COUNTER,
        "Reads not answered: refused for what was asked, or failed here.",
        "reason",
        ("refused", "failed"),
    ),
    Metric("secrets_get_duration_ms", Kind.HISTOGRAM, "Milliseconds per answered read, by tier.", "source", SOURCES),
    Metric("secrets_set_success", Kind.COUNTER, "Versions set."),
    Metric("secrets_set_failure", Kind.COUNTER, "Versions not set, refused ones included."),
    Metric("secrets_cache_hit", Kind.COUNTER, "Reads answered from memory or Redis."),
    Metric("secrets_cache_miss", Kind.COUNTER, "Reads answered from Key Vault or the mirror."),
    Metric("secrets_rotation_success", Kind.COUNTER, "Rotations that made their candidate the current version."),
    Metric("secrets_rotation_failure", Kind.COUNTER, "Steps of rotations that failed; they are tried again."),
    Metric("secrets_circuit_breaker_opened", Kind.COUNTER, "Circuit breakers opened.", "kind", BREAKERS),
    Metric("secrets_circuit_breaker_closed", Kind.COUNTER, "Circuit breakers closed again.", "kind", BREAKERS),
    Metric("holdfast_breaker_state", Kind.HIGHEST, "0: closed, 1: half-open, 2: open.", "kind", BREAKERS),
    Metric("holdfast_postgresql_connected", Kind.LOWEST, "1 while news from PostgreSQL arrive, else 0."),
    Metric(
        "holdfast_grants_epoch_lag", Kind.HIGHEST, "Changes of grants that this node does not know; 0 within a second."
    ),
    Metric("holdfast_intents", Kind.HIGHEST, "Changes that wait for Key Vault.", "state", ("open", "parked")),
    Metric("holdfast_sync_lag_seconds", Kind.HIGHEST, "Age of the oldest change that Key Vault has not got."),
    Metric(
        "holdfast_mirror_age_seconds",
        Kind.HIGHEST,
        "Seconds since the last whole comparison with Key Vault; before the first, since it was first tried.",
    ),
    Metric(
        "holdfast_mirror_late",
        Kind.HIGHEST,
        "1 while the mirror was not compared with the whole Key Vault for three intervals, or never could be; else 0.",
    ),
    Metric("holdfast_mirror_kept_out", Kind.HIGHEST, "Names in Key Vault that cannot be mirrored."),
    Metric(
        "holdfast_work_failing", Kind.HIGHEST, "Loops in the background, or steps of them, that fail at the moment."
    ),
    Metric("holdfast_audit_degraded", Kind.HIGHEST, "1 while audit records go to the local log, else 0."),
    Metric("holdfast_audit_records", Kind.COUNTER, "Audit records made durable."),
    Metric("holdfast_audit_batches", Kind.COUNTER, "Batches they were made durable in."),
    Metric("holdfast_rotations_open", Kind.HIGHEST, "Rotations begun and not over; 1000 stands for more, too."),
    Metric(
        "holdfast_notices",
        Kind.HIGHEST,
        "Notices that wait to be sent, and those that reached no one.",
        "state",
        ("waiting", "dead"),
    ),
    Metric("holdfast_rotations_overdue", Kind.HIGHEST, "Rotations due and not begun; 1000 stands for more, too."),
    Metric(
        "holdfast_spans_dropped",
        Kind.COUNTER,
        "Spans that were not sent: the queue was full, or the collector did not take them.",
        "reason",
        ("full", "refused"),
    ),
    Metric("holdfast_break_glass", Kind.HIGHEST, "Emergency access: asked for, and granted now.", "state", EMERGENCIES),
)
