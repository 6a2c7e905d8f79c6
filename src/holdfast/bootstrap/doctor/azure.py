"""The node's own identity in Azure, as it lies on this machine."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

from holdfast.config import AzureSettings, Draft, Identity, Settings
from holdfast.config.passwordless import ENTRA
from holdfast.domain.diagnosis import Finding
from holdfast.errors import ConfigurationError
from holdfast.ports.inspection import CertificateFacts, FederatedFacts, IdentityFacts
from holdfast.service.doctor.azure import identity_findings
from holdfast.service.doctor.local import not_looked_at
from holdfast.stores.keyvault.claims import claims_of
from holdfast.stores.keyvault.login import assertion_of, certificate_of, check, whom

IDENTITY_VARIABLES: Final = tuple(each.metadata["variable"].name for each in fields(AzureSettings))

_PUBLIC: Final = "login.microsoftonline.com"
_ELSEWHERE: Final = {Identity.MANAGED, Identity.DEVELOPER}
"""Whose tokens another asks for: the machine, or the tool."""


async def look_at_identity(draft: Draft) -> Sequence[Finding]:
    """Return what is found of it; nothing where nothing of Azure is set up."""
    settings = draft.settings
    unusable = sorted(draft.unusable.intersection(IDENTITY_VARIABLES))
    if unusable:
        return not_looked_at("azure", unusable)
    if not _is_used(settings):
        return []
    return identity_findings(_facts(settings), datetime.now(UTC))


def _is_used(settings: Settings) -> bool:
    given = settings.azure_identity is not None or settings.identity is not Identity.MANAGED
    return given or settings.vault_url is not None or ENTRA in {settings.database_login, settings.redis_login}


def _facts(login: Settings) -> IdentityFacts:
    try:
        check(login)
        certificate = _certificate(login) if login.identity is Identity.CERTIFICATE else None
        federated = _federated(login) if login.identity is Identity.FEDERATED else None
    except ConfigurationError as error:
        return IdentityFacts(fault=" ".join(error.faults))
    host = (login.authority_host or _PUBLIC).removeprefix("https://")
    authority = "" if login.identity in _ELSEWHERE else host
    return IdentityFacts(whom=whom(login), authority=authority, certificate=certificate, federated=federated)


def _certificate(login: AzureSettings) -> CertificateFacts:
    _, found = certificate_of(login)
    whose = f"The client's certificate ({login.client_certificate}, thumbprint {found.thumbprint})"
    return CertificateFacts(whose=whose, starts_at=found.starts_at, expires_at=found.expires_at)


def _federated(login: AzureSettings) -> FederatedFacts:
    claims = claims_of(assertion_of(login))
    return FederatedFacts(
        issuer=claims.issuer, subject=claims.subject, audience=claims.audience, expires_at=claims.expires_at
    )
