"""A server that starts while PostgreSQL is not there for it waits, says why, and comes up by itself."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import StartupDelayed, StartupError
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.support.certificates import make_authority
from tests.support.folders import short_folder
from tests.support.lines import lines_of
from tests.support.locks import WHO, exclusively, holding
from tests.support.node import service_on, within
from tests.support.postgres import execute, fetch, for_database
from tests.support.scripted_postgres import answering
from tests.support.standby import standby_beside
from tests.support.tls_ports import tls_before
from tests.support.waiting import accepts, lines, nowhere, process, waiting

AT_ONCE_S = 10.0
"""With no load it takes 0.4 s; draining would take minutes."""

READ_ONLY = "PostgreSQL is read-only and takes no changes here: it is a standby, or default_transaction_read_only is on"


async def test_a_server_that_starts_later_is_waited_for(used_folder: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(used_folder)
    dsn = await postgres.start()
    await postgres.stop()
    with lines_of("holdfast") as told:
        async with waiting(dsn, tmp_path) as server:
            await server.says("PostgreSQL does not run, or not where DATABASE_URL leads")
            await postgres.start()
            try:
                served = await server.up()
                assert served.admin_token
                assert (await server.client.request("GET", "/v1/whoami")).status == 401
            finally:
                server.task.cancel()
                await asyncio.wait({server.task})
                await postgres.stop()
    assert [level for level, text in told if "This node" in text] == ["warning", "info"]


async def test_a_primary_that_takes_no_changes_is_waited_for(database_url: str, tmp_path: Path) -> None:
    name = urlsplit(database_url).path[1:]
    await execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with waiting(database_url, tmp_path) as server:
        await server.says(READ_ONLY)
        await execute(
            for_database(database_url, "postgres"), f"ALTER DATABASE {name} RESET default_transaction_read_only"
        )
        await server.up()


async def test_a_standby_is_waited_for_until_it_is_promoted(used_folder: Path, tmp_path: Path) -> None:
    primary = EmbeddedPostgres(used_folder)
    async with AsyncExitStack() as stack:
        dsn = await primary.start()
        stack.push_async_callback(primary.stop)
        async with service_on(dsn, tmp_path) as service:
            await service.set_secret("k", "v")
        root = stack.enter_context(short_folder())
        pair = await stack.enter_async_context(standby_beside(dsn, root / "data"))
        with pytest.raises(StartupDelayed, match=READ_ONLY):
            await service_on(pair.standby, tmp_path).initialize()
        examined = await asyncio.to_thread(holdfast, "doctor", environ=environment(pair.standby, tmp_path))
        assert examined.code == 1
        assert "This PostgreSQL is a read-only replica" in examined.stdout
        server = await stack.enter_async_context(waiting(pair.standby, tmp_path))
        await server.says(READ_ONLY)
        assert await fetch(pair.standby, "SELECT pg_promote()")
        await server.up()


async def test_connections_that_are_used_up_are_waited_for(database_url: str, tmp_path: Path) -> None:
    dsn = database_url.replace(urlsplit(database_url).netloc.partition("@")[0], "crowd:pw")
    await execute(
        database_url,
        "CREATE ROLE crowd LOGIN PASSWORD 'pw' CONNECTION LIMIT 0",
        f"ALTER DATABASE {urlsplit(database_url).path[1:]} OWNER TO crowd",
    )
    await execute(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public AUTHORIZATION crowd")
    try:
        async with waiting(dsn, tmp_path) as server:
            await server.says("PostgreSQL has no connection left")
            await execute(database_url, "ALTER ROLE crowd CONNECTION LIMIT 30")
            await server.up()
    finally:
        await execute(database_url, "REASSIGN OWNED BY crowd TO CURRENT_USER", "DROP ROLE crowd")


async def test_a_locked_table_of_migrations_is_waited_for_and_who_holds_it_is_told_to_no_stranger(
    database_url: str, tmp_path: Path
) -> None:
    with lines_of("holdfast") as told:
        async with (
            holding(database_url, exclusively("holdfast_migrations")) as pid,
            waiting(database_url, tmp_path) as server,
        ):
            await server.says("This node is starting")
            await server.says("Another session of PostgreSQL holds what this needs")
            assert WHO.encode() not in (await server.ready()).body
            await execute(database_url, f"SELECT pg_terminate_backend({pid})")
            await server.up()
    assert f"pid {pid} ({WHO}" in next(text for level, text in told if level == "warning")


async def test_while_it_waits_it_is_alive_and_refuses_all_in_the_form_of_each_surface(tmp_path: Path) -> None:
    async with waiting(nowhere(tmp_path), tmp_path) as server:
        ready = await server.ready()
        assert (ready.status, ready.json["status"], ready.header("retry-after")) == (503, "not ready", "2")
        ask = server.client.request
        alive = await ask("GET", "/healthz")
        assert (alive.status, alive.json) == (200, {"status": "alive"})
        vault = await ask("GET", "/secrets/db?api-version=7.4")
        assert (vault.status, vault.codes[0], vault.header("retry-after")) == (503, "ServiceUnavailable", "2")
        own = await ask("PUT", "/v1/secrets/db", {"value": "hidden-value"})
        assert (own.status, own.problem["code"], own.header("retry-after")) == (503, "starting", "2")
        assert own.problem["retryable"]
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        token = await ask("POST", "/some/oauth2/v2.0/token", b"grant_type=client_credentials", form)
        assert (token.status, token.json["error"], token.header("retry-after")) == (503, "temporarily_unavailable", "2")
        for answer in (ready, vault, own, token):
            assert b"hidden" not in answer.body


async def test_a_connection_from_before_is_answered_afterwards(database_url: str, tmp_path: Path) -> None:
    name = urlsplit(database_url).path[1:]
    await execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    async with waiting(database_url, tmp_path) as server:
        await server.says(READ_ONLY)
        async with server.client.connected() as connection:
            await connection.send(server.client.head("GET", "/secrets/db?api-version=7.4", {}, None))
            assert (await connection.response()).status == 503
            await execute(
                for_database(database_url, "postgres"), f"ALTER DATABASE {name} RESET default_transaction_read_only"
            )
            await server.up()
            await connection.send(server.client.head("GET", "/secrets/db?api-version=7.4", {}, None))
            assert (await connection.response()).status == 401


SPOILT = {
    "password": "refuses the role or the password",
    "database": "has no database of the name",
    "no TLS": "did not answer .ConnectionError.",
    "authority": "certificate is not trusted",
    "host": "certificate is not trusted",
}


@asynccontextmanager
async def spoilt_dsn(spoilt: str, database_url: str, folder: Path) -> AsyncIterator[str]:
    """The address of a PostgreSQL that runs, and does not let us in."""
    url = urlsplit(database_url)
    if spoilt == "password":
        yield urlunsplit(url._replace(netloc=f"{url.username}:hidden-password@"))
    elif spoilt == "database":
        yield for_database(database_url, "nowhere")
    elif spoilt == "no TLS":
        async with answering(b"N") as dsn:
            yield dsn.replace("sslmode=disable", "sslmode=require")
    else:
        socket = f"{parse_qs(url.query)['host'][0]}/.s.PGSQL.5432"
        host = "127.0.0.2" if spoilt == "host" else "127.0.0.1"
        async with tls_before(socket, folder / "server", asked=True, host=host) as (port, ca):
            trusted = make_authority(folder)[0] if spoilt == "authority" else ca
            query = f"sslmode=verify-full&sslrootcert={quote(str(trusted))}"
            yield urlunsplit(url._replace(netloc=f"{url.netloc.rpartition('@')[0]}@127.0.0.1:{port}", query=query))


@pytest.mark.parametrize("spoilt", SPOILT)
async def test_what_no_waiting_changes_ends_it_at_once(spoilt: str, database_url: str, tmp_path: Path) -> None:
    async with spoilt_dsn(spoilt, database_url, tmp_path) as dsn, waiting(dsn, tmp_path) as server:
        with pytest.raises(StartupError, match=SPOILT[spoilt]) as refusal:
            await server.task
        assert not isinstance(refusal.value, StartupDelayed)


@pytest.mark.parametrize("spoilt", ["password", "authority"])
async def test_what_no_waiting_changes_is_exit_code_9(spoilt: str, database_url: str, tmp_path: Path) -> None:
    async with (
        spoilt_dsn(spoilt, database_url, tmp_path) as dsn,
        process(dsn, tmp_path) as (server, _),
        asyncio.timeout(60),
    ):
        assert await server.wait() == 9
    written = "".join(lines(tmp_path))
    assert SPOILT[spoilt] in written
    assert "hidden" not in written


async def test_what_no_waiting_changes_ends_the_wait_as_well(used_folder: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(used_folder)
    dsn = await postgres.start()
    await postgres.stop()
    async with waiting(for_database(dsn, "nowhere"), tmp_path) as server:
        await server.says("PostgreSQL does not run")
        await postgres.start()
        try:
            with pytest.raises(StartupError, match="no database of the name"):
                await server.task
        finally:
            await postgres.stop()


@pytest.mark.parametrize("arguments", [(), ("--workers", "2")])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_waits_no_longer(
    arguments: tuple[str, ...], number: signal.Signals, tmp_path: Path
) -> None:
    async with process(nowhere(tmp_path), tmp_path, *arguments) as (server, client):
        await within(60, lambda: _let_in(client))
        assert (await client.request("GET", "/readyz")).status == 503
        server.send_signal(number)
        async with asyncio.timeout(AT_ONCE_S):
            assert await server.wait() == 0
    events = [json.loads(line)["event"] for line in lines(tmp_path) if line.startswith("{")]
    assert events == ["start_waits"]
    assert "hidden" not in "".join(lines(tmp_path))


async def test_several_workers_wait_and_come_up(used_folder: Path, tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(used_folder)
    dsn = await postgres.start()
    await postgres.stop()
    async with process(dsn, tmp_path, "--workers", "2") as (server, client):
        await within(60, lambda: _let_in(client))
        assert "does not run" in (await client.request("GET", "/readyz")).json["reason"]
        await postgres.start()
        try:

            async def up() -> bool:
                await asyncio.sleep(0.05)
                return any("Holdfast is running" in line for line in lines(tmp_path))

            await within(60, up)
            assert [(await client.request("GET", "/readyz")).status for _ in range(8)] == [200] * 8
            server.send_signal(signal.SIGINT)
            assert await server.wait() == 0
        finally:
            await postgres.stop()


async def _let_in(client: object) -> bool:
    await asyncio.sleep(0.05)
    return await accepts(client)  # type: ignore[arg-type]


@pytest.mark.parametrize("command", [["list"], ["health"], ["set", "k"], ["init"]])
def test_other_commands_do_not_wait_and_name_the_case(command: list[str], database_url: str, tmp_path: Path) -> None:
    name = urlsplit(database_url).path[1:]
    asyncio.run(execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    outcome = holdfast(*command, stdin=b"v", environ=environment(database_url, tmp_path))
    assert (outcome.code, outcome.stdout) == (9, "")
    assert READ_ONLY in outcome.stderr
