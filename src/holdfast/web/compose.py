"""The server of a service: everything it needs, from the settings and the key ring."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid5

from holdfast.auth.clients import ClientTokens
from holdfast.auth.resource import Audience
from holdfast.bootstrap.storage import key_ring
from holdfast.config import Settings
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.tokens import TokenSigner
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.ports import BackendHealth
from holdfast.resilience.clock import SystemClock
from holdfast.service.manager import SecretsService
from holdfast.web.app import Parts, create_app
from holdfast.web.exchange import ASGIApp
from holdfast.web.keyvault import VaultFacts

_TENANTS: Final = UUID("4bf2a7a0-5d0c-4b57-9a57-0f3c1b0c7b11")
"""The namespace of tenant ids: a random constant."""


def tenant_of(ring: KeyRing) -> str:
    """Return the tenant id of all nodes that share a ring.

    It comes from the ring's last key, the oldest where new keys are put in front, so that it survives key rotation.
    """
    return str(uuid5(_TENANTS, ring.ids[-1]))


def create_server_app(service: SecretsService, settings: Settings) -> ASGIApp:
    """Return the server's ASGI application over a service, which is initialised by the time requests come in.

    Raises:
        ConfigurationError: no encryption key.
    """
    return create_app(server_parts(service, settings))


def server_parts(service: SecretsService, settings: Settings) -> Parts:
    """Return what such an application is made of."""

    def backends() -> Sequence[BackendHealth]:
        service.check_ready()
        return service.backends()

    ring, clock = key_ring(settings, own_database=settings.database_url is None), SystemClock()
    signer, audience = TokenSigner(ring, clock.now), Audience(settings.resource)
    return Parts(
        secrets=service,
        backends=backends,
        tokens=ClientTokens(service, signer, audience, tenant_of(ring), clock),
        skip_tokens=SkipTokens(ring.primary.subkey("skip-token")),
        facts=VaultFacts(settings.retention_days, settings.purge_protection),
        clock=clock,
    )
