"""I13: marked secrets are driven through every path, and then looked for everywhere they must not be."""

import asyncio
import base64
import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import pytest
import redis

from holdfast.cli import inputs
from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing, generate_key, parse_key
from holdfast.crypto.recovery_codes import new_recovery_code
from holdfast.domain.policy import AccessContext
from holdfast.domain.secret import SecretValue
from holdfast.domain.validation import valid_value
from holdfast.errors import HoldfastError, Rejected
from holdfast.keyvault_wire.strict_json import parse_object
from holdfast.service.manager import SecretsService
from holdfast.web import oauth
from holdfast.web.exchange import Exchange
from tests.crypto.support import a_place
from tests.notify.world import World, deliver
from tests.support.canaries import Sweep, all_logs, canary, forms
from tests.support.catalog import contents_of
from tests.support.certificates import make_authority
from tests.support.collector import Collector
from tests.support.database_files import cluster_folder, table_files
from tests.support.https import Client, Response
from tests.support.installation import Installation, installed
from tests.support.mail import mail_server
from tests.support.node import ALICE, FailingSink, opened, rows, settings_for, within
from tests.support.postgres import execute
from tests.support.receivers import receiving
from tests.support.scripted_vault import CLIENT_SECRET, ScriptedVault
from tests.support.world import KEY

V = "?api-version=7.4"
AWKWARD = 'é"\\\n\t€\N{GRINNING FACE}</'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def vault() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


def test_the_sweep_finds_every_form() -> None:
    for text in (canary(), canary(AWKWARD)):
        for number, form in enumerate(sorted(forms(text))):
            sweep = Sweep()
            sweep.mark("it", text)
            sweep.saw("there", b"before " + form + b" after")
            assert next(iter(sweep.hits()))[:2] == ("it", "there"), number
        for prefix in ("", "a", "ab", "abc"):
            sweep = Sweep()
            sweep.mark("it", text)
            sweep.saw("there", {"packed": base64.b64encode(f"{prefix}{text}{prefix}".encode()).decode()})
            assert sweep.hits()
    sweep = Sweep()
    sweep.mark("it", canary())
    sweep.saw("there", canary(), ValueError(canary()))
    assert not sweep.hits()


async def test_i13_the_service_the_server_and_their_stores(
    database_url: str, redis_url: str, vault: ScriptedVault, tmp_path: Path
) -> None:
    sweep = Sweep()
    async with Collector() as collector:
        with all_logs() as lines:
            settings = _settings(sweep, database_url, redis_url, vault, tmp_path, collector)
            await _everything(sweep, settings, vault, tmp_path)
        sweep.saw("traces", *collector.raw)
    sweep.saw("logs", *(line.encode("utf-8", "replace") for line in lines))
    await _stored(sweep, database_url)
    assert sweep.places == {
        *("results", "errors", "answers", "error bodies", "settings", "service", "redis", "spool", "logs"),
        *("metrics", "traces", "audit lines", "notices", "database rows", "database files"),
    }
    assert "\n".join(map(str, sweep.hits())) == ""


async def _everything(sweep: Sweep, settings: Settings, vault: ScriptedVault, folder: Path) -> None:
    certificate = ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))
    async with installed(settings, certificate) as installation:
        await _library(sweep, installation.service)
        await _server(sweep, installation)
        await _vault_faults(sweep, installation.service, vault)
        await _shared_cache(sweep, installation.service, settings.redis_url or "")
        sweep.saw("metrics", installation.service.metrics())
        await _streamed(sweep, settings, folder / "lines")
    await _notices(sweep, settings, folder)
    await _spool(sweep, settings, folder)


