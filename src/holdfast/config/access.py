"""Whose tokens are taken, and for how long grants hold."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from holdfast.config import parsing
from holdfast.config.environment import variable


@dataclass(frozen=True, kw_only=True, repr=False)
class AccessSettings:
    """Whose tokens are taken, and for how long grants hold."""

    oidc_issuers: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_OIDC_ISSUERS",
            "TOML file of the OpenID Connect issuers whose tokens are taken.",
            parsing.file,
        ),
    )
    grant_lease: timedelta = field(
        default=timedelta(seconds=30),
        metadata=variable(
            "HOLDFAST_GRANT_LEASE",
            "Seconds that the last known grants hold while PostgreSQL is out of reach: 1 to 3600.",
            parsing.seconds(1, 3600),
            default="30",
        ),
    )
    grant_leases: tuple[tuple[str, timedelta], ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_GRANT_LEASES",
            "Other leases for some secrets, in seconds: payments-*=5,public-*=900. The most specific pattern counts.",
            parsing.leases(1, 3600),
        ),
    )
