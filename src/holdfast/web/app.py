"""The ASGI application, put together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import BaseRoute, Mount, Route, Router

from holdfast.auth.assertions import Assertions
from holdfast.auth.bearers import Bearers
from holdfast.auth.limiter import GuessLimits
from holdfast.keyvault_wire.arm_routes import is_of_arm
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.service.manager import SecretsService
from holdfast.web.admission import Admission
from holdfast.web.arm import ResourceManager
from holdfast.web.endpoint import Endpoint, Handler
from holdfast.web.exchange import ASGIApp, Scope, Send
from holdfast.web.health import Backends, Health
from holdfast.web.hot import HotReads
from holdfast.web.identity import Identity
from holdfast.web.identity_endpoint import PREFIX, IdentityEndpoint
from holdfast.web.identity_endpoint import refuse as refuse_identity
from holdfast.web.keyvault import KeyVaultApi, VaultFacts
from holdfast.web.limits import Receive
from holdfast.web.metrics import Metrics
from holdfast.web.oauth import OAuthServer
from holdfast.web.oauth_errors import nothing_there
from holdfast.web.oauth_errors import refuse as refuse_in_oauth
from holdfast.web.rates import Rates
from holdfast.web.tenants import TENANT, Discovery, is_of_tenants
from holdfast.web.v1 import docs
from holdfast.web.v1.api import V1Api
from holdfast.web.v1.cursors import Cursors
from holdfast.web.v1.description import describe
from holdfast.web.v1.problems import refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the application is made of. ``authority``: where the challenge sends clients; None: to this server."""

    secrets: SecretsService
    backends: Backends
    bearers: Bearers
    assertions: Assertions
    limits: GuessLimits
    skip_tokens: SkipTokens
    cursors: Cursors
    rates: Rates
    facts: VaultFacts
    authority: str | None = None
    metrics: Metrics | None = None
    check_alive: Callable[[], None] = lambda: None


def create_app(parts: Parts) -> ASGIApp:
    """Return the whole server as one ASGI application."""
    each = surfaces(parts)
    return HotReads(each.vault, create_router(parts, each))


@dataclass(frozen=True, slots=True)
class Surfaces:
    """What needs a login: Key Vault's API, our own, and a resource manager."""

    vault: KeyVaultApi
    own: V1Api
    manager: ResourceManager


def surfaces(parts: Parts) -> Surfaces:
    """Return all of them, behind one admission."""
    admission = Admission(Identity(parts.bearers, parts.authority), parts.rates)
    return Surfaces(
        KeyVaultApi(parts.secrets, admission, parts.facts, parts.skip_tokens),
        V1Api(parts.secrets, admission, parts.cursors),
        ResourceManager(parts.secrets, admission, parts.bearers.clients, parts.facts),
    )


def create_router(parts: Parts, each: Surfaces) -> ASGIApp:
    """Return the application without its fast lane."""
    vault, ours = Endpoint(each.vault.handle, each.vault.refuse), Endpoint(each.own.handle, each.own.refuse)
    manager = Endpoint(each.manager.handle, each.manager.refuse)
    of_tenants = Endpoint(nothing_there, refuse_in_oauth)

    async def operations(scope: Scope, receive: Receive, send: Send) -> None:
        # By the path as it was sent: what it decodes to may hold line ends, at which the router's patterns stop.
        if scope["raw_path"].startswith(b"/v1/"):
            await ours(scope, receive, send)
        elif is_of_arm(scope["raw_path"]):
            await manager(scope, receive, send)
        else:
            await (of_tenants if is_of_tenants(scope["path"]) else vault)(scope, receive, send)

    # The mount takes wrong methods on the paths above it as well; the default takes ``OPTIONS *``, which is no path.
    routes = [*_health(parts), *_oauth(parts), *_description(), Mount("/", operations)]
    return Router(routes, redirect_slashes=False, default=operations)


def _health(parts: Parts) -> list[BaseRoute]:
    health = Health(parts.backends, parts.check_alive)
    metrics = [Route("/metrics", Endpoint(parts.metrics.scrape), methods=["GET"])] if parts.metrics else []
    return [
        *metrics,
        Route("/healthz", Endpoint(health.alive), methods=["GET"]),
        Route("/readyz", Endpoint(health.ready), methods=["GET"]),
    ]


class _Tenant(StringConvertor):
    """The first segment of a path, where it stands for a tenant."""

    regex = TENANT


register_url_convertor("tenant", _Tenant())


def _oauth(parts: Parts) -> list[BaseRoute]:
    server, discovery = (
        OAuthServer(parts.bearers.clients, parts.limits, parts.assertions),
        Discovery(parts.bearers.clients),
    )
    asked = {"oauth2/token": server.first, "oauth2/v2.0/token": server.second}
    told = {
        ".well-known/openid-configuration": discovery.first,
        "v2.0/.well-known/openid-configuration": discovery.second,
        "discovery/keys": discovery.keys,
        "discovery/v2.0/keys": discovery.keys,
    }
    identity = Endpoint(IdentityEndpoint(server).token, refuse_identity)
    return [
        Route(f"{PREFIX}{{rest:path}}", identity),
        *_of_tenants(asked, "POST"),
        *_of_tenants(told, "GET"),
    ]


def _of_tenants(handlers: Mapping[str, Handler], method: str) -> list[BaseRoute]:
    return [
        Route(f"/{{tenant:tenant}}/{path}", Endpoint(handler, refuse_in_oauth), methods=[method])
        for path, handler in handlers.items()
    ]


def _description() -> list[BaseRoute]:
    return [
        Route("/v1/openapi.json", Endpoint(describe, refuse), methods=["GET"]),
        Route("/v1/docs", Endpoint(docs.page, refuse), methods=["GET"]),
        Route("/v1/docs/{file}", Endpoint(docs.part, refuse), methods=["GET"]),
    ]
