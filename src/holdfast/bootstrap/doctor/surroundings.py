"""What Key Vault and Redis tell."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Final

from holdfast.auth.fetching import fetch_json
from holdfast.bootstrap.doctor.azure import IDENTITY_VARIABLES, look_at_identity
from holdfast.bootstrap.doctor.local import facts
from holdfast.bootstrap.passwordless import redis_login
from holdfast.bootstrap.vault import access_of, open_vault
from holdfast.cache.inspection import look_at as look_at_redis
from holdfast.config import Draft
from holdfast.config.issuers import IssuerSettings, load_issuers
from holdfast.crypto.validity import validity_of_der
from holdfast.domain.diagnosis import Finding, ok, skipped
from holdfast.errors import BackendUnavailable, ConfigurationError, StartupError
from holdfast.ports import Vault
from holdfast.resilience.clock import SystemClock
from holdfast.service.doctor.certificates import certificate_findings
from holdfast.service.doctor.clocks import skew_finding
from holdfast.service.doctor.examination import Check
from holdfast.service.doctor.local import not_looked_at
from holdfast.service.doctor.permissions import SETTLE_S, Trial
from holdfast.service.doctor.reach import issuer_finding, reach_findings
from holdfast.service.doctor.redis import redis_findings, unreachable
from holdfast.stores.keyvault.login import check

READ_S: Final = 45.0
"""Seconds for reading trials: a token may take 30 of them."""

VAULT_VARIABLES: Final = (
    *("AZURE_KEYVAULT_NAME", "AZURE_KEYVAULT_URL", "HOLDFAST_KEYVAULT_CA"),
    *("HOLDFAST_KEYVAULT_PROXY", "HOLDFAST_KEYVAULT_API_VERSION"),
    *IDENTITY_VARIABLES,
)
"""What has to be usable for anything to be asked of Key Vault."""


class Surroundings:
    """The checks on what is reached over the network. ``write``: try what changes something, too."""

    def __init__(self, draft: Draft, *, write: bool) -> None:
        self._draft, self._settings, self._write = draft, draft.settings, write

    def checks(self) -> list[Check]:
        """All of them."""
        patience_s = READ_S + (4 * SETTLE_S if self._write else 0.0)
        return [
            Check(name="issuers", look=self._issuers),
            Check(name="redis", look=self._redis),
            Check(name="azure", look=lambda: look_at_identity(self._draft)),
            Check(name="keyvault", look=self._vault, patience_s=patience_s),
        ]

    async def _issuers(self) -> Sequence[Finding]:
        try:
            issuers = load_issuers(self._settings.oidc_issuers) if self._settings.oidc_issuers is not None else ()
        except ConfigurationError:
            return not_looked_at("issuers", ["HOLDFAST_OIDC_ISSUERS"])
        return await asyncio.gather(*map(_issuer, issuers))

    async def _redis(self) -> Sequence[Finding]:
        url = self._settings.redis_url
        unusable = sorted(self._draft.unusable.intersection(("REDIS_URL", "HOLDFAST_REDIS_LOGIN")))
        if unusable:
            return not_looked_at("redis", unusable)
        if url is None:
            return [ok("redis", "Not configured: each node caches for itself.")]
        try:
            return redis_findings(await look_at_redis(url, login=redis_login(self._settings)))
        except (BackendUnavailable, ConfigurationError, StartupError) as error:
            return unreachable(str(error))

    async def _vault(self) -> Sequence[Finding]:
        unusable = sorted(self._draft.unusable.intersection(VAULT_VARIABLES))
        if unusable:
            return not_looked_at("keyvault", unusable)
        url = self._settings.vault_url
        if url is None:
            return [ok("keyvault", "Not configured: this installation stands alone.")]
        try:
            check(self._settings)
        except ConfigurationError:
            return [skipped("keyvault", "Not looked at: the identity is at fault, see azure.")]
        async with aclosing(open_vault(self._settings)) as vault:
            return await self._on_the_way_to(url, vault)

    async def _on_the_way_to(self, url: str, vault: Vault) -> Sequence[Finding]:
        from holdfast.stores.keyvault.inspection import look_at  # noqa: PLC0415 - the extra is optional

        reach, der = await look_at(url, access_of(self._settings))
        found = reach_findings("keyvault", url, reach)
        if reach.kind:
            return found
        now = datetime.now(UTC)
        if der is not None:
            found += certificate_findings([facts(f"The certificate of {url}", validity_of_der(der))], now)
        if reach.date and reach.asked_at and reach.answered_at:
            middle = reach.asked_at + (reach.answered_at - reach.asked_at) / 2
            spread = (reach.answered_at - reach.asked_at) / 2 + timedelta(seconds=1)
            found.append(skew_finding("Key Vault", reach.date, "this machine", middle, resolution=spread))
        trial = Trial(vault, SystemClock())
        await trial.read()
        if self._write:
            await trial.write()
        return [*found, *trial.findings]


async def _issuer(issuer: IssuerSettings) -> Finding:
    address = issuer.jwks_uri or f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration"
    fault = ""
    try:
        await fetch_json(address, issuer.ca_file, issuer.bearer_token_file)
    except BackendUnavailable as error:
        fault = str(error)
    return issuer_finding(issuer.name, address, fault)
