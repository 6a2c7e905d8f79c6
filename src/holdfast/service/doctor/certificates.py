"""Judging certificates by how long they still last."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import CertificateFacts

SOON: Final = timedelta(days=30)
"""As long before its end as the private CA renews a certificate: less is left only where nobody renews."""

_WHY: Final = "Clients refuse an expired certificate: nothing gets through, and no mirror helps against that."


def certificate_findings(found: Iterable[CertificateFacts], now: datetime) -> list[Finding]:
    """Judge certificates."""
    return [_judge(each, now) for each in found]


def _judge(certificate: CertificateFacts, now: datetime) -> Finding:
    if certificate.fault or certificate.expires_at is None or certificate.starts_at is None:
        fix = "Give a readable PEM file of certificates, complete from the server's own up to the CA."
        return failure("certificates", f"{certificate.whose}: {certificate.fault}.", why=_WHY, fix=fix)
    if certificate.starts_at > now:
        fix = "Look at the clock of this machine first; else have the certificate issued anew."
        text = f"{certificate.whose} is valid only from {certificate.starts_at:%Y-%m-%d %H:%M} UTC."
        return failure("certificates", text, why=_WHY, fix=fix)
    left = certificate.expires_at - now
    text = f"{certificate.whose} is valid until {certificate.expires_at:%Y-%m-%d}"
    fix = "Replace it; nodes read it at their start, so restart them one by one."
    if left <= timedelta():
        return failure("certificates", f"{text}: it has expired.", why=_WHY, fix=fix)
    if left < SOON:
        return warning("certificates", f"{text}: {left.days} days are left.", why=_WHY, fix=fix)
    return ok("certificates", f"{text} ({left.days} days).")