def _settings(
    sweep: Sweep, dsn: str, redis_url: str, vault: ScriptedVault, folder: Path, collector: Collector
) -> Settings:
    key = sweep.mark("encryption key", generate_key())
    sweep.mark("encryption key, bytes in hex", base64.b64decode(key).hex())
    for what, url in (("database password", dsn), ("redis password", redis_url)):
        sweep.mark(what, urlsplit(url).password or "")
    sweep.mark("client secret for Key Vault", CLIENT_SECRET)
    settings = settings_for(
        dsn,
        folder / "data",
        vault,
        encryption_key=key,
        redis_url=redis_url,
        otlp_endpoint=collector.url,
        audit_streams=(f"file:{folder / 'lines'}",),
        read_patience=timedelta(milliseconds=200),
        cache_ttl=timedelta(seconds=1),
    )
    sweep.saw("settings", settings)
    return settings


async def _library(sweep: Sweep, service: SecretsService) -> None:
    """Every method with marked values, well and badly called."""
    await service.grant_access("*", "alice", ["get", "set", "list", "delete"])
    for number, awkward in enumerate(("", AWKWARD)):
        name, value = f"lib-{number}", sweep.mark(f"value {number}", canary(awkward))
        results: list[Any] = [await service.set_secret(name, value, description="d", tags={"a": "b"}, context=ALICE)]
        results.append(await service.set_secret(name, sweep.mark(f"later value {number}", canary(awkward))))
        results += [await service.get_secret(name, context=ALICE), await service.get_secret(name)]
        results += [await service.get_secret_version(name, 1), await service.list_secret_versions(name)]
        results += [await service.rollback_secret(name, 1), await service.list_secrets()]
        results.append(await service.update_secret(name, content_type="text/plain"))
        results += [await service.get_access_history(name), await service.get_secret_health()]
        results.append(await service.set_secret(name, value, idempotency_key="key-1"))
        blob = await service.backup_secret(name)
        sweep.saw("results", *results, blob, await service.check_access(name, "alice", "get"))
        _masked(sweep, results[2])
        await _refused(sweep, service.restore_secret(blob))
        await service.delete_secret(name)
        sweep.saw("results", await service.list_deleted_secrets())
        await _refused(sweep, service.get_secret(name), service.set_secret(name, value))
        await service.purge_secret(name)
        sweep.saw("results", await service.restore_secret(blob), await service.get_secret(name))
        sweep.saw("service", service, vars(service))
    await _library_refuses(sweep, service)
    await _emergency(sweep, service)


async def _emergency(sweep: Sweep, service: SecretsService) -> None:
    """Recovery codes, rightly and wrongly used, and a value read by them."""
    emergency, value = service.break_glass, sweep.mark("value of an emergency", canary())
    await service.set_secret("in-an-emergency", value)
    made = await emergency.codes.create(number=3)
    for number, code in enumerate(made.codes):
        sweep.mark(f"recovery code {number}", code)
        sweep.mark(f"recovery code {number}, plain", code.replace("-", ""))
    asking = AccessContext(user_id="in-need")
    request = await emergency.request("in-an-emergency", reason="It is the end of the world", context=asking)
    wrong = [made.codes[0], sweep.mark("wrong code", new_recovery_code())]
    await _refused(sweep, emergency.redeem(request.id, wrong, context=asking))
    granted = await emergency.redeem(request.id, made.codes[:2], context=asking)
    await _refused(sweep, emergency.redeem(request.id, made.codes[1:], context=asking))
    sweep.saw("results", repr(made), made.set, granted, await emergency.list(), await emergency.codes.list())
    sweep.saw("results", await service.get_secret("in-an-emergency", context=asking), await service.get_secret_health())


def _masked(sweep: Sweep, secret: Any) -> None:
    for attempt in (pickle.dumps, copy.deepcopy, lambda it: {"it": [it]}, msgspec.structs.asdict, msgspec.json.encode):
        try:
            sweep.saw("results", attempt(secret))
        except TypeError as refusal:
            sweep.saw("errors", refusal)


