"""Tokens of the node's own identity in the place of passwords: PostgreSQL and Redis, both real, both behind TLS."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import redis

from holdfast.bootstrap.passwordless import database_scope
from holdfast.cache.logins import AHEAD_S, Login
from holdfast.cache.redis import RedisCache
from holdfast.config import Settings
from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable, ConfigurationError, StartupDelayed, StartupError
from holdfast.ports import CacheEntry
from tests.cli.runner import holdfast
from tests.support.https import Client
from tests.support.node import service_on, within
from tests.support.postgres import execute
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault
from tests.support.serving import serving
from tests.support.tls_ports import tls_before

NAME, ENTRY, TTL = SecretName("db"), CacheEntry(revision=1, sealed=b"sealed"), timedelta(seconds=60)
PATIENT = timedelta(seconds=5)


def issued(number: int, **claims: str) -> str:
    """A token in the shape of Entra's."""
    parts = ({"alg": "none"}, {"oid": "app-oid", **claims}, {"number": number})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


class Authority(ScriptedVault):
    """A token endpoint whose next token a test chooses, and says for how long it is good."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.token_lifetime_s = issued(1), 3600

    def new_token(self) -> dict[str, Any]:
        """The token that is chosen."""
        return {"token_type": "Bearer", "expires_in": self.token_lifetime_s, "access_token": self.token}

    @property
    def identity(self) -> dict[str, Any]:
        """The settings of the node's identity there, without a vault."""
        return {
            "tenant_id": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authority_host": self.url,
            "keyvault_ca": self.ca_file,
        }


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    async with Authority() as made:
        yield made


# --- PostgreSQL


@pytest.fixture
async def entra_database(database_url: str, tmp_path: Path, authority: Authority) -> AsyncIterator[str]:
    """The address of a database whose owner, ``node@tenant``, has the token for a password."""
    url = urlsplit(database_url)
    socket = f"{parse_qs(url.query)['host'][0]}/.s.PGSQL.5432"
    await execute(
        database_url,
        f"CREATE ROLE \"node@tenant\" LOGIN PASSWORD '{authority.token}'",
        f'ALTER DATABASE {url.path[1:]} OWNER TO "node@tenant"',
        "DROP SCHEMA public CASCADE",
        'CREATE SCHEMA public AUTHORIZATION "node@tenant"',
    )
    try:
        async with tls_before(socket, tmp_path / "postgresql", asked=True) as (port, ca):
            yield f"postgresql://node%40tenant@127.0.0.1:{port}{url.path}?sslrootcert={quote(str(ca))}"
    finally:
        await execute(database_url, 'REASSIGN OWNED BY "node@tenant" TO CURRENT_USER', 'DROP ROLE "node@tenant"')


async def test_each_new_connection_brings_the_token_of_its_time(
    entra_database: str, database_url: str, authority: Authority, tmp_path: Path
) -> None:
    authority.token_lifetime_s = 1  # what has ended, the SDK asks for again
    async with service_on(entra_database, tmp_path, database_login="entra", **authority.identity) as service:
        await service.set_secret("k", "v")
        await execute(
            database_url,
            f"ALTER ROLE \"node@tenant\" PASSWORD '{issued(2)}'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node@tenant'",
        )
        with pytest.raises(BackendUnavailable):
            await service.set_secret("k", "w")
        authority.token = issued(2)

        async def written() -> bool:
            try:
                await service.set_secret("k", "w")
            except BackendUnavailable:
                await asyncio.sleep(0.05)
                return False
            return True

        await within(20, written)
        assert (await service.get_secret("k")).value == "w"


async def test_a_token_is_asked_for_once_while_it_is_good(
    entra_database: str, authority: Authority, tmp_path: Path
) -> None:
    async with service_on(entra_database, tmp_path, database_login="entra", **authority.identity) as service:
        await asyncio.gather(*(service.set_secret(f"k-{number}", "v") for number in range(8)))
    assert authority.calls["token"] == 1


async def test_a_server_that_no_one_vouches_for_gets_no_token(
    entra_database: str, authority: Authority, tmp_path: Path
) -> None:
    bare = entra_database.partition("?")[0]
    for address in (bare, f"{bare}?sslmode=require", f"{bare}?sslmode=disable", f"{bare}?ssl=true", "postgresql:///db"):
        with pytest.raises(StartupError) as refusal:
            await service_on(address, tmp_path, database_login="entra", **authority.identity).initialize()
        assert not isinstance(refusal.value, StartupDelayed)
    local = "postgresql://node@/db?host=/tmp"
    with pytest.raises(StartupError, match="nothing proves who is behind a socket"):
        await service_on(local, tmp_path, database_login="entra", **authority.identity).initialize()


