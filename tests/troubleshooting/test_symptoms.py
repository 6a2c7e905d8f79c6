"""Every symptom of docs/troubleshooting.md is produced by real parts, and goes away by the remedy that stands there."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from holdfast.domain.secret import Attributes, Source
from holdfast.errors import (
    AccessDenied,
    AuditUnavailable,
    BackendUnavailable,
    CircuitOpen,
    LeaseExpired,
    RotationFailed,
    StartupError,
)
from holdfast.service.doctor.clocks import skew_finding
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.cli.test_remote import serving
from tests.rotation.target import SingleSlotHandler, Target
from tests.rotation.test_rotation import let_pass
from tests.rotation.test_stuck import Locked
from tests.support.cable import cable_to
from tests.support.connect_proxy import ConnectProxy
from tests.support.node import ALICE, Inside, opened, rows, service_on, within
from tests.support.postgres import execute
from tests.support.reference import ROOT
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import KEY
from tests.troubleshooting.page import produced, sections, seen, symptom

BREAKER = symptom("Circuit breaker is OPEN")
NO_TOKEN, OTHER_TENANT = (symptom("There is no token for Key Vault", line) for line in range(2))
PROXY = symptom("Key Vault is behind a proxy")
SLOW = symptom("Slow secret retrieval")
UNAPPROVED, FAILING, STUCK, UNKNOWN_HANDLER = (symptom("Secrets do not rotate", line) for line in range(4))
WRONG_KEY = symptom("The key is wrong")
NO_DATABASE, READ_ONLY, LEASE_OVER = (symptom("PostgreSQL is away", line) for line in range(3))
FORBIDDEN = symptom("An application gets 403")
STALE = symptom("Answers are stale")
PARKED = symptom("Changes are parked")
KEPT_OUT = symptom("Names are kept out of the mirror")
NEVER_COMPARED, COMPARED_LONG_AGO = symptom("The mirror is not compared"), symptom("The mirror is not compared", 1)
UNTRUSTED_VAULT = symptom("The certificate is not trusted")
UNTRUSTED_SERVER = symptom("The certificate is not trusted", 1)
VAULT_CLOCK, OWN_CLOCK = symptom("Clocks differ"), symptom("Clocks differ", 1)
UNDISCLOSED = symptom("Nothing is disclosed")
GAP, MISSING = symptom("The audit trail has a gap"), symptom("The audit trail has a gap", 1)
TOO_NEW = symptom("Migrated by a newer Holdfast")
UNEXPECTED = symptom("Support")

SOON_S = 30.0
SHORT = timedelta(seconds=1)


async def command(environ: dict[str, str], *args: str, stdin: bytes = b"") -> Outcome:
    return await asyncio.to_thread(holdfast, *args, stdin=stdin, environ=environ)


@pytest.fixture
def environ(database_url: str, tmp_path: Path) -> dict[str, str]:
    return environment(database_url, tmp_path)


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


async def answers(ask: Callable[[], Awaitable[object]]) -> bool:
    """Whether a question is answered at all by now."""
    try:
        await ask()
    except BackendUnavailable:
        return False
    return True


async def refusals(ask: Callable[[], Awaitable[object]], kind: type[BackendUnavailable]) -> str:
    """Ask until that kind of refusal comes, and return its text."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await ask()
            except kind as error:
                return str(error)
            except BackendUnavailable:
                pass
            await asyncio.sleep(0.05)


def test_every_symptom_of_the_page_is_produced_here() -> None:
    assert {(heading, line) for heading in sections() for line in range(len(seen(heading)))} == produced


def test_every_section_that_the_program_names_is_there() -> None:
    named = re.compile(r"docs/troubleshooting\.md,[\s\"]*'([^']+)'")
    sources = [path.read_text() for path in (ROOT / "src" / "holdfast").rglob("*.py")]
    found = {heading for text in sources for heading in named.findall(text)}
    assert found
    assert found - sections().keys() == set()