async def _library_refuses(sweep: Sweep, service: SecretsService) -> None:
    value = sweep.mark("value in a bad call", canary())
    await service.set_secret("lib-0", value, idempotency_key="key-2")
    bad: tuple[Any, ...] = (
        service.set_secret("bad", value * 1000),
        service.set_secret("bad", value.encode()),  # type: ignore[arg-type]  # a caller's mistake
        service.set_secret("bad", value + "\ud800"),
        service.set_secret("bad", {"a": value}),  # type: ignore[arg-type]
        service.set_secret("not a name", value),
        service.set_secret("bad", value, tags={"k" * 600: "v"}),
        service.set_secret("bad", value, expected_generation=7),
        service.set_secret("lib-0", value, expected_generation=99),
        service.set_secret("bad", value, expires_at=datetime(2030, 1, 1)),  # noqa: DTZ001 - a caller's mistake
        service.set_secret("bad", value, idempotency_key=""),
        service.set_secret("lib-0", value + "x", idempotency_key="key-2"),
        service.restore_secret(value.encode()),
        service.get_secret_version("lib-0", "f" * 32),
        service.authenticate_client("nobody", value, ip_address="10.0.0.1"),
    )
    await _refused(sweep, *bad)


async def _refused(sweep: Sweep, *calls: Any) -> None:
    answers = [await asyncio.gather(call, return_exceptions=True) for call in calls]
    for number, (answer,) in enumerate(answers):
        assert isinstance(answer, HoldfastError), (number, answer)
        sweep.saw("errors", answer)


async def _server(sweep: Sweep, installation: Installation) -> None:
    """The border: requests that are in order, and requests that are not and hold a secret."""
    secret = sweep.mark("client secret", await installation.register("app"))
    client = await installation.client("app", secret)
    sweep.mark("access token", client.token or "")
    for part in (client.token or "").split("."):
        sweep.mark(f"access token, part {part[:3]}", part) if len(part) > 40 and "sub" not in part else None
    value = sweep.mark("value over TLS", canary(AWKWARD))
    good = [
        await client.request("PUT", f"/secrets/web{V}", {"value": value, "tags": {"a": "b"}}),
        await client.request("GET", f"/secrets/web{V}"),
        await client.request("POST", f"/secrets/web/backup{V}"),
        await client.request("GET", f"/secrets/web/versions{V}"),
        await client.request("GET", f"/secrets{V}"),
    ]
    assert [answer.status for answer in good] == [200] * 5
    for answer in good[2:]:
        sweep.saw("answers", answer.body, answer.headers)
    for answer in good[:2]:  # these bodies hold the value, for whom it belongs to
        sweep.saw("answers", answer.headers)
    await _bad_requests(sweep, client, Client(client.port, client.ca_file), installation.tenant, secret)
    await _own_api(sweep, client)


