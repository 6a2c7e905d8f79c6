"""When rotations are looked for, and what they may call."""

from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.config import parsing
from holdfast.config.environment import variable


@dataclass(frozen=True, kw_only=True, repr=False)
class RotationSettings:
    """When rotations are looked for, and what they may call."""

    rotation_check_interval: timedelta = field(
        default=timedelta(hours=1),
        metadata=variable(
            "SECRET_ROTATION_CHECK_INTERVAL",
            "Seconds between looks for due rotations: 1 to 604800.",
            parsing.seconds(1, 604_800),
            default="3600",
        ),
    )
    adoption_window: timedelta = field(
        default=timedelta(days=7),
        metadata=variable(
            "HOLDFAST_ADOPTION_WINDOW",
            "Seconds back in which who fetched a secret still counts as using it when it is rotated: 1 to 7776000.",
            parsing.seconds(1, 7_776_000),
            default="604800",
        ),
    )
    webhook_targets: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_WEBHOOK_TARGETS",
            "Origins that webhooks of rotations may call, and private ones of RabbitMQ, comma-separated.",
            parsing.targets,
        ),
    )
