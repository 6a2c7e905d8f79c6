"""Whose tokens are taken, for how long grants hold, and what emergency access takes."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from holdfast.config import parsing
from holdfast.config.environment import variable

HOLDFAST: Final = "holdfast"
"""The challenge that names this very server."""


@dataclass(frozen=True, kw_only=True, repr=False)
class AccessSettings:
    """Whose tokens are taken, for how long grants hold, and what emergency access takes."""

    oidc_issuers: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_OIDC_ISSUERS",
            "TOML file of the OpenID Connect issuers whose tokens are taken.",
            parsing.file,
        ),
    )
    challenge: str = field(
        default=HOLDFAST,
        metadata=variable(
            "HOLDFAST_CHALLENGE",
            "Where Key Vault's clients are sent for tokens: `holdfast`, or the name of a trusted issuer (Entra ID).",
            parsing.issuer_name,
            default=HOLDFAST,
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
    break_glass: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_BREAK_GLASS",
            "TOML file of what emergency access takes. Without it: two approvers, one hour at most.",
            parsing.file,
        ),
    )
