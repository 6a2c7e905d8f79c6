"""Judging clocks: PostgreSQL's is the one that counts; who differs from it decides otherwise."""

from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning

NOTABLE: Final = timedelta(seconds=5)
"""As close as Key Vault's times are compared with ours when the mirror is brought up to date."""

TOO_MUCH: Final = timedelta(seconds=30)
"""The leeway of tokens, ours and those of issuers: beyond it, fresh tokens are refused."""

_WHY: Final = {
    "this machine": "PostgreSQL's clock decides about expiry and leases; tokens are taken up to 30 s early or late.",
    "Key Vault": "Its times tell what changed there; tokens from Azure are refused when the clocks are 30 s apart.",
}


def skew_finding(
    whose: str, theirs: datetime, other: str, ours: datetime, resolution: timedelta = timedelta()
) -> Finding:
    """Judge a clock against another one. ``resolution``: how exactly either could be read."""
    apart = theirs - ours
    size = max(timedelta(), abs(apart) - resolution)
    where = "ahead of" if apart > timedelta() else "behind"
    text = f"The clock of {whose} is {abs(apart).total_seconds():.1f} s {where} that of {other}."
    if size <= NOTABLE:
        return ok("clocks", f"The clocks of {whose} and {other} are within {NOTABLE.seconds} s.")
    fix = "Run NTP (chrony, systemd-timesyncd) on both; `timedatectl` shows whether it is in step."
    make = failure if size > TOO_MUCH else warning
    return make("clocks", text, why=_WHY.get(whose, _WHY["this machine"]), fix=fix)