async def _bad_requests(sweep: Sweep, client: Client, anonymous: Client, tenant: str, secret: str) -> None:
    marked = sweep.mark("value in a bad request", canary())
    put, token = f"/secrets/web{V}", f"/{tenant}/oauth2/v2.0/token"
    identity = "/msi/token?api-version=2019-08-01&resource="
    basic = base64.b64encode(f"app:{marked}".encode()).decode()
    scope = quote(f"{anonymous.url}/.default", safe="")
    credentials = f"client_id=app&client_secret={secret}"
    # Key Vault overlooks these, and so do we: the answers hold the value rightly, the logs must not.
    await client.request("PUT", put, {"value": marked, marked: 1}, {"Content-Type": f"text/plain; {marked}"})
    answers = [
        *[await client.request("PUT", put, body) for body in _bad_bodies(marked)],
        await client.request("PUT", f"/secrets/web%20x{V}", {"value": marked}),
        await client.request("PUT", "/secrets/web?api-version=1", {"value": marked}),
        await client.request("PATCH", f"/secrets/web/{'f' * 32}{V}", {"attributes": marked, "value": marked}),
        await client.request("POST", f"/secrets/restore{V}", {"value": marked}),
        await anonymous.request("PUT", put, {"value": marked}),
        await anonymous.request("GET", put, headers={"Authorization": f"Bearer {marked}"}),
        await anonymous.request("GET", put, headers={"Authorization": f"Bearer {(client.token or '')[:-4]}AAAA"}),
        await anonymous.request("GET", put, headers={"Authorization": f"Bearer {client.token}, Bearer {client.token}"}),
        await anonymous.request("GET", put, headers={"Authorization": marked}),
        await anonymous.request("GET", f"{identity}{anonymous.url}", headers={"X-IDENTITY-HEADER": f"app:{marked}"}),
        await anonymous.request("GET", f"{identity}{marked}", headers={"X-IDENTITY-HEADER": f"app:{secret}"}),
        await anonymous.request("GET", f"{identity}{marked}", headers={"secret": marked}),
        await anonymous.request("GET", f"{put}&access_token={client.token}&secret={marked}"),
        await anonymous.request(
            "POST", token, f"{credentials}x&grant_type=client_credentials&scope={scope}".encode(), FORM
        ),
        await anonymous.request("POST", token, f"{credentials}&grant_type={marked}".encode(), FORM),
        await anonymous.request(
            "POST", token, f"{credentials}&grant_type=client_credentials&scope={marked}".encode(), FORM
        ),
        await anonymous.request("POST", token, f"{credentials}&{credentials}".encode(), FORM),
        await anonymous.request("POST", token, f'{{"client_secret": "{secret}"}}'.encode()),
        await anonymous.request(
            "POST", token, b"grant_type=client_credentials", {**FORM, "Authorization": f"Basic {basic}"}
        ),
        await anonymous.request("POST", f"{token}?client_secret={secret}", b"", FORM),
        await anonymous.request("GET", token, headers={"Authorization": f"Basic {basic}"}),
        await _raw(client, f"PUT /secrets/web HTTP/1.1\r\nAuthorization: Bearer {client.token}\r\nX {marked}\r\n\r\n"),
        await _raw(client, f"{marked} {client.token}\r\n\r\n"),
    ]
    assert [number for number, answer in enumerate(answers) if not 400 <= answer.status < 500] == []
    for answer in answers:
        sweep.saw("error bodies", answer.body, answer.headers)


async def _own_api(sweep: Sweep, client: Client) -> None:
    """The same through our own API: refusals of every kind, and answers that are about a secret without its value."""
    marked = sweep.mark("value through our own API", canary(AWKWARD))
    own = "/v1/secrets/own"
    assert (await client.request("PUT", own, {"value": marked})).status == 200
    assert (await client.request("GET", own)).json["value"] == marked
    refusals = [
        *[await client.request("PUT", own, body) for body in _bad_bodies(marked)],
        await client.request("POST", "/v1/break-glass", {"name": "own", "reason": "short", "code": marked}),
        await client.request("POST", "/v1/break-glass/1/redeem", {"codes": [marked]}),
        await client.request("POST", f"/v1/break-glass/{quote(marked)}/redeem", {"codes": [marked] * 99}),
        await client.request("PUT", own, {"value": marked, marked: 1}),
        await client.request("PUT", own, {"value": marked}, {"If-Match": quote(marked)}),
        await client.request("PUT", own, {"value": marked}, {"Idempotency-Key": quote(marked) * 9}),
        await client.request("PUT", f"{own}?{quote(marked)}=1", {"value": marked}),
        await client.request("PATCH", own, {"value": marked, "enabled": marked}),
        await client.request("POST", "/v1/secrets:restore", {"backup": marked}),
        await client.request("POST", "/v1/roles", {"value": marked}),
        await client.request("PUT", "/v1/nowhere", {"value": marked}),
    ]
    assert [number for number, answer in enumerate(refusals) if not 400 <= answer.status < 500] == []
    for answer in refusals:
        sweep.saw("error bodies", answer.body, answer.headers)
    for path in (f"{own}/versions", f"{own}/history", "/v1/secrets", "/v1/health", "/v1/nodes", "/v1/intents"):
        answer = await client.request("GET", path)
        sweep.saw("answers", answer.body, answer.headers)


