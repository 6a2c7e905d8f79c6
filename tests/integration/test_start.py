"""A node that cannot serve says why, is not ready, and has written nothing."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from holdfast import create_secrets_service
from holdfast.config import Settings
from holdfast.crypto.keyring import RingKey, generate_key, parse_key
from holdfast.errors import BackendUnavailable, StartupError
from holdfast.stores.postgres.migrations import migrations
from holdfast.web.compose import create_server_app
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.support.catalog import contents_of, schema_of
from tests.support.locks import WHO, exclusively, holding
from tests.support.node import rows, settings_for
from tests.support.postgres import execute, for_database
from tests.support.scripted_postgres import answering, of_version, refusing
from tests.support.world import KEY

OTHER_KEY = generate_key()
OTHER_ID = RingKey(parse_key(OTHER_KEY)).id
FORMER_TENANT = "4ee62be6-7733-5158-93d9-3ed7c232af30"
NEWEST = migrations()[-1].version

AWAY: dict[str, tuple[tuple[bytes, ...], bool]] = {
    "closes": ((), False),
    "hangs": ((), True),
    "talks HTTP": ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), False),
    "starting up": (refusing("57P03", "the database system is starting up"), False),
    "full": (refusing("53300", "too many connections"), False),
    "refuses": (refusing("28P01", "password authentication failed"), False),
    "13": (of_version("13.22"), True),
    "9.6": (of_version("9.6.24"), True),
}

MEANING = {
    "starting up": "is starting",
    "full": "no connection left",
    "refuses": "refuses the role or the password",
}

SPOILT = {
    "a newer schema": (
        f"INSERT INTO holdfast_migrations VALUES ({NEWEST + 1}, 'of_tomorrow', 'x')",
        f"schema {NEWEST + 1}.*newer",
    ),
    "another migration": ("UPDATE holdfast_migrations SET checksum = 'x' WHERE version = 1", "Migration 1 differs"),
    "a dropped column": ("ALTER TABLE secrets_vault DROP COLUMN drift", "changed by hand.*drift"),
    "a renamed table": ("ALTER TABLE secret_intents RENAME TO intents", "changed by hand.*secret_intents"),
    "an unknown key": ("UPDATE encryption_keys SET key_id = 'feedfeedfeedfeed'", "feedfeedfeedfeed"),
    "an edited answer": (r"UPDATE encryption_keys SET known_answer = '\x01ff'", "known answer"),
}


async def state(dsn: str) -> Any:
    return await schema_of(dsn), await contents_of(dsn)


async def refused(settings: Settings, match: str) -> None:
    """Try to start."""
    service = create_secrets_service(settings)
    with pytest.raises(StartupError, match=match) as refusal:
        await service.initialize()
    assert "hidden-password" not in str(refusal.value)
    with pytest.raises(StartupError):
        service.check_ready()
    with pytest.raises(StartupError):
        await service.get_secret("k")
    await service.aclose()


async def filled(dsn: str, folder: Path) -> None:
    """Something to lose."""
    async with create_secrets_service(settings_for(dsn, folder), background=False) as service:
        await service.set_secret("k", "v")
        await service.grant_access("k", "alice", ["get"])


@pytest.mark.parametrize("spoiling", SPOILT)
async def test_a_database_for_another_release_or_ring_is_refused_and_left_alone(
    database_url: str, tmp_path: Path, spoiling: str
) -> None:
    statement, match = SPOILT[spoiling]
    await filled(database_url, tmp_path)
    await execute(database_url, statement)
    before = await state(database_url)
    await refused(settings_for(database_url, tmp_path), match)
    assert await state(database_url) == before


async def test_a_wrong_key_is_refused_and_writes_nothing(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    before = await state(database_url)
    await refused(settings_for(database_url, tmp_path, encryption_key=OTHER_KEY), "sealed with the key")
    assert await state(database_url) == before


async def test_a_wrong_key_does_not_even_migrate(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    await execute(database_url, f"DELETE FROM holdfast_migrations WHERE version = {NEWEST}")
    before = await state(database_url)
    await refused(settings_for(database_url, tmp_path, encryption_key=OTHER_KEY), "sealed with the key")
    assert await state(database_url) == before


async def test_a_former_key_that_is_missing_is_named(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    both = settings_for(database_url, tmp_path, encryption_key=OTHER_KEY, decryption_keys=(KEY,))
    async with create_secrets_service(both, background=False) as service:
        assert (await service.get_secret("k")).value == "v"
        await service.keys.activate(OTHER_ID)
        await service.set_secret("k2", "v2")
    before = await state(database_url)
    await refused(settings_for(database_url, tmp_path, encryption_key=OTHER_KEY), "sealed with the key")
    await refused(settings_for(database_url, tmp_path), "sealed with the key")
    assert await state(database_url) == before


@pytest.mark.parametrize("how", AWAY)
async def test_a_server_that_is_away_or_too_old_is_named(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.stores.postgres.pools.CONNECT_TIMEOUT_S", 0.5)
    answers, hang = AWAY[how]
    async with answering(*answers, then_hang=hang) as dsn:
        said = MEANING.get(how, "cannot be reached: PostgreSQL did not answer")
        await refused(settings_for(dsn, tmp_path), "too old" if how[0].isdigit() else said)


async def test_a_database_that_takes_no_changes_is_named(database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    name = urlsplit(database_url).path[1:]
    await execute(database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await refused(settings_for(database_url, tmp_path), "is read-only and takes no changes here: it is a standby")


@pytest.mark.parametrize("table", ["secrets_vault", "holdfast_migrations"])
async def test_who_keeps_a_node_from_starting_is_named(table: str, database_url: str, tmp_path: Path) -> None:
    await filled(database_url, tmp_path)
    async with holding(database_url, exclusively(table)) as pid:
        await refused(settings_for(database_url, tmp_path), rf"pid {pid} \({WHO}, for ")


async def test_a_database_or_role_that_is_not_there_is_named(database_url: str, tmp_path: Path) -> None:
    for dsn in (for_database(database_url, "nowhere"), database_url.replace("//holdfast:", "//stranger:")):
        await refused(settings_for(dsn, tmp_path), "cannot be reached: PostgreSQL (has no database|refuses the role)")


async def test_a_role_that_may_not_create_runs_on_a_schema_that_is_there_and_makes_none(
    database_url: str, tmp_path: Path
) -> None:
    make_guest = "CREATE ROLE guest LOGIN PASSWORD 'hidden-password'"
    may_use = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest"
    await execute(database_url, make_guest, may_use, "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO guest")
    guest = database_url.replace(database_url.partition("//")[2].partition("@")[0], "guest:hidden-password")
    try:
        await filled(guest, tmp_path)
        await execute(
            database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO guest"
        )
        before = await state(database_url)
        await refused(settings_for(guest, tmp_path), "permission denied")
        assert await state(database_url) == before
    finally:
        await execute(database_url, "DROP OWNED BY guest", "DROP ROLE guest")


async def test_a_schema_of_no_name_is_refused_by_name(database_url: str, tmp_path: Path) -> None:
    await execute(database_url, "DROP SCHEMA public CASCADE")
    await refused(settings_for(database_url, tmp_path), "no schema has been selected")


@pytest.mark.parametrize("command", [["set", "k"], ["list"], ["health"], ["serve"], ["init"]])
def test_every_command_leaves_with_9_and_without_a_trace(database_url: str, tmp_path: Path, command: list[str]) -> None:
    right = environment(database_url, tmp_path)
    assert holdfast("set", "k", stdin=b"v", environ=right).code == 0
    before = asyncio.run(contents_of(database_url))
    refusals = [
        holdfast(*command, stdin=b"w", environ=environment(database_url, tmp_path, FALLBACK_ENCRYPTION_KEY=OTHER_KEY))
    ]
    asyncio.run(execute(database_url, f"INSERT INTO holdfast_migrations VALUES ({NEWEST + 1}, 'x', 'x')"))
    newer = asyncio.run(contents_of(database_url))
    refusals.append(holdfast(*command, stdin=b"w", environ=right))
    for refusal in refusals:
        assert (refusal.code, refusal.stdout) == (9, "")
        assert refusal.stderr.count("\n") == 1
        assert "Unexpected" not in refusal.stderr
    assert asyncio.run(contents_of(database_url)) == newer
    assert {**newer, "public.holdfast_migrations": [], "holdfast_migrations": []} == {
        **before,
        "public.holdfast_migrations": [],
        "holdfast_migrations": [],
    }


# --- the tenant


async def test_the_tenant_outlives_the_keys(database_url: str, tmp_path: Path) -> None:
    async with create_secrets_service(settings_for(database_url, tmp_path), background=False) as service:
        tenant = service.tenant
    both = settings_for(database_url, tmp_path, encryption_key=OTHER_KEY, decryption_keys=(KEY,))
    async with create_secrets_service(both, background=False) as service:
        assert service.tenant == tenant
        await service.keys.activate(OTHER_ID)
        await service.set_secret("k", "v")
    await execute(database_url, "DELETE FROM encryption_keys WHERE key_id NOT IN (SELECT key_id FROM secrets_vault)")
    alone = settings_for(database_url, tmp_path, encryption_key=OTHER_KEY)
    async with create_secrets_service(alone, background=False) as service:
        assert service.tenant == tenant


async def test_an_installation_from_before_tenants_were_stored_keeps_its_own(database_url: str, tmp_path: Path) -> None:
    """The value is what the first release derived from this key."""
    async with create_secrets_service(settings_for(database_url, tmp_path), background=False) as service:
        assert service.tenant == FORMER_TENANT
    assert [str(row[0]) for row in await rows(database_url, "SELECT tenant FROM installation")] == [FORMER_TENANT]


async def test_a_server_on_the_applications_pool_makes_no_key_of_its_own(database_url: str, tmp_path: Path) -> None:
    import asyncpg

    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as pool:
        given = Settings(encryption_key=KEY, data_dir=tmp_path / "data")
        async with create_secrets_service(given, pool=pool, background=False) as service:
            create_server_app(service, given)
            create_server_app(service, Settings(data_dir=tmp_path / "data"))  # it signs with the service's ring
    assert not (tmp_path / "data" / "encryption.key").exists()


async def test_a_password_that_is_changed_under_a_running_node_is_an_outage(database_url: str, tmp_path: Path) -> None:
    """Reads go on from what is remembered, changes are refused as retryable, and the right password ends it."""
    await execute(database_url, "CREATE ROLE tenant LOGIN SUPERUSER PASSWORD 'first'")
    dsn = database_url.replace(database_url.partition("//")[2].partition("@")[0], "tenant:first")
    try:
        async with create_secrets_service(settings_for(dsn, tmp_path), background=False) as service:
            await service.set_secret("k", "v")
            assert (await service.get_secret("k")).value == "v"
            await execute(
                database_url,
                "ALTER ROLE tenant PASSWORD 'second'",
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tenant'",
            )
            assert (await service.get_secret("k")).value == "v"
            with pytest.raises(BackendUnavailable) as refusal:
                await service.set_secret("k", "w")
            assert refusal.value.retryable
            await execute(database_url, "ALTER ROLE tenant PASSWORD 'first'")
            assert (await service.set_secret("k", "w")).version == 2
    finally:
        await execute(database_url, "DROP ROLE tenant")


async def test_many_callers_share_the_few_connections_of_a_pool(database_url: str, tmp_path: Path) -> None:
    import asyncpg

    async with asyncpg.create_pool(database_url, min_size=1, max_size=3) as pool:
        given = Settings(encryption_key=KEY, data_dir=tmp_path / "data")
        async with create_secrets_service(given, pool=pool, background=False) as service:
            made = await asyncio.gather(*(service.set_secret(f"k-{number}", "v") for number in range(40)))
            assert {each.version for each in made} == {1}
            assert pool.get_size() <= 3
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            assert await pool.fetchval(count) <= 3 + 2, "the pool, and what waits for notifications"