@pytest.mark.parametrize(("status", "delayed"), [(401, False), (503, True)])
async def test_an_endpoint_that_gives_no_token_is_named(
    status: int, delayed: bool, entra_database: str, authority: Authority, tmp_path: Path
) -> None:
    body = json.dumps({"error": "invalid_client", "error_codes": [7000222]}).encode()
    authority.fail("token", status=status, body=body)
    with pytest.raises(StartupError, match="cannot be reached: The token endpoint gave no token") as refusal:
        await service_on(entra_database, tmp_path, database_login="entra", **authority.identity).initialize()
    assert isinstance(refusal.value, StartupDelayed) == delayed
    assert authority.token not in str(refusal.value)


async def test_the_doctor_says_how_it_logs_in(entra_database: str, authority: Authority, tmp_path: Path) -> None:
    async with service_on(entra_database, tmp_path, database_login="entra", **authority.identity) as service:
        diagnosis = await service.doctor.diagnose()
    told = " ".join(finding.found for finding in diagnosis.findings if finding.check == "postgresql")
    assert "a token of Microsoft Entra ID" in told


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        (None, "windows.net"),
        ("https://login.microsoftonline.us", "usgovcloudapi.net"),
        ("login.chinacloudapi.cn", "chinacloudapi.cn"),
        ("https://login.partner.microsoftonline.cn/", "chinacloudapi.cn"),
        ("https://login.example:8443", "windows.net"),
    ],
)
def test_each_cloud_has_its_own_scope(host: str | None, domain: str) -> None:
    assert database_scope(host) == f"https://ossrdbms-aad.database.{domain}/.default"


def test_what_contradicts_a_token_is_refused_by_name(tmp_path: Path) -> None:
    for more, match in (
        ({"database_url": "postgresql://me:hidden@db/x", "database_login": "entra"}, "DATABASE_URL has a password"),
        ({"database_url": "postgresql://me@db/x?password=hidden", "database_login": "entra"}, "has a password"),
        ({"database_login": "entra"}, "there is no DATABASE_URL"),
        ({"redis_url": "rediss://:hidden@r", "redis_login": "entra"}, "REDIS_URL has a password"),
        ({"redis_url": "redis://r", "redis_login": "entra"}, "rediss:// only"),
        ({"redis_login": "entra"}, "there is no REDIS_URL"),
    ):
        with pytest.raises(ConfigurationError, match=match) as refusal:
            Settings(data_dir=tmp_path, **more)  # type: ignore[arg-type]
        assert "hidden" not in str(refusal.value)
    environ = {"HOME": str(tmp_path), "HOLDFAST_REDIS_LOGIN": "entra", "REDIS_URL": "redis://r"}
    assert "rediss:// only" in holdfast("list", environ=environ).stderr


