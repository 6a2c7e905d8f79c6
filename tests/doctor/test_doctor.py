"""``holdfast doctor`` on real parts: with everything well, with each of them at fault, with nothing there at all."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit, urlunsplit

import click
import pytest
import redis

from holdfast.cli.doctor import _finding
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from holdfast.domain.diagnosis import failure, ok
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes
from holdfast.errors import BackendRefused, BackendUnavailable, HoldfastError, Rejected
from holdfast.ports import Vault
from holdfast.resilience.clock import SystemClock
from holdfast.service.doctor.examination import Check, examine
from holdfast.service.doctor.permissions import Trial
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.support.cable import Cable, cable_to
from tests.support.connect_proxy import PASSWORD, ConnectProxy
from tests.support.folders import mode
from tests.support.issuer import local_issuer
from tests.support.node import service_on
from tests.support.postgres import execute, fetch
from tests.support.redis import running_redis
from tests.support.scripted_vault import CLIENT_SECRET, ScriptedVault
from tests.support.world import KEY

pytestmark = pytest.mark.usefixtures("durable_server")


@dataclass
class Told:
    """What the command said, and how it ended."""

    code: int
    findings: list[dict[str, str]]
    raw: str

    def of(self, check: str, *levels: str) -> list[str]:
        """What it found, of one check; by default what is not ok."""
        wanted = levels or ("skipped", "warning", "failure")
        return [each["found"] for each in self.findings if each["check"] == check and each["level"] in wanted]

    @property
    def failures(self) -> list[str]:
        return [each["found"] for each in self.findings if each["level"] == "failure"]

    def fix(self, found: str) -> str:
        """How to mend what begins like that."""
        return next(each["fix"] for each in self.findings if each["found"].startswith(found))


Doctor = Callable[..., Any]


async def examined(environ: dict[str, str], *options: str) -> Told:
    got: Outcome = await asyncio.to_thread(holdfast, "doctor", "--json", *options, environ=environ)
    assert got.stderr == ""
    document = json.loads(got.stdout)
    assert document["healthy"] == (got.code == 0)
    return Told(got.code, document["findings"], got.stdout)


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment(database_url, tmp_path)


# --- running checks


async def test_a_check_that_fails_or_hangs_keeps_no_other_from_being_told() -> None:
    async def breaks() -> list[Any]:
        raise ZeroDivisionError("c4n4ry")

    async def is_away() -> list[Any]:
        raise BackendUnavailable("PostgreSQL did not answer")

    async def hangs() -> list[Any]:
        await asyncio.sleep(3600)
        return []

    async def fine() -> list[Any]:
        return [ok("fine", "All is well.")]

    checks = [Check(name=look.__name__, look=look, patience_s=0.5) for look in (breaks, is_away, hangs, fine)]
    found = (await examine(checks)).findings
    assert [(each.check, each.level) for each in found] == [
        ("breaks", "failure"),
        ("is_away", "failure"),
        ("hangs", "failure"),
        ("fine", "ok"),
    ]
    assert "c4n4ry" not in str(found)


# --- settings and this machine


async def test_every_fault_of_the_settings_is_told_at_once_and_the_rest_is_examined(environ: dict[str, str]) -> None:
    told = await examined({**environ, "HOLDFAST_FOO": "1", "SECRET_CACHE_TTL": "0", "AZURE_CLIENT_SECRET": "c4n4ry"})
    assert told.code == 1
    assert [text.split()[0] for text in told.of("settings")] == [
        "SECRET_CACHE_TTL",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "HOLDFAST_FOO",
    ]
    assert told.of("schema", "ok")
    assert "c4n4ry" not in told.raw


async def test_what_hangs_on_an_unusable_setting_is_skipped(environ: dict[str, str]) -> None:
    told = await examined({**environ, "DATABASE_URL": "mysql://c4n4ry@db/x", "REDIS_URL": "c4n4ry"})
    assert told.of("postgresql", "skipped") == ["Not looked at: DATABASE_URL is at fault, see settings."]
    assert told.of("redis", "skipped") == ["Not looked at: REDIS_URL is at fault, see settings."]
    assert "c4n4ry" not in told.raw


async def test_where_nothing_is_yet_nothing_is_made(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    told = await examined({"HOLDFAST_DATA_DIR": str(folder), "HOME": str(tmp_path)})
    assert (told.code, told.failures) == (0, [])
    assert not folder.exists()


async def test_the_embedded_database_is_examined_and_stopped_again(data_folder: Path) -> None:
    environ = {"HOLDFAST_DATA_DIR": str(data_folder), "HOME": str(data_folder.parent)}
    made = await asyncio.to_thread(holdfast, "init", environ=environ)
    assert made.code == 0, made
    assert mode(data_folder) in (0o700, 0o710)
    told = await examined(environ)
    assert told.failures == []
    assert told.of("keys", "ok")[0].endswith("opens what the database sealed.")
    assert not (data_folder / "postgres" / "postmaster.pid").exists()
    (data_folder / "encryption.key").chmod(0o644)
    assert (await examined(environ)).of("files") == [f"{data_folder / 'encryption.key'} is open to others (mode 0644)."]
    (data_folder / "encryption.key").chmod(0o600)
    for name in ("tls", "audit"):
        (data_folder / name).chmod(0o770)
        assert (await examined(environ)).of("files") == [f"{data_folder / name} is open to others (mode 0770)."]
        (data_folder / name).chmod(0o700)
    (data_folder / "encryption.key").unlink()
    (missing,) = (await examined(environ)).of("keys", "failure")
    assert missing.startswith("FALLBACK_ENCRYPTION_KEY is missing, and there is no ")
    assert not (data_folder / "encryption.key").exists()


async def test_certificates_that_end_and_keys_that_are_another_ones(environ: dict[str, str], tmp_path: Path) -> None:
    old = ensure_server_certificate(tmp_path / "old", [], now=datetime.now(UTC) - timedelta(days=350))
    other = ensure_server_certificate(tmp_path / "other", [], now=datetime.now(UTC))
    files = {"HOLDFAST_TLS_CERT": str(old.chain_file), "HOLDFAST_TLS_KEY": str(old.chain_file)}
    (soon,) = (await examined({**environ, **files})).of("certificates", "warning")
    assert soon.endswith("days are left.")
    (wrong,) = (await examined({**environ, **files, "HOLDFAST_TLS_KEY": str(other.chain_file)})).of("certificates")
    assert "do not belong together" in wrong


# --- PostgreSQL


async def test_a_database_that_is_well(environ: dict[str, str]) -> None:
    told = await examined(environ)
    assert (told.code, told.failures) == (0, [])
    checks = {each["check"] for each in told.findings}
    assert checks >= {"settings", "files", "postgresql", "schema", "keys", "clocks", "rotation", "audit", "nodes"}


def _with(dsn: str, *, password: str | None = None, database: str | None = None) -> str:
    url = urlsplit(dsn)
    user = url.netloc.partition(":")[0]
    netloc = url.netloc if password is None else f"{user}:{password}@{url.netloc.rpartition('@')[2]}"
    return urlunsplit(url._replace(netloc=netloc, path=url.path if database is None else f"/{database}"))


async def test_a_database_out_of_reach_is_told_with_its_reason_and_without_its_password(
    environ: dict[str, str],
) -> None:
    dsn = environ["DATABASE_URL"]
    for url, reason in (
        (_with(dsn, password="c4n4ry"), "PostgreSQL refuses the password of DATABASE_URL."),
        (_with(dsn, database="nowhere"), "PostgreSQL has no database of the name in DATABASE_URL."),
        ("postgresql://user:c4n4ry@127.0.0.1:1/db", "PostgreSQL refuses the connection: nothing listens there."),
        ("postgresql://user:c4n4ry@db.invalid/db", "The host in DATABASE_URL is not known to DNS."),
    ):
        told = await examined({**environ, "DATABASE_URL": url})
        assert told.failures == [reason]
        assert told.fix(reason)
        assert told.of("redis", "ok")
        assert "c4n4ry" not in told.raw


async def test_another_key_is_found_out_and_nothing_is_written(environ: dict[str, str], tmp_path: Path) -> None:
    async with service_on(environ["DATABASE_URL"], tmp_path) as service:
        await service.set_secret("db", "c4n4ry")
    rows = "SELECT (SELECT count(*) FROM encryption_keys) + (SELECT count(*) FROM secret_access_logs)"
    before = await fetch(environ["DATABASE_URL"], rows)
    wrong = generate_key()
    told = await examined({**environ, "FALLBACK_ENCRYPTION_KEY": wrong})
    (found,) = told.of("keys", "failure")
    assert found.startswith("This database holds values sealed with the key ")
    assert await fetch(environ["DATABASE_URL"], rows) == before
    assert wrong not in told.raw
    assert KEY not in told.raw
    told = await examined({**environ, "FALLBACK_ENCRYPTION_KEY": wrong, "HOLDFAST_DECRYPTION_KEYS": KEY})
    assert told.failures == []


async def test_the_certificate_of_a_database_that_soon_ends(environ: dict[str, str], tmp_path: Path) -> None:
    old = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC) - timedelta(days=350))
    async with cable_to(environ["DATABASE_URL"]) as cable, encrypting(cable, old.chain_file) as dsn:
        told = await examined({**environ, "DATABASE_URL": dsn})
    (soon,) = told.of("certificates", "warning")
    assert soon.startswith("PostgreSQL's certificate is valid until ")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def encrypting(cable: Cable, chain_file: Path) -> AsyncIterator[str]:
    """A DSN that leads over TLS to the near end of a cable, as PostgreSQL does it (protocol, 54.2.10)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain_file)
    near = urlsplit(cable.dsn)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)  # SSLRequest
        writer.write(b"S")
        await writer.drain()
        await writer.start_tls(context)
        far_reader, far_writer = await asyncio.open_connection(near.hostname, near.port)
        await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    user, _, _ = near.netloc.rpartition("@")
    netloc = f"{user}@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield urlunsplit(near._replace(netloc=netloc, query="sslmode=require"))
    finally:
        server.close()


