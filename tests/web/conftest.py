"""Servers for the tests of the border."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from holdfast.auth.assertions import Assertions
from holdfast.auth.bearers import Bearers
from holdfast.auth.clients import ClientTokens
from holdfast.auth.limiter import GuessLimits
from holdfast.auth.resource import Audience
from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from holdfast.crypto.keyring import KeyRing, RingKey, generate_key
from holdfast.crypto.tokens import TokenSigner
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.web.app import Parts, create_app
from holdfast.web.keyvault import VaultFacts
from holdfast.web.rates import Rates
from holdfast.web.v1.cursors import Cursors
from tests.support.clock import VirtualClock
from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.installation import Installation, installed
from tests.support.postgres import fresh_database
from tests.support.server import running
from tests.support.stubs import Failing, NoIdentities, OneClient

TENANT = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"
SECRET = "the-right-secret"


@dataclass
class Stubbed:
    """A server over stubs: ``service`` answers what the test wants, ``client`` is logged in."""

    service: Failing
    clients: OneClient
    clock: VirtualClock
    tokens: ClientTokens
    signer: TokenSigner
    parts: Parts
    anonymous: Client
    client: Client


@pytest.fixture(scope="session")
def certificate() -> Iterator[ServerCertificate]:
    """A certificate for loopback."""
    with short_folder() as folder:
        yield ensure_server_certificate(folder / "tls", ["v.kv.example"], now=datetime.now(UTC))


@pytest.fixture(scope="session")
async def stubbed_server(certificate: ServerCertificate) -> AsyncIterator[Stubbed]:
    """One server for all tests that need no real secrets."""
    clock, service, clients = VirtualClock(), Failing(), OneClient(SECRET)
    signer = TokenSigner(KeyRing(RingKey(bytes(32))), clock.now)
    tokens = ClientTokens(clients, signer, Audience("https://kv.example"), TENANT, clock)

    limits = GuessLimits(clock.monotonic)

    def backends() -> Any:
        raise service.error or AssertionError

    parts = Parts(
        secrets=cast("Any", service),
        backends=backends,
        bearers=Bearers(tokens, NoIdentities(), limits),
        assertions=Assertions(tokens, clients, None, clock),
        limits=limits,
        skip_tokens=SkipTokens(lambda: [bytes(32)]),
        cursors=Cursors(lambda: [bytes(32)]),
        rates=Rates(1_000_000, 1_000_000, clock.monotonic),
        facts=VaultFacts(retention_days=90, purge_protection=False),
    )
    async with running(create_app(parts), certificate) as port:
        anonymous = Client(port, certificate.ca_file)
        yield Stubbed(service, clients, clock, tokens, signer, parts, anonymous, anonymous)


@pytest.fixture
async def stubbed(stubbed_server: Stubbed) -> Stubbed:
    """That server, with a fresh login."""
    stubbed_server.service.error = None
    stubbed_server.clients.active = True
    anonymous = stubbed_server.anonymous
    resource = f"https://{anonymous.authority}"
    issued = await stubbed_server.tokens.issue("app", SECRET, resource, anonymous.authority)
    stubbed_server.client = Client(anonymous.port, anonymous.ca_file, issued.token)
    return stubbed_server


@pytest.fixture(scope="session")
async def installation(
    postgres_server: EmbeddedPostgres, certificate: ServerCertificate
) -> AsyncIterator[Installation]:
    """One standalone Holdfast for all tests of the border; each test uses names of its own, or clears them away."""
    with short_folder() as folder:
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(database_url=dsn, encryption_key=generate_key(), data_dir=folder)
            async with installed(settings, certificate) as running_one:
                yield running_one


@pytest.fixture(scope="session")
async def vault(installation: Installation) -> Client:
    """A client that may do everything."""
    return await installation.client("app", await installation.register("app"))
