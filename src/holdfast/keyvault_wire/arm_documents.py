"""What a resource manager tells of the one vault that a server is, as the JSON that Azure's own answers with.

The vault's name and the domain of all vaults come from the name that the client calls: ``my.vault.example.com`` is the
vault ``my`` of the cloud whose vaults are under ``vault.example.com``.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from holdfast.keyvault_wire.arm_routes import VAULT_TYPE, Asked, Question

GROUP: Final = "holdfast"
"""The one resource group."""

_LABEL: Final = re.compile(r"[a-z](?:[0-9a-z-]{0,61}[0-9a-z])?", re.ASCII)
_LISTS_OF_CLOUDS: Final = "2019-05-01"
_ONE_CLOUD: Final = "2022-09-01"
"""Since when the document is a list of clouds, and since when it is the one that was asked: what clients of these
versions read (cloud-provider-azure, go-azure-helpers; `az`, go-azure-sdk)."""


@dataclass(frozen=True, slots=True)
class Place:
    """The name under which a client calls the server: that of the vault, and the domain of vaults with its port."""

    vault: str
    domain: str

    @property
    def origin(self) -> str:
        """The address of all of it: logins, resource manager and vault."""
        return f"https://{self.vault}.{self.domain}"


def place_of(host: str) -> Place | None:
    """Return the place that a canonical host is; None for an address, or a name without a domain."""
    vault, _, domain = host.partition(".")
    return Place(vault, domain) if domain and _LABEL.fullmatch(vault) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """One server as a cloud of its own. ``resource``: the audience of its tokens. ``tenant``: its GUID."""

    place: Place
    resource: str
    tenant: str
    retention_days: int
    purge_protection: bool

    def answer(self, asked: Asked) -> Any:
        """Return the document that answers a question; None: what it is about is not here."""
        if not self._has(asked):
            return None
        match asked.question:
            case Question.ENDPOINTS:
                return self._endpoints(asked.api_version)
            case Question.SUBSCRIPTION:
                return self._subscription()
            case Question.VAULT:
                return self._vault()
            case _:
                return {"value": self._listed(asked)}

    def _listed(self, asked: Asked) -> list[dict[str, Any]]:
        if asked.question is Question.TENANTS:
            return [{"id": f"/tenants/{self.tenant}", "tenantId": self.tenant, "displayName": "Holdfast"}]
        if asked.question is Question.SUBSCRIPTIONS:
            return [self._subscription()]
        return [self._vault()] if self._is_wanted(asked) else []

    def _has(self, asked: Asked) -> bool:
        """Whether subscription, group and vault of a question are the ones there are."""
        named = [(asked.subscription, self.tenant), (asked.group, GROUP)]
        if asked.question is Question.VAULT:
            named.append((asked.vault, self.place.vault))
        return all(given is None or given == there for given, there in named)

    def _is_wanted(self, asked: Asked) -> bool:
        return asked.vault in (None, self.place.vault) and asked.kind in (None, VAULT_TYPE.lower())

    def _endpoints(self, api_version: str) -> Any:
        origin = self.place.origin
        if api_version < _LISTS_OF_CLOUDS:
            endpoints = {"galleryEndpoint": origin, "graphEndpoint": self.resource, "portalEndpoint": origin}
            return {**endpoints, "authentication": {"loginEndpoint": origin, "audiences": [self.resource]}}
        document = {
            "name": "Holdfast",
            "portal": origin,
            "authentication": {
                "loginEndpoint": origin,
                "audiences": [self.resource],
                "tenant": "common",
                "identityProvider": "AAD",
            },
            "graph": self.resource,
            "graphAudience": self.resource,
            "microsoftGraphResourceId": self.resource,
            "resourceManager": origin,
            "suffixes": {"keyVaultDns": self.place.domain},
        }
        return document if api_version >= _ONE_CLOUD else [document]

    def _subscription(self) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{self.tenant}",
            "subscriptionId": self.tenant,
            "tenantId": self.tenant,
            "displayName": "Holdfast",
            "state": "Enabled",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
        }

    def _vault(self) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "tenantId": self.tenant,
            "sku": {"family": "A", "name": "standard"},
            "accessPolicies": [],
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
            "softDeleteRetentionInDays": self.retention_days,
            "vaultUri": f"{self.place.origin}/",
            "provisioningState": "Succeeded",
        }
        if self.purge_protection:  # Azure's own never says false
            properties["enablePurgeProtection"] = True
        return {
            "id": f"/subscriptions/{self.tenant}/resourceGroups/{GROUP}/providers/{VAULT_TYPE}/{self.place.vault}",
            "name": self.place.vault,
            "type": VAULT_TYPE,
            "location": "global",
            "tags": {},
            "properties": properties,
        }