async def test_settings_of_a_real_server_that_lose_changes(environ: dict[str, str]) -> None:
    name = urlsplit(environ["DATABASE_URL"]).path[1:]
    await execute(environ["DATABASE_URL"], f"ALTER DATABASE {name} SET synchronous_commit = off")
    told = await examined(environ)
    assert told.failures == ["synchronous_commit is off for this role or server."]


async def test_a_schema_of_a_newer_release(environ: dict[str, str]) -> None:
    await execute(environ["DATABASE_URL"], "INSERT INTO holdfast_migrations VALUES (9999, 'future', 'x')")
    told = await examined(environ)
    (found,) = told.failures
    assert found.startswith("The database has schema 9999, and this release knows ")
    assert told.of("audit", "skipped")


async def test_a_role_with_too_few_rights(environ: dict[str, str]) -> None:
    dsn = environ["DATABASE_URL"]
    name = urlsplit(dsn).path[1:]
    role = f"limited_{name}"
    grants = ("SELECT ON ALL TABLES IN SCHEMA public", "INSERT, UPDATE, DELETE ON secrets_vault")
    await execute(dsn, f"CREATE ROLE {role} LOGIN PASSWORD 'c4n4ry'", *(f"GRANT {each} TO {role}" for each in grants))
    try:
        url = urlsplit(_with(dsn, password="c4n4ry"))
        told = await examined({**environ, "DATABASE_URL": urlunsplit(url._replace(netloc=f"{role}:c4n4ry@"))})
    finally:
        await execute(dsn, f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    (found,) = told.of("schema", "failure")
    assert found.startswith("The role lacks rights on ")
    assert "secret_access_control" in found
    assert "secrets_vault" not in found


async def test_a_removed_audit_record_and_a_stream_that_fails(environ: dict[str, str], tmp_path: Path) -> None:
    dsn = environ["DATABASE_URL"]
    async with service_on(dsn, tmp_path) as service:
        for number in range(5):
            await service.set_secret("db", str(number))
            await service.get_secret("db")
    await execute(
        dsn,
        "UPDATE audit_chains SET signed_seq = 0",
        "DELETE FROM secret_access_logs WHERE seq = 1",
        "INSERT INTO audit_streams (name, failed_at, last_error) VALUES ('syslog://siem', now(), 'refused')",
    )
    told = await examined(environ)
    assert told.of("audit", "failure") == ["1 chain(s) lack a record above their last checkpoint."]
    assert "The stream syslog://siem fails: refused." in told.of("audit", "warning")


# --- Redis


async def test_a_redis_with_faults(environ: dict[str, str], redis_url: str) -> None:
    assert (await examined({**environ, "REDIS_URL": redis_url})).of("redis") == []
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("save", "60 1")
        try:
            told = await examined({**environ, "REDIS_URL": redis_url})
        finally:
            client.config_set("save", "")
    assert told.of("redis", "warning") == ["Redis writes its data to disk (snapshots)."]
    told = await examined({**environ, "REDIS_URL": "redis://:c4n4ry@127.0.0.1:1/0"})
    assert told.of("redis", "failure") == ["Redis does not answer (ConnectionError)."]
    assert "c4n4ry" not in told.raw


async def test_a_redis_over_the_network_in_the_clear(environ: dict[str, str], tmp_path: Path, port: int) -> None:
    with running_redis(tmp_path, port=port) as url:
        told = await examined({**environ, "REDIS_URL": url})
    assert told.of("redis", "warning") == ["maxmemory is not set.", "The connection is not encrypted."]


@pytest.fixture
async def port() -> int:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    number: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return number


async def test_an_issuer_that_gives_no_keys(environ: dict[str, str], tmp_path: Path, data_folder: Path) -> None:
    data_folder.mkdir()
    async with local_issuer(data_folder) as issuer:
        file = tmp_path / "issuers.toml"
        ours = {"name": "work", "issuer": issuer.url, "ca_file": str(issuer.ca_file)}
        lines = [f'{key} = "{value}"' for key, value in ours.items()]
        file.write_text("\n".join(["[[issuer]]", 'audiences = ["holdfast"]', *lines]))
        trusting = {**environ, "HOLDFAST_OIDC_ISSUERS": str(file)}
        assert (await examined(trusting)).of("issuers", "ok") == ["The issuer work answers."]
        issuer.down = True
        (found,) = (await examined(trusting)).of("issuers", "warning")
        assert found.startswith("The issuer work gives no keys: ")
        file.write_text("[[issuer]]\n")
        told = await examined(trusting)
        assert told.of("issuers", "skipped") == ["Not looked at: HOLDFAST_OIDC_ISSUERS is at fault, see settings."]
        assert told.failures


# --- Key Vault


async def test_a_vault_is_only_read_unless_writing_is_asked_for(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        told = await examined({**environ, **vault.environ()})
        assert told.of("keyvault", "failure", "warning") == []
        assert told.of("keyvault", "ok")[1:] == [f"{name}: permitted." for name in ("list", "list deleted", "get")]
        assert [each for each in told.of("certificates", "ok", "warning") if vault.url in each]
        assert set(vault.calls) <= {"challenge", "token", "list", "list_deleted", "get"}
        assert CLIENT_SECRET not in told.raw


async def test_every_operation_is_tried_and_nothing_is_left(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        told = await examined({**environ, **vault.environ()}, "--write")
        assert told.of("keyvault", "ok")[1:] == [
            f"{name}: permitted."
            for name in ("list", "list deleted", "get", "set", "update", "delete", "recover", "purge")
        ]
        assert told.failures == []
        assert vault.model.phase("holdfast-doctor-probe") is None


@pytest.mark.parametrize(
    ("operation", "policy", "action", "left"),
    [
        ("get", "Get", "getSecret/action", None),
        ("set", "Set", "setSecret/action", None),
        ("update", "Set", "update/action", None),
        ("delete", "Delete", "delete", "is still there, live, with a random value."),
        ("recover", "Recover", "recover/action", None),
        ("purge", "Purge", "purge/action", "is left behind, deleted, until its retention is over."),
    ],
)
async def test_each_missing_permission_is_named_and_what_it_leaves_behind_is_said(
    environ: dict[str, str], operation: str, policy: str, action: str, left: str | None
) -> None:
    async with ScriptedVault() as vault:
        vault.fail(operation, times=9, status=403, code="Forbidden", inner="ForbiddenByRbac")
        told = await examined({**environ, **vault.environ()}, "--write")
        (found,) = told.of("keyvault", "failure")
        assert found.startswith(f"{operation}: refused. ")
        fix = told.fix(found)
        assert f"Microsoft.KeyVault/vaults/secrets/{action})" in fix
        assert f"'{policy}'" in fix
        assert told.of("keyvault", "warning") == ([f"holdfast-doctor-probe {left}"] if left else [])
        vault.heal()
        assert (await examined({**environ, **vault.environ()}, "--write")).failures == []
        assert vault.model.phase("holdfast-doctor-probe") is None


async def test_a_secret_of_somebody_else_by_the_reserved_name_is_not_touched(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        vault.model.set("holdfast-doctor-probe", "precious", Attributes())
        told = await examined({**environ, **vault.environ()}, "--write")
        assert told.failures == ["A secret named holdfast-doctor-probe is there that this command did not make."]
        assert vault.model.get("holdfast-doctor-probe")[1].value == "precious"


async def test_a_vault_that_refuses_our_credential_or_is_away(environ: dict[str, str], tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        told = await examined({**environ, **vault.environ(), "AZURE_CLIENT_SECRET": "c4n4ry"})
        assert len(told.of("keyvault", "failure")) == 1
        assert "c4n4ry" not in told.raw
        async with vault.refusing():
            told = await examined({**environ, **vault.environ()})
            (found,) = told.of("keyvault", "failure")
            assert found.startswith(f"{vault.url} cannot be reached: the connection fails")
        other = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC)).ca_file
        told = await examined({**environ, **vault.environ(), "HOLDFAST_KEYVAULT_CA": str(other)})
        (found,) = told.of("keyvault", "failure")
        assert "its certificate is not trusted" in found
        assert "HOLDFAST_KEYVAULT_CA" in told.fix(found)


async def test_what_was_changed_in_the_vault_since_shows_in_a_sample(environ: dict[str, str], tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        async with service_on(environ["DATABASE_URL"], tmp_path, vault) as service:
            for number in range(3):
                await service.set_secret(f"s-{number}", "v")
            await service.sync()
        told = await examined({**environ, **vault.environ()})
        assert "3 secret(s) compared with Key Vault now: each is at its newest version there." in told.of(
            "mirror", "ok"
        )
        await asyncio.sleep(1)  # Key Vault counts whole seconds
        vault.model.set("s-1", "by others", Attributes())
        told = await examined({**environ, **vault.environ()})
        assert told.of("mirror", "warning") == [
            "1 of 3 secret(s) compared with Key Vault now are not at its newest version."
        ]
        async with vault.refusing():
            told = await examined({**environ, **vault.environ()})
            assert told.of("mirror", "skipped") == ["No secret was compared with Key Vault now: see keyvault."]


async def test_nothing_is_called_equal_that_was_not_compared(environ: dict[str, str], tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        with_vault = {**environ, **vault.environ()}
        async with service_on(environ["DATABASE_URL"], tmp_path, vault) as service:
            await service.set_secret("never-compared", "v")
        (skipped,) = (await examined(with_vault)).of("mirror", "skipped")
        assert skipped.startswith("No secret was compared with Key Vault now: the mirror was never completed")
        async with service_on(environ["DATABASE_URL"], tmp_path, vault) as service:
            await service.sync()
        vault.fail("versions", times=9, status=403, code="Forbidden", inner="ForbiddenByRbac")
        (skipped,) = (await examined(with_vault)).of("mirror", "skipped")
        assert skipped == "No secret was compared with Key Vault now: it gives none of those that were drawn."
        vault.heal()
        async with service_on(environ["DATABASE_URL"], tmp_path, vault) as service:
            await service.delete_secret("never-compared")
        told = await examined(with_vault)
        assert told.of("mirror", "skipped") == ["No secret was compared with Key Vault now: the mirror holds none."]
        assert "newest version" not in told.raw


async def test_an_identity_that_may_only_get_is_told_what_that_means(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        for listing in ("list", "list_deleted"):
            vault.fail(listing, times=9, status=403, code="Forbidden", inner="AccessDenied")
        told = await examined({**environ, **vault.environ()})
        list_, deleted = (each for each in told.findings if each["check"] == "keyvault" and each["level"] == "failure")
        assert list_["found"].startswith("list: refused. ")
        assert "the mirror holds only what was read here" in list_["why"]
        assert "'List'" in list_["fix"]
        assert deleted["found"].startswith("list deleted: refused. ")
        assert "get: permitted." in told.of("keyvault", "ok")


async def test_a_vault_that_does_not_serve_the_api_version(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        vault.fail("list", times=9, status=400, code="BadParameter")
        told = await examined({**environ, **vault.environ()})
        (found,) = told.of("keyvault", "failure")
        assert found.startswith("list: Key Vault answered 400 ")
        assert "HOLDFAST_KEYVAULT_API_VERSION" in found


async def test_why_there_is_no_token_is_told(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault:
        body = b'{"error":"invalid_client","error_codes":[7000222],"error_description":"AADSTS7000222: c4n4ry"}'
        vault.fail("token", times=9, status=401, body=body)
        told = await examined({**environ, **vault.environ()})
        (found,) = told.of("keyvault", "failure")
        assert "the client secret has expired (AADSTS7000222)." in found
        vault.heal()
        told = await examined({**environ, **vault.environ(), "AZURE_TENANT_ID": "contoso.example"})
        (found,) = told.of("keyvault", "failure")
        assert "AZURE_TENANT_ID is the tenant contoso.example." in found
        assert "c4n4ry" not in told.raw


async def test_a_vault_behind_a_proxy(environ: dict[str, str]) -> None:
    async with ScriptedVault() as vault, ConnectProxy(password=True) as proxy:
        behind = {**environ, **vault.environ(), "HTTPS_PROXY": proxy.url}
        told = await examined(behind)
        assert told.of("keyvault", "failure") == []
        address = proxy.url.replace(proxy.url.partition("//")[2].rpartition("@")[0] + "@", "")
        assert f"{vault.url} answers over TLS through the proxy {address}." in told.of("keyvault", "ok")
        assert told.of("keyvault", "ok")[-1] == "get: permitted."
        for named in ("HTTPS_PROXY", "HOLDFAST_KEYVAULT_PROXY"):
            told = await examined({**behind, named: proxy.url.replace(PASSWORD[:6], "wr0ng-c4n4ry")})
            (found,) = told.of("keyvault", "failure")
            assert found.startswith(f"{vault.url} cannot be reached through the proxy {address}: ")
            assert "407" in found
            assert "HOLDFAST_KEYVAULT_PROXY" in told.fix(found)
            assert "c4n4ry" not in told.raw
        told = await examined({**environ, **vault.environ(), "HTTPS_PROXY": "socks5://me:c4n4ry@proxy.example"})
        (found,) = told.of("keyvault", "failure")
        assert "HTTPS_PROXY must be http://" in found
        assert "c4n4ry" not in told.raw


async def test_the_probe_is_never_mirrored(environ: dict[str, str], tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        vault.model.set("holdfast-doctor-probe", "x", Attributes())
        vault.model.set("theirs", "y", Attributes())
        async with service_on(environ["DATABASE_URL"], tmp_path, vault) as service:
            await service.sync()
            assert [each.name for each in await service.list_secrets()] == ["theirs"]


# --- for people


def test_long_findings_are_wrapped_at_a_terminal(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    finding = failure("keys", "found " * 20, why="why " * 20, fix="fix " * 20)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    lines = [click.unstyle(line) for line in _finding(finding, 12)]
    assert max(map(len, lines)) <= 80
    assert len(lines) == 7
    assert " ".join(" ".join(lines).split()).count("why ") == 20


async def test_what_a_person_reads(environ: dict[str, str]) -> None:
    got = await asyncio.to_thread(holdfast, "doctor", environ={**environ, "HOLDFAST_FOO": "1"})
    assert got.code == 1
    lines = got.stdout.splitlines()
    assert lines[0].startswith("✗ FAILURE  settings")
    assert lines[0].endswith("HOLDFAST_FOO is not a setting: did you mean HOLDFAST_PORT?")
    assert lines[1].strip() == "Why: A node refuses to start with it."
    assert lines[2].strip().startswith("Fix: ")
    assert lines[-1].startswith("FAILURES: 1; warnings: ")


class DeletesOnce:
    """A vault that fails the second deletion that is asked of it."""

    def __init__(self, vault: Vault, error: HoldfastError) -> None:
        self._vault, self._errors = vault, iter([None, error])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault, name)

    async def delete(self, name: SecretName) -> None:
        if error := next(self._errors):
            raise error
        await self._vault.delete(name)


@pytest.mark.parametrize(
    "error", [BackendUnavailable("It did not answer."), BackendRefused("It refused.", forbidden=True), Rejected("No.")]
)
async def test_a_deletion_that_fails_the_second_time_hides_no_finding_and_is_said_to_leave_something(
    error: HoldfastError,
) -> None:
    async with ScriptedVault() as vault, aclosing(vault.connect()) as store:
        trial = Trial(cast("Any", DeletesOnce(store, error)), SystemClock())
        await trial.write()
        told = [finding.found for finding in trial.findings]
        assert told[:4] == [f"{name}: permitted." for name in ("set", "update", "delete", "recover")]
        assert [text for text in told if str(error) in text], told
        assert told[-1] == "holdfast-doctor-probe is still there, live, with a random value."
        again = Trial(store, SystemClock())
        await again.write()
        assert vault.model.phase("holdfast-doctor-probe") is None