async def test_circuit_breaker_is_open(
    environ: dict[str, str], database_url: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path, vault) as node:
        async with vault.refusing():
            told = await refusals(lambda: node.service.get_secret("never-seen"), CircuitOpen)
            assert BREAKER.is_in(told)
            examined = await command({**environ, **vault.environ()}, "doctor")
            assert f"{vault.url} cannot be reached" in examined.stdout
        vault.model.set("never-seen", "v", Attributes())
        _let_a_minute_pass(node)
        assert (await node.service.get_secret("never-seen")).value == "v"


def _let_a_minute_pass(node: Inside) -> None:
    assert node.parts.replica is not None
    node.parts.replica.primary._reads.breaker._monotonic = lambda: time.monotonic() + 61


async def test_there_is_no_token_for_key_vault(environ: dict[str, str], vault: ScriptedVault) -> None:
    behind = {**environ, **vault.environ()}
    body = b'{"error":"invalid_client","error_codes":[7000215],"error_description":"AADSTS7000215: c4n4ry"}'
    vault.fail("token", times=99, status=401, body=body)
    assert NO_TOKEN.is_in((await command(behind, "health")).stdout)
    assert NO_TOKEN.is_in((await command(behind, "doctor")).stdout)
    vault.heal()
    assert not NO_TOKEN.is_in((await command(behind, "doctor")).stdout)
    assert OTHER_TENANT.is_in((await command({**behind, "AZURE_TENANT_ID": "contoso.example"}, "health")).stdout)
    assert not OTHER_TENANT.is_in((await command(behind, "health")).stdout)


async def test_key_vault_is_behind_a_proxy(environ: dict[str, str], vault: ScriptedVault) -> None:
    async with ConnectProxy(password=True) as proxy:
        behind = {**environ, **vault.environ()}
        wrong = {**behind, "HTTPS_PROXY": proxy.url.replace("proxy-user", "other")}
        assert PROXY.is_in((await command(wrong, "doctor")).stdout)
        for mended in ({"HTTPS_PROXY": proxy.url}, {"NO_PROXY": "127.0.0.1"}, {"HOLDFAST_KEYVAULT_PROXY": "none"}):
            assert not PROXY.is_in((await command({**wrong, **mended}, "doctor")).stdout)


async def test_slow_secret_retrieval(
    database_url: str, tmp_path: Path, vault: ScriptedVault, redis_url: str, environ: dict[str, str]
) -> None:
    for name in ("a", "b"):
        vault.model.set(name, "v", Attributes())
    slow = await command({**environ, **vault.environ()}, "get", "a", "--json")
    assert SLOW.is_in(slow.stdout)
    async with service_on(database_url, tmp_path, vault, redis_url=redis_url) as service:
        for name in ("a", "b"):
            await service.list_secret_versions(name)  # their history is taken over, and goes on behind no read
        assert await service.warm_cache(["a", "b"]) == 2
        calls = vault.calls["get"]
        assert [(await service.get_secret(name)).source for name in ("a", "b")] == [Source.CACHE, Source.CACHE]
        async with service_on(database_url, tmp_path / "other", vault, redis_url=redis_url) as other:
            assert (await other.get_secret("a")).source is Source.REDIS
        assert vault.calls["get"] == calls


async def test_secrets_do_not_rotate(database_url: str, environ: dict[str, str], tmp_path: Path) -> None:
    for name, *options in (
        ("asks", "--rotate-with", "random"),
        ("custom", "--auto-rotate"),
        ("fails", "--auto-rotate", "--rotate-with", "postgresql", "--rotate-option", "host=nowhere.invalid"),
    ):
        made = await command(environ, "set", name, "--rotate-every", "30", *options, stdin=b"first")
        assert made.code == 0, made
    await execute(database_url, "UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '1 second'")
    refused = await command(environ, "rotate", "custom")
    assert UNKNOWN_HANDLER.is_in(refused.stderr)
    await command(environ, "rotate", "--due")
    health = await command(environ, "health")
    assert UNAPPROVED.is_in(health.stdout)
    assert FAILING.is_in(health.stdout)

    assert (await command(environ, "rotation", "approve", "asks")).code == 0
    assert "asks" in (await command(environ, "rotate", "--due")).stdout
    assert (await command(environ, "get", "asks")).stdout != "first"
    target = Target("first", slots=1)
    async with service_on(database_url, tmp_path) as service:
        service.register_rotation_handler("custom", Locked(target))
        with pytest.raises(RotationFailed):
            await service.rotate_secret("custom")
        for _ in range(2):
            await let_pass(database_url)
            await service.execute_scheduled_rotations()
        assert STUCK.is_in(str((await service.get_secret_health()).recommendations))
        service.register_rotation_handler("custom", SingleSlotHandler(target))
        await service.rotations.resume("custom")
        assert (await service.get_secret("custom")).value != "first"


