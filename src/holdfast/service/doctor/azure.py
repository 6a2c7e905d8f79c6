"""Judging the node's own identity in Azure: who that is, and how long what proves it still lasts."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import IdentityFacts
from holdfast.service.doctor.certificates import SOON

_CHECK: Final = "azure"
_WHY: Final = "Without a token nothing of Azure lets this node in: the mirror answers reads, and changes wait."
_RENEW: Final = (
    "Have a new one made, register it without its key (az ad app credential reset --id CLIENT --cert @FILE --append), "
    "then replace the file; no node needs a restart for it."
)
_FRESH: Final = (
    "See why its platform does not renew it: on AKS the kubelet keeps the projected volume fresh, by the clock of its "
    "machine."
)


def identity_findings(facts: IdentityFacts, now: datetime) -> list[Finding]:
    """Judge it; nothing was asked of Entra ID."""
    if facts.fault:
        return [failure(_CHECK, facts.fault, why=_WHY, fix="Set it right; docs/azure.md has a recipe for each place.")]
    place = f", at {facts.authority}" if facts.authority else ""
    shown = ok(_CHECK, f"Tokens are asked for as {facts.whom}{place}.")
    return [shown, *_certificate(facts, now), *_token(facts, now)]


def _certificate(facts: IdentityFacts, now: datetime) -> Iterator[Finding]:
    found = facts.certificate
    if found is None or found.starts_at is None or found.expires_at is None:
        return
    text = f"{found.whose} is valid until {found.expires_at:%Y-%m-%d}"
    left = found.expires_at - now
    if found.starts_at > now:
        text = f"{found.whose} is valid only from {found.starts_at:%Y-%m-%d %H:%M} UTC."
        yield failure(_CHECK, text, why=_WHY, fix="Look at the clock of this machine first; else have a new one made.")
    elif left <= timedelta():
        yield failure(_CHECK, f"{text}: it has expired.", why=_WHY, fix=_RENEW)
    elif left < SOON:
        yield warning(_CHECK, f"{text}: {left.days} days are left.", why=_WHY, fix=_RENEW)
    else:
        yield ok(_CHECK, f"{text} ({left.days} days).")


def _token(facts: IdentityFacts, now: datetime) -> Iterator[Finding]:
    found = facts.federated
    if found is None:
        return
    text = f"The federated token is of the issuer {found.issuer}, with subject {found.subject} and audience "
    text += found.audience
    if found.expires_at is not None and found.expires_at <= now:
        ended = f"{text}; it expired at {found.expires_at:%Y-%m-%d %H:%M} UTC."
        yield failure(_CHECK, ended, why=_WHY, fix=_FRESH)
    else:
        yield ok(_CHECK, f"{text}: the client's federated credential has to name these three.")
