"""Judging the node's own identity in Azure: who that is, and how long what proves it still lasts."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok
from holdfast.ports.inspection import IdentityFacts
from holdfast.service.doctor.certificates import validity_finding

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
    if facts.certificate is None:
        return
    found = validity_finding(facts.certificate, now, _CHECK, why=_WHY, renew=_RENEW)
    if found is not None:
        yield found


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