async def test_the_key_is_wrong(environ: dict[str, str]) -> None:
    assert (await command(environ, "set", "db", stdin=b"v")).code == 0
    wrong = {**environ, "FALLBACK_ENCRYPTION_KEY": generate_key()}
    refused = await command(wrong, "get", "db")
    assert (refused.code, WRONG_KEY.is_in(refused.stderr)) == (9, True)
    missing = re.search(r"with the key (\w+)", refused.stderr)
    assert missing
    assert missing[1] in (await command(environ, "doctor")).stdout
    mended = await command({**wrong, "HOLDFAST_DECRYPTION_KEYS": KEY}, "get", "db")
    assert (mended.code, mended.stdout) == (0, "v")


async def test_postgresql_is_away(environ: dict[str, str], database_url: str, tmp_path: Path) -> None:
    refused = await command({**environ, "DATABASE_URL": "postgresql://holdfast:x@127.0.0.1:1/db"}, "list")
    assert NO_DATABASE.is_in(refused.stderr)
    read_only = await command({**environ, "PGOPTIONS": "-c default_transaction_read_only=on"}, "list")
    assert READ_ONLY.is_in(read_only.stderr)
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path, grant_lease=SHORT) as node:
        await node.service.set_secret("db", "v")
        await node.service.grant_access("db", "alice", ["get"])
        cable.cut()
        told = await refusals(lambda: node.service.get_secret("db", context=ALICE), LeaseExpired)
        assert LEASE_OVER.is_in(told)
        cable.mend()
        await within(SOON_S, lambda: answers(lambda: node.service.get_secret("db", context=ALICE)))