def _bad_bodies(marked: str) -> list[Any]:
    return [
        {"value": [marked]},
        {"value": {"a": marked}},
        {"value": marked * 1000},
        {"value": marked, "tags": {"k": marked * 10}},
        {"value": marked, "attributes": {"exp": marked}},
        {"value": marked, "contentType": marked * 10},
        [marked],
        marked,
        f'{{"value": "{marked}"'.encode(),
        f'{{"value": "{marked}", "value": "{marked}"}}'.encode(),
        f'{{"value": "{marked}\\ud800"}}'.encode(),
        b'{"value": "' + marked.encode() + b'\xff"}',
        (f'{{"value": "{marked}", "a": ' + "[" * 2000).encode(),
    ]


async def _raw(client: Client, text: str) -> Response:
    async with client.connected() as connection:
        await connection.send(text.encode())
        return await connection.response()


async def _vault_faults(sweep: Sweep, service: SecretsService, vault: ScriptedVault) -> None:
    """A vault that repeats the secret it was sent in everything it says."""
    echoed = sweep.mark("value that Key Vault repeats", canary(AWKWARD))
    error = json.dumps({"error": {"code": "BadParameter", "message": f"{echoed[:20]} {echoed}"}}).encode()
    faults: tuple[dict[str, Any], ...] = (
        *(
            {"status": status, "body": error, "headers": {"X-Echo": quote(echoed)}}
            for status in (401, 403, 409, 429, 500)
        ),
        {"body": f"<html>{echoed}</html>".encode(), "content_type": "text/html"},
        {"answer": lambda body: {**body, "id": f"https://x/secrets/{echoed}/y"}},
        {"drop": True, "applied": "once"},
        {"status": 400, "body": error},
    )
    for number, fault in enumerate(faults):
        name = f"fault-{number}"
        vault.fail("set", times=1, **fault)
        try:
            sweep.saw("results", await service.set_secret(name, echoed))
        except Rejected as refusal:
            sweep.saw("results", refusal)
        await _healed(service, vault)
        for asked in (name, f"unknown-{number}"):
            vault.fail("get", times=1, **fault)
            with suppress(HoldfastError):
                sweep.saw("results", await service.get_secret(asked))
            await _healed(service, vault)
    async with vault.refusing():
        sweep.saw("results", await service.set_secret("refused", echoed), await service.get_secret("refused"))
    vault.fail("set", times=1, status=400, body=error)  # of what was accepted in the outage, which parks it
    async with asyncio.timeout(60):
        while not (report := await service.reconcile(retry=True)).parked:
            await asyncio.sleep(0.05)
    sweep.saw("results", await service.get_secret_health(), report)
    with suppress(HoldfastError):
        sweep.saw("results", await service.sync())


async def _healed(service: SecretsService, vault: ScriptedVault) -> None:
    """Let Key Vault answer well, so that it is the next fault that is met, and no open breaker."""
    vault.heal()
    await service.set_secret("fine", "x")
    assert all(backend.healthy for backend in service.backends() if backend.name == "keyvault")


async def _streamed(sweep: Sweep, settings: Settings, file: Path) -> None:
    """The lines of the audit trail as they leave the house."""
    dsn = settings.database_url or ""

    async def all_there() -> bool:
        ((recorded,),) = await rows(dsn, "SELECT count(*) FROM secret_access_logs")
        return bool(recorded) and file.exists() and file.read_bytes().count(b"\n") >= recorded

    await within(60, all_there)
    sweep.saw("audit lines", file.read_bytes())


