"""The ASGI application, put together."""

from dataclasses import dataclass

from starlette.routing import BaseRoute, Mount, Route, Router

from holdfast.auth.clients import ClientTokens
from holdfast.auth.limiter import FailureLimiter
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.ports import Clock
from holdfast.web import oauth
from holdfast.web.endpoint import Endpoint
from holdfast.web.exchange import ASGIApp
from holdfast.web.facade import Secrets
from holdfast.web.health import Backends, Health
from holdfast.web.hot import HotReads
from holdfast.web.identity import Identity
from holdfast.web.keyvault import KeyVaultApi, VaultFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of."""

    secrets: Secrets
    backends: Backends
    tokens: ClientTokens
    skip_tokens: SkipTokens
    facts: VaultFacts
    clock: Clock


def create_app(parts: Parts) -> ASGIApp:
    """Return the whole server as one ASGI application."""
    api = KeyVaultApi(parts.secrets, Identity(parts.tokens), parts.facts, parts.skip_tokens)
    return HotReads(api, create_router(parts, api))


def create_router(parts: Parts, api: KeyVaultApi) -> ASGIApp:
    """Return the application without its fast lane."""
    secrets = Endpoint(api.handle, api.refuse)
    # The mount takes wrong methods on the paths above it as well; the default takes ``OPTIONS *``, which is no path.
    routes = [*_health(parts), *_oauth(parts), Mount("/", secrets)]
    return Router(routes, redirect_slashes=False, default=secrets)


def _health(parts: Parts) -> list[BaseRoute]:
    health = Health(parts.backends)
    return [
        Route("/healthz", Endpoint(health.alive), methods=["GET"]),
        Route("/readyz", Endpoint(health.ready), methods=["GET"]),
    ]


def _oauth(parts: Parts) -> list[BaseRoute]:
    limiter = FailureLimiter(parts.clock.monotonic)
    server = oauth.OAuthServer(parts.tokens, limiter)
    configuration, keys = Endpoint(server.configuration, oauth.refuse), Endpoint(server.keys, oauth.refuse)
    return [
        Route("/{tenant}/oauth2/v2.0/token", Endpoint(server.token, oauth.refuse), methods=["POST"]),
        Route("/{tenant}/v2.0/.well-known/openid-configuration", configuration, methods=["GET"]),
        Route("/{tenant}/discovery/v2.0/keys", keys, methods=["GET"]),
    ]