async def test_an_application_gets_403(environ: dict[str, str], database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("db", "v")
        with pytest.raises(AccessDenied) as caught:
            await service.get_secret("db", context=ALICE)
        assert FORBIDDEN.is_in(str(caught.value))
        explained = await command(environ, "explain", "db", "alice", "get")
        assert "alice" in explained.stdout
        assert (await command(environ, "grant", "db", "alice", "get")).code == 0

        async def granted() -> bool:
            return await service.check_access("db", "alice", "get")

        await within(SOON_S, granted)
        assert (await service.get_secret("db", context=ALICE)).value == "v"


async def test_answers_are_stale(
    environ: dict[str, str], database_url: str, tmp_path: Path, vault: ScriptedVault
) -> None:
    vault.model.set("db", "v", Attributes())
    short = {**environ, **vault.environ(), "SECRET_CACHE_TTL": "1"}
    assert not STALE.is_in((await command(short, "get", "db", "--json")).stdout)
    await asyncio.sleep(1.1)
    async with vault.refusing():
        assert STALE.is_in((await command(short, "get", "db", "--json")).stdout)
    assert not STALE.is_in((await command(short, "get", "db", "--json")).stdout)


async def test_changes_are_parked(environ: dict[str, str], vault: ScriptedVault) -> None:
    behind = {**environ, **vault.environ()}
    async with vault.refusing():
        assert (await command(behind, "set", "db", stdin=b"v")).code == 0
    vault.fail("set", status=400, code="BadParameter")
    assert (await command(behind, "reconcile", "--retry")).code == 0
    assert PARKED.is_in((await command(behind, "health")).stdout)
    assert "400 BadParameter" in (await command(behind, "reconcile")).stdout
    assert (await command(behind, "reconcile", "--retry")).code == 0
    assert not PARKED.is_in((await command(behind, "health")).stdout)
    assert vault.model.get("db")[1].value == "v"


async def test_names_are_kept_out_of_the_mirror(environ: dict[str, str], vault: ScriptedVault) -> None:
    def with_an_odd_one(body: dict[str, Any]) -> dict[str, Any]:
        (entry,) = body["value"]
        return {"value": [entry, {**entry, "id": f"{vault.url}/secrets/not_a_name"}]}

    behind = {**environ, **vault.environ()}
    vault.model.set("db", "v", Attributes())
    vault.fail("list", answer=with_an_odd_one)
    assert (await command(behind, "sync")).code == 0
    assert KEPT_OUT.is_in((await command(behind, "health")).stdout)
    assert "not_a_name" in (await command(behind, "reconcile")).stdout
    assert (await command(behind, "sync")).code == 0
    assert not KEPT_OUT.is_in((await command(behind, "health")).stdout)
    assert (await command(behind, "get", "db")).stdout == "v"


async def test_the_mirror_is_not_compared(environ: dict[str, str], vault: ScriptedVault, database_url: str) -> None:
    behind = {**environ, **vault.environ(), "HOLDFAST_SYNC_INTERVAL": "60"}
    vault.fail("list", status=403, code="Forbidden", inner="ForbiddenByRbac", times=50)
    assert (await command(behind, "sync")).code in (4, 7)
    health = await command(behind, "health")
    assert NEVER_COMPARED.is_in(health.stdout)
    assert health.code == 7
    vault.heal()
    assert (await command(behind, "sync")).code == 0
    assert not NEVER_COMPARED.is_in((await command(behind, "health")).stdout)
    await rows(database_url, "UPDATE sync_state SET last_finished_at = last_finished_at - interval '1 hour'")
    assert COMPARED_LONG_AGO.is_in((await command(behind, "health")).stdout)
    assert (await command(behind, "sync")).code == 0
    assert not COMPARED_LONG_AGO.is_in((await command(behind, "health")).stdout)


async def test_the_certificate_of_key_vault_is_not_trusted(
    environ: dict[str, str], vault: ScriptedVault, tmp_path: Path
) -> None:
    other = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC)).ca_file
    wrong = {**environ, **vault.environ(), "HOLDFAST_KEYVAULT_CA": str(other)}
    assert UNTRUSTED_VAULT.is_in((await command(wrong, "doctor")).stdout)
    assert not UNTRUSTED_VAULT.is_in((await command({**environ, **vault.environ()}, "doctor")).stdout)


def test_the_certificate_of_a_server_is_not_trusted(database_url: str, tmp_path: Path) -> None:
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    with serving(database_url, tmp_path, certificate) as environ:
        distrusting = {name: value for name, value in environ.items() if name != "HOLDFAST_CACERT"}
        refused = holdfast("status", environ=distrusting)
        assert UNTRUSTED_SERVER.is_in(refused.stderr)
        assert holdfast("status", environ=environ).code == 0


async def test_clocks_differ(environ: dict[str, str], vault: ScriptedVault) -> None:
    behind = {**environ, **vault.environ()}
    vault.ahead = timedelta(seconds=90)
    assert VAULT_CLOCK.is_in((await command(behind, "doctor")).stdout)
    vault.ahead = timedelta()
    assert "The clocks of Key Vault and this machine are within" in (await command(behind, "doctor")).stdout


async def test_the_clock_of_this_machine_differs(environ: dict[str, str], database_url: str) -> None:
    now = datetime.now(UTC)
    assert OWN_CLOCK.is_in(skew_finding("this machine", now, "PostgreSQL", now - timedelta(seconds=90)).found)
    name = urlsplit(database_url).path[1:]
    await execute(  # which is no clock of PostgreSQL's, wherever the path leads
        database_url,
        f"ALTER DATABASE {name} SET search_path = public, pg_catalog",
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.clock_timestamp() + interval '90 seconds' $$",
    )
    assert "The clocks of this machine and PostgreSQL are within" in (await command(environ, "doctor")).stdout