async def _notices(sweep: Sweep, settings: Settings, folder: Path) -> None:
    """What people are told by mail and by a webhook: among it what Key Vault said as it refused a change for good."""
    (folder / "notices").mkdir()
    ca_file, context = make_authority(folder / "notices")
    async with mail_server(context) as box, receiving(context) as receiver:
        world = World(settings.database_url or "", folder / "told", box, receiver, ca_file)
        async with world.node(encryption_key=settings.encryption_key) as inside:
            await inside.service.set_secret("lib-0", "x", expires_at=datetime.now(UTC) + timedelta(days=2))
            await inside.parts.notices.watch(inside.parts.watched()).look()
            while await deliver(inside):
                pass
        assert {f"siem {topic}" for topic in ("secret.expiring", "intent.parked")} <= set(world.told)
        sweep.saw("notices", *(message.as_bytes() for _, message in box.taken))
        sweep.saw("notices", *(body for _, body in receiver.taken))


async def _shared_cache(sweep: Sweep, service: SecretsService, url: str) -> None:
    """Everything Redis holds, as it holds it. One that was slow a moment ago may have been passed over."""
    with redis.Redis.from_url(url) as client:
        name = (await service.list_secrets())[0].name

        async def filled() -> bool:
            await service.invalidate_cache(name)
            await service.get_secret(name)
            return bool(list(client.scan_iter()))

        await within(30, filled)
        keys = list(client.scan_iter())
        sweep.saw("redis", *keys, *(client.dump(key) or b"" for key in keys))
        sweep.saw("redis", *(client.get(key) or b"" for key in keys if client.type(key) == b"string"))
        sweep.saw("redis", repr(client.slowlog_get()), repr(client.client_list()))


async def _spool(sweep: Sweep, settings: Settings, folder: Path) -> None:
    """Audit records of an outage of PostgreSQL, with a read, a refusal and a failed login among them."""
    value = sweep.mark("value in an audit outage", canary())
    async with opened(
        settings.database_url or "", folder / "outage", first_sink=FailingSink(), encryption_key=settings.encryption_key
    ) as node:
        await node.service.set_secret("spooled", value)
        sweep.saw("results", await node.service.get_secret("spooled"))
        await _refused(
            sweep,
            node.service.set_secret("spooled", value * 1000),
            node.service.set_secret("spooled", value, expected_generation=9),
            node.service.authenticate_client("nobody", value, ip_address=None),
        )
        sweep.saw_files("spool", folder / "outage")


async def _stored(sweep: Sweep, dsn: str) -> None:
    """Every row of every table, and every byte of the cluster's files: tables, log of changes, server log."""
    contents = await contents_of(dsn)
    assert contents["secrets_vault"]
    sweep.saw("database rows", *("\n".join(found).encode() for found in contents.values()))
    await execute(dsn, "CHECKPOINT")
    sweep.saw("database files", *(await table_files(dsn)).values())
    folder = cluster_folder(dsn)
    sweep.saw_files("database files", folder / "postgres" / "pg_wal")
    sweep.saw("database files", *(file.read_bytes() for file in folder.glob("*.log*")))


def _form(text: bytes) -> Any:
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", FORM["Content-Type"].encode())]}

    async def nothing(*_: object) -> object:
        raise AssertionError

    return oauth._form(Exchange({**scope, "raw_path": b"/", "query_string": b""}, nothing, nothing), text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("read", "spoil"),
    [
        (lambda text: parse_object(text.encode() + b"\xff"), ""),
        (lambda text: parse_object(f'{{"value": "{text}'.encode()), ""),
        (lambda text: parse_object(f'{{"value": "{text}", "value": 1}}'.encode()), ""),
        (valid_value, "\ud800"),
        (lambda text: Envelope(KeyRing.from_settings(KEY)).seal(a_place(), SecretValue(text)), "\ud800"),
        (lambda text: _form(f"client_secret={text}\u00ff".encode()), ""),
        (lambda text: _form(f"client_secret={text}%ff".encode()), ""),
        (lambda text: inputs._decoded(text.encode() + b"\xff"), ""),
        (parse_key, ""),
        (parse_key, "\u00ff"),
        (lambda text: Settings.from_environ({"DATABASE_URL": f"http://u:{text}@h/x", "HOME": "/"}), ""),
        (lambda text: Settings.from_environ({"REDIS_URL": f"redis://:{text}@h:port/x", "HOME": "/"}), ""),
    ],
)
def test_i13_no_error_keeps_what_it_complains_of(read: Callable[[str], object], spoil: str) -> None:
    """Not even where only a debugger or an error tracker would look: in causes, contexts and attributes."""
    sweep = Sweep()
    text = sweep.mark("it", canary())
    with pytest.raises(HoldfastError) as refusal:
        read(text + spoil)
    sweep.saw("error", refusal.value)
    assert "\n".join(map(str, sweep.hits())) == ""


