"""Judging certificates by how long they still last."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import CertificateFacts

SOON: Final = timedelta(days=30)
"""As long before its end as the private CA renews a certificate: less is left only where nobody renews."""

_WHY: Final = "Clients refuse an expired certificate: nothing gets through, and no mirror helps against that."
_RENEW: Final = "Replace it; nodes read it at their start, so restart them one by one."
_TOO_EARLY: Final = "Look at the clock of this machine first; else have a new one made."


def certificate_findings(found: Iterable[CertificateFacts], now: datetime) -> list[Finding]:
    """Judge certificates."""
    return [_judge(each, now) for each in found]


def _judge(certificate: CertificateFacts, now: datetime) -> Finding:
    lasting = None if certificate.fault else validity_finding(certificate, now, "certificates", why=_WHY, renew=_RENEW)
    if lasting is not None:
        return lasting
    fix = "Give a readable PEM file of certificates, complete from the server's own up to the CA."
    return failure("certificates", f"{certificate.whose}: {certificate.fault}.", why=_WHY, fix=fix)


def validity_finding(
    certificate: CertificateFacts, now: datetime, check: str, *, why: str, renew: str
) -> Finding | None:
    """Judge how long a certificate still lasts; None if that is not known.

    Args:
        why: what its end means.
        renew: how it is replaced.
    """
    if certificate.starts_at is None or certificate.expires_at is None:
        return None
    if certificate.starts_at > now:
        text = f"{certificate.whose} is valid only from {certificate.starts_at:%Y-%m-%d %H:%M} UTC."
        return failure(check, text, why=why, fix=_TOO_EARLY)
    left = certificate.expires_at - now
    text = f"{certificate.whose} is valid until {certificate.expires_at:%Y-%m-%d}"
    if left <= timedelta():
        return failure(check, f"{text}: it has expired.", why=why, fix=renew)
    if left < SOON:
        return warning(check, f"{text}: {left.days} days are left.", why=why, fix=renew)
    return ok(check, f"{text} ({left.days} days).")