async def test_nothing_is_disclosed(database_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with cable_to(database_url) as cable, opened(cable.dsn, folder) as node:
        await node.service.set_secret("db", "v")
        await node.service.get_secret("db")
        audit = folder / "audit"
        audit.rename(folder / "kept")
        audit.write_text("not a folder, as a full or broken disk is none")
        cable.cut()
        told = await refusals(lambda: node.service.get_secret("db"), AuditUnavailable)
        assert UNDISCLOSED.is_in(told)
        audit.unlink()
        await within(SOON_S, lambda: answers(lambda: node.service.get_secret("db")))
        cable.mend()


async def test_the_audit_trail_has_a_gap(environ: dict[str, str], database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        for number in range(3):
            await service.set_secret("db", str(number))
            await service.get_secret("db")
    await execute(database_url, "DELETE FROM secret_access_logs WHERE seq = 3")
    verdict = await verified(environ, tmp_path)
    assert (verdict.code, MISSING.is_in(verdict.stdout)) == (8, True)
    assert GAP.is_in((await command(environ, "doctor")).stdout)
    listed = await command(environ, "audit", "gaps", "--json")
    (gap,) = json.loads(listed.stdout)
    assert listed.code == 8
    assert (await command(environ, "audit", "acknowledge", gap["name"], "--yes")).code == 0
    assert (await command(environ, "audit", "gaps")).code == 0
    assert not GAP.is_in((await command(environ, "doctor")).stdout)
    verdict = await verified(environ, tmp_path)
    assert (verdict.code, "took note of that in checkpoint" in verdict.stdout) == (8, True)


async def verified(environ: dict[str, str], folder: Path) -> Outcome:
    """What an auditor is told of an export."""
    files = {name: folder / name for name in ("checkpoints", "export", "key")}
    for name, file in files.items():
        file.write_text((await command(environ, "audit", name)).stdout)
    options = ("--checkpoints", str(files["checkpoints"]), "--key", str(files["key"]))
    return await command(environ, "audit", "verify", str(files["export"]), *options)


async def test_migrated_by_a_newer_holdfast(environ: dict[str, str], database_url: str, tmp_path: Path) -> None:
    await execute(database_url, "INSERT INTO holdfast_migrations VALUES (9999, 'future', 'x')")
    with pytest.raises(StartupError) as caught:
        await service_on(database_url, tmp_path).initialize()
    assert TOO_NEW.is_in(str(caught.value))
    assert "The database has schema 9999" in (await command(environ, "doctor")).stdout
    assert await rows(database_url, "SELECT count(*) FROM encryption_keys") == [(0,)]


@pytest.mark.usefixtures("durable_server")
async def test_what_is_collected_for_support_holds_no_secret(
    environ: dict[str, str], database_url: str, vault: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind = {**environ, **vault.environ()}
    assert (await command(behind, "set", "db", stdin=b"c4n4ry")).code == 0
    password = re.search(r":([^:@/]+)@", database_url)
    assert password
    collected = [
        await command(behind, "doctor", "--json"),
        await command(behind, "status", "--json"),
        await command(behind, "audit", "search", "--since", "1h", "--json"),
        await command(behind, "audit", "search", "--since", "1h", "--outcome", "failed", "--json"),
        await command(behind, "--version"),
    ]
    assert [each.code for each in collected] == [0] * len(collected)
    assert json.loads(collected[0].stdout)["healthy"]
    text = "".join(each.stdout + each.stderr for each in collected)
    assert not [each for each in ("c4n4ry", KEY, password[1], behind["AZURE_CLIENT_SECRET"]) if each in text]

    def breaks(*_: object) -> None:
        raise ZeroDivisionError("c4n4ry")

    monkeypatch.setattr("holdfast.cli.node.with_service", breaks)
    unexpected = await command(behind, "status")
    assert UNEXPECTED.is_in(unexpected.stderr)
    assert "c4n4ry" not in unexpected.stderr