# --- processes


def _process(environ: dict[str, str], *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", "from holdfast.cli.main import main; main()", *command],
        input=stdin,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_i13_the_command_line(database_url: str, redis_url: str, vault: ScriptedVault, tmp_path: Path) -> None:
    """What processes write to stderr at the most talkative level, and to stdout where no secret is asked for."""
    sweep = Sweep()
    value, key = sweep.mark("value", canary(AWKWARD)), sweep.mark("key", generate_key())
    for what, url in (("database password", database_url), ("redis password", redis_url)):
        sweep.mark(what, urlsplit(url).password or "")
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "FALLBACK_ENCRYPTION_KEY": key,
        "HOLDFAST_DATA_DIR": str(tmp_path / "data"),
        "HOLDFAST_LOG_LEVEL": "debug",
        "HOME": str(tmp_path),
        "AZURE_KEYVAULT_URL": vault.url,
        "AZURE_AUTHORITY_HOST": vault.url,
        "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
        "AZURE_CLIENT_ID": "scripted-client",
        "AZURE_CLIENT_SECRET": sweep.mark("client secret for Key Vault", CLIENT_SECRET),
        "HOLDFAST_KEYVAULT_CA": str(vault.ca_file),
    }
    runs: list[tuple[dict[str, str], list[str], str, int]] = [
        ({}, ["set", "cli"], value, 0),
        ({}, ["get", "cli"], "", 0),
        ({"HOLDFAST_LOG_FORMAT": "json"}, ["versions", "cli"], "", 0),
        ({}, ["history", "cli", "--json"], "", 0),
        ({}, ["set", "cli"], value * 1000, 2),
        ({"FALLBACK_ENCRYPTION_KEY": sweep.mark("bad key", canary())}, ["get", "cli"], "", 9),
        ({"FALLBACK_ENCRYPTION_KEY": sweep.mark("wrong key", generate_key())}, ["get", "cli"], "", 9),
        ({"DATABASE_URL": f"postgresql://u:{sweep.mark('pw', canary())}@127.0.0.1:1/x"}, ["get", "cli"], "", 9),
        ({"REDIS_URL": f"redis://:{sweep.mark('pw2', canary())}@127.0.0.1:1/0"}, ["get", "cli"], "", 0),
        ({"AZURE_CLIENT_SECRET": sweep.mark("wrong client secret", canary())}, ["set", "cli"], value, 0),
    ]
    for changes, command, stdin, code in runs:
        done = await asyncio.to_thread(_process, {**environ, **changes}, *command, stdin=stdin)
        assert done.returncode == code, (command, done.stderr[-2000:])
        sweep.saw("stderr", done.stderr.encode())
        if command[0] == "get" and code == 0:
            assert done.stdout == value
        else:
            sweep.saw("stdout", done.stdout.encode())
    added = await asyncio.to_thread(_process, environ, "client", "add", "app", "--json")
    sweep.mark("client secret", max(added.stdout.split('"'), key=len))
    sweep.saw("stderr", added.stderr.encode())
    sweep.saw("database rows", *("\n".join(found).encode() for found in (await contents_of(database_url)).values()))
    assert sweep.places == {"stderr", "stdout", "database rows"}
    assert "\n".join(map(str, sweep.hits())) == ""