# --- Redis


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class Endless:
    """Gives out tokens that live for an hour."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.given: list[str] = []
        self.fails = False

    async def ask(self) -> Any:
        if self.fails:
            raise BackendUnavailable("The token endpoint gave no token for Redis: it answered 503.")
        self.given.append(issued(len(self.given) + 1))

        class Given:
            token, expires_on = self.given[-1], int(self._clock.now) + 3600

        return Given()

    async def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def redis_with_users(redis_url: str, folder: Path) -> AsyncIterator[tuple[redis.Redis, int, Path]]:
    socket = redis_url.partition("@")[2].partition("?")[0]
    with redis.Redis.from_url(redis_url) as operator:
        try:
            async with tls_before(socket, folder / "redis", asked=False) as (port, ca):
                yield operator, port, ca
        finally:
            operator.acl_deluser("app-oid")


def admit(operator: redis.Redis, token: str) -> None:
    operator.acl_setuser(
        "app-oid", enabled=True, reset_passwords=True, passwords=[f"+{token}"], keys=["*"], categories=["+@all"]
    )


async def test_redis_is_logged_in_at_by_the_object_id_and_again_before_the_token_ends(
    redis_url: str, tmp_path: Path
) -> None:
    clock = Clock()
    endpoint = Endless(clock)
    async with redis_with_users(redis_url, tmp_path) as (operator, port, ca):
        admit(operator, issued(1))
        login = Login(endpoint.ask, endpoint.close, now=clock)
        url = f"rediss://127.0.0.1:{port}/0"
        cache = RedisCache(url, namespace="test", max_ttl=TTL, ca_file=ca, login=login, timeout=PATIENT)
        await cache.put(NAME, ENTRY, TTL)
        assert await cache.get(NAME) == ENTRY
        assert operator.acl_whoami() == "default"
        first = {each["id"] for each in operator.client_list() if each["user"] == "app-oid"}
        assert len(first) == 1

        clock.now += 3600 - AHEAD_S + 1
        admit(operator, issued(2))
        assert await cache.get(NAME) == ENTRY  # asks for a new one, behind the answer

        async def renewed() -> bool:
            await asyncio.sleep(0.01)
            assert await cache.get(NAME) == ENTRY
            return not first & {each["id"] for each in operator.client_list() if each["user"] == "app-oid"}

        await within(10, renewed)
        assert endpoint.given == [issued(1), issued(2)]
        assert cache.healthy()
        await cache.aclose()


async def test_an_endpoint_that_is_down_costs_nothing_while_the_token_holds(redis_url: str, tmp_path: Path) -> None:
    clock = Clock()
    endpoint = Endless(clock)
    async with redis_with_users(redis_url, tmp_path) as (operator, port, ca):
        admit(operator, issued(1))
        login = Login(endpoint.ask, endpoint.close, now=clock)
        url = f"rediss://127.0.0.1:{port}/0"
        cache = RedisCache(url, namespace="test", max_ttl=TTL, ca_file=ca, login=login, timeout=PATIENT)
        await cache.put(NAME, ENTRY, TTL)
        endpoint.fails = True
        clock.now += 3600 - 10
        for _ in range(3):
            assert await cache.get(NAME) == ENTRY
            await asyncio.sleep(0)
        assert cache.healthy()
        await cache.aclose()


async def test_a_node_logs_in_at_both(
    entra_database: str, redis_url: str, authority: Authority, tmp_path: Path
) -> None:
    async with redis_with_users(redis_url, tmp_path) as (operator, port, ca):
        admit(operator, authority.token)
        before = set(operator.keys())
        url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca}"
        more = {"redis_url": url, "redis_login": "entra", "database_login": "entra", **authority.identity}
        async with service_on(entra_database, tmp_path, **more) as service:

            async def arrived() -> bool:
                await service.set_secret("k", "v")
                await asyncio.sleep(0.05)
                return bool(set(operator.keys("holdfast:*:k")) - before)

            await within(20, arrived)
            told = await service.doctor.diagnose()
        found = [each for each in told.findings if each.check == "redis"]
        assert "answers" in found[0].found
        assert not [each for each in found if "no password" in each.found or "not encrypted" in each.found]


async def test_a_process_logs_in_at_both(
    entra_database: str, redis_url: str, authority: Authority, data_folder: Path, tmp_path: Path
) -> None:
    async with redis_with_users(redis_url, tmp_path) as (operator, port, ca):
        admit(operator, authority.token)
        more = {
            "REDIS_URL": f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={ca}",
            "HOLDFAST_REDIS_LOGIN": "entra",
            "HOLDFAST_DATABASE_LOGIN": "entra",
            **{name: value for name, value in authority.environ().items() if name != "AZURE_KEYVAULT_URL"},
        }
        log = tmp_path / "log"
        async with serving(entra_database, data_folder, logs=log, **more) as server:
            assert (await Client(server.port, server.ca_file).request("GET", "/readyz")).status == 200
            assert await server.stop(signal.SIGINT) == 0
        assert authority.token not in log.read_text()


async def test_a_token_that_names_no_one_is_told() -> None:
    clock = Clock()

    class Plain:
        token, expires_on = "opaque", int(clock.now) + 3600

    async def ask() -> Any:
        return Plain()

    async def close() -> None: ...

    with pytest.raises(BackendUnavailable, match="write it as the user of REDIS_URL"):
        await Login(ask, close, now=clock).get_credentials_async()
    assert await Login(ask, close, user="a%40b", now=clock).get_credentials_async() == ("a@b", "opaque")
