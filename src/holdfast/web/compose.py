"""The server of a service: everything it needs, from the settings and the key ring."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, cast

from holdfast.auth.assertions import Assertions
from holdfast.auth.bearers import Bearers
from holdfast.auth.clients import ClientTokens
from holdfast.auth.keptkeys import KeptKeys
from holdfast.auth.limiter import GuessLimits
from holdfast.auth.oidc import Issuers
from holdfast.auth.resource import Audience
from holdfast.bootstrap.datafolder import ISSUERS
from holdfast.bootstrap.tls import certified_names
from holdfast.config import Settings
from holdfast.config.issuers import authority_of, load_issuers
from holdfast.crypto.tokens import TokenSigner
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.ports import BackendHealth
from holdfast.resilience.clock import SystemClock
from holdfast.service.manager import SecretsService
from holdfast.web.app import Parts, create_app
from holdfast.web.draining import Drain
from holdfast.web.exchange import ASGIApp
from holdfast.web.keyvault import VaultFacts
from holdfast.web.metrics import Metrics
from holdfast.web.rates import Rates
from holdfast.web.traced import TracedApp
from holdfast.web.v1.cursors import Cursors

if TYPE_CHECKING:
    from holdfast.crypto.keyring import KeyRing


def create_server_app(service: SecretsService, settings: Settings, drain: Drain | None = None) -> ASGIApp:
    """Return the server's ASGI application over a service that has been initialised.

    It is not ready once ``drain`` has begun.

    Raises:
        StartupError: the service is not running.
    """
    app = create_app(server_parts(service, settings, drain or Drain()))
    return app if service.tracing is None else TracedApp(app, service.tracing)


def server_parts(service: SecretsService, settings: Settings, drain: Drain) -> Parts:
    """Return what such an application is made of."""

    def backends() -> Sequence[BackendHealth]:
        drain.check()
        service.check_ready()
        return service.backends()

    # The very ring that the service seals with: which of its keys signs changes while it runs.
    ring, clock = cast("KeyRing", service.ring), ServiceClock(service)
    signer, audience = TokenSigner(ring, clock.now), Audience(settings.resource, certified_names(settings))
    clients = ClientTokens(service, signer, audience, service.tenant, clock, tenant_name=settings.tenant_name)
    limits = GuessLimits(clock.monotonic)
    kept = KeptKeys(settings.data_dir / ISSUERS)
    trusted = load_issuers(settings.oidc_issuers) if settings.oidc_issuers else ()
    issuers = Issuers(trusted, clock, kept=kept) if trusted else None
    return Parts(
        secrets=service,
        backends=backends,
        check_alive=service.check_alive,
        bearers=Bearers(clients, service, limits, issuers),
        authority=authority_of(settings.challenge, trusted),
        assertions=Assertions(clients, service, issuers, clock),
        limits=limits,
        skip_tokens=SkipTokens(lambda: ring.subkeys("skip-token")),
        cursors=Cursors(lambda: ring.subkeys("v1-cursor")),
        rates=Rates(settings.rate_limit, settings.rate_burst, clock.monotonic),
        facts=VaultFacts(settings.retention_days, settings.purge_protection),
        metrics=Metrics(service.metrics, settings.metrics_token) if settings.metrics_token else None,
    )


class ServiceClock(SystemClock):
    """What tokens are checked by: PostgreSQL's clock, so that no node is late or early by itself."""

    def __init__(self, service: SecretsService) -> None:
        self._service = service

    def now(self) -> datetime:
        """The present moment in UTC."""
        return self._service.now()
