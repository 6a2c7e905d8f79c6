"""What is looked at before a PostgreSQL role is changed, and what counts as a login afterwards."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import InvalidInput, RotationFailed
from holdfast.rotators.postgresql_wire import proves_password
from holdfast.rotators.urls import url_of_hosts
from tests.rotation.test_handlers import logs_in, make_roles, url_of
from tests.support.cable import cable_to
from tests.support.node import Inside, opened
from tests.support.postgres import execute, fetch, for_database

ROLE = "looked_at"


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("pg-admin", database_url)
        yield node


@pytest.fixture
async def role(database_url: str) -> str:
    await make_roles(database_url, ROLE)
    await execute(database_url, f"ALTER ROLE {ROLE} VALID UNTIL 'infinity' CONNECTION LIMIT -1")
    return ROLE


async def rotate(inside: Inside, value: str = "first", handler: str = "postgresql", **options: str) -> str:
    """Rotate a secret with that value; returns the new one."""
    given = {"admin_secret": "pg-admin", **({"role": ROLE} if handler == "postgresql" else {}), **options}
    await inside.service.set_secret("pg", value, rotation_policy=RotationPolicy(handler=handler, options=given))
    result = await inside.service.rotate_secret("pg")
    assert result.phase in {Phase.RETIRED, Phase.CURRENT}
    return (await inside.service.get_secret("pg")).value


async def test_i10_a_role_at_its_limit_is_rotated_as_the_limit_is_looked_at_after_the_password(
    inside: Inside, database_url: str, role: str
) -> None:
    await execute(database_url, f"ALTER ROLE {role} CONNECTION LIMIT 1")
    held = await asyncpg.connect(database_url, user=role, password="first")
    try:
        password = await rotate(inside)
    finally:
        await held.close()
    assert await logs_in(database_url, role, password)


async def test_i10_a_role_that_may_not_use_the_administrators_database_is_rotated(
    inside: Inside, database_url: str, role: str
) -> None:
    database = urlsplit(database_url).path.removeprefix("/")
    await execute(database_url, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    password = await rotate(inside)
    elsewhere = for_database(database_url, "postgres")
    assert [await logs_in(elsewhere, role, each) for each in (password, "first")] == [True, False]
    with pytest.raises(RotationFailed, match=f"may not connect to '{database}': GRANT CONNECT"):
        await rotate(inside, password, database=database)
    assert await logs_in(elsewhere, role, await rotate(inside, password, database="postgres"))


@pytest.mark.parametrize(
    ("code", "file", "text", "proof"),
    [
        ("53300", "proc.c", "sorry, too many clients already", False),
        ("53300", "miscinit.c", "too many connections for role", True),
        ("53300", "postinit.c", "zu viele Verbindungen für Datenbank", True),
        ("42501", "postinit.c", "permission denied for database", True),
        ("28P01", "auth.c", "password authentication failed", False),
        ("28000", "auth.c", "no pg_hba.conf entry", False),
        ("28000", "miscinit.c", "role is not permitted to log in", False),
        ("42501", None, "said by a pooler", False),
    ],
)
def test_only_what_is_refused_after_the_password_proves_it(code: str, file: str | None, text: str, proof: bool) -> None:
    fields = {"C": code, "M": text, "S": "FATAL", "V": "FATAL"} | ({"F": file} if file else {})
    assert proves_password(asyncpg.PostgresError.new(fields)) is proof


@pytest.mark.parametrize(
    ("change", "value", "told"),
    [
        ("NOLOGIN", "first", "may not log in"),
        ("VALID UNTIL '2020-01-01'", "first", "past its VALID UNTIL"),
        ("PASSWORD 'other'", "first", "does not log in: .*28P01.*try_current=no"),
    ],
)
async def test_i10_what_would_fail_is_found_before_anything_is_changed(
    inside: Inside, database_url: str, role: str, change: str, value: str, told: str
) -> None:
    await execute(database_url, f"ALTER ROLE {role} {change}")
    kept = "SELECT (rolpassword, rolcanlogin, rolvaliduntil, shobj_description(oid, 'pg_authid'))::text FROM pg_authid"
    before = await fetch(database_url, f"{kept} WHERE rolname = '{role}'")
    with pytest.raises(RotationFailed, match=f"'pg' is not rotated, and nothing is changed: .*{told}"):
        await rotate(inside, value)
    assert await fetch(database_url, f"{kept} WHERE rolname = '{role}'") == before
    assert (await inside.service.get_secret("pg")).value == "first"
    assert (await inside.service.rotations.status("pg")).run is None


async def test_an_administrator_without_the_right_is_found_before_anything_is_changed(
    inside: Inside, database_url: str, role: str
) -> None:
    await make_roles(database_url, "no_boss")
    await inside.service.set_secret("pg-admin", url_of(database_url, "no_boss", "first"))
    with pytest.raises(RotationFailed, match="42501: permission denied"):
        await rotate(inside)
    assert (await inside.service.rotations.status("pg")).run is None


async def test_a_role_whose_password_is_lost_is_rotated_when_the_policy_says_so(
    inside: Inside, database_url: str, role: str
) -> None:
    assert await logs_in(database_url, role, await rotate(inside, "nobody knows", try_current="no"))
    with pytest.raises(InvalidInput, match="'try_current' must be yes or no"):
        await rotate(inside, try_current="maybe")


@asynccontextmanager
async def only_let_into(dsn: str, role: str, database: str) -> AsyncIterator[None]:
    """pg_hba.conf that lets a role into one database alone."""
    file = Path(str(await fetch(dsn, "SHOW hba_file")))
    before = file.read_text()
    file.write_text(f"local {database} {role} scram-sha-256\nlocal all {role} reject\n{before}")
    try:
        await execute(dsn, "SELECT pg_reload_conf()")
        yield
    finally:
        file.write_text(before)
        await execute(dsn, "SELECT pg_reload_conf()")


async def test_i10_what_pg_hba_lets_nobody_into_is_found_by_trying_the_current_password(
    inside: Inside, database_url: str, role: str
) -> None:
    async with only_let_into(database_url, role, "postgres"):
        with pytest.raises(RotationFailed, match=r"28000: pg_hba\.conf rejects connection"):
            await rotate(inside)
        elsewhere = for_database(database_url, "postgres")
        assert await logs_in(elsewhere, role, "first")
        assert await logs_in(elsewhere, role, await rotate(inside, database="postgres"))


async def test_i10_a_pair_looks_at_the_role_that_comes_next(inside: Inside, database_url: str) -> None:
    await make_roles(database_url, "next_a", "next_b")
    await execute(database_url, "ALTER ROLE next_a PASSWORD 'first'", "ALTER ROLE next_b PASSWORD NULL")
    first, pair = url_of(database_url, "next_a", "first"), "next_a,next_b"
    async with only_let_into(database_url, "next_b", "postgres"):
        with pytest.raises(RotationFailed, match=r"did not let next_b in \(28000"):
            await rotate(inside, first, "postgresql-pair", roles=pair)
    await execute(database_url, "ALTER ROLE next_b NOLOGIN")
    with pytest.raises(RotationFailed, match="'next_b' may not log in"):
        await rotate(inside, first, "postgresql-pair", roles=pair)
    await execute(database_url, "ALTER ROLE next_b LOGIN")
    assert "next_b:" in await rotate(inside, first, "postgresql-pair", roles=pair)


async def test_a_secret_that_is_a_url_stays_one_and_is_tried_in_its_own_database(
    inside: Inside, database_url: str, role: str
) -> None:
    database = urlsplit(database_url).path.removeprefix("/")
    await execute(database_url, f"REVOKE CONNECT ON DATABASE {database} FROM PUBLIC")
    first = url_of(for_database(database_url, "postgres"), role, "first")
    made = await rotate(inside, first)
    connection = await asyncpg.connect(made)
    assert await connection.fetchval("SELECT current_user || '@' || current_database()") == f"{role}@postgres"
    await connection.close()
    with pytest.raises(InvalidInput, match="of another role than the one in the option 'role'"):
        await rotate(inside, made, role="somebody")


async def test_urls_of_several_hosts_and_any_parameters_are_rotated(inside: Inside, database_url: str) -> None:
    await make_roles(database_url, "many_a", "many_b")
    async with cable_to(database_url) as here, cable_to(database_url) as too:
        one, other = (urlsplit(cable.dsn) for cable in (here, too))
        hosts = f"{one.netloc.rpartition('@')[2]},{other.netloc.rpartition('@')[2]}"
        admin = one._replace(netloc=f"{one.netloc.rpartition('@')[0]}@{hosts}", query="connect_timeout=10").geturl()
        await inside.service.set_secret("pg-admin", admin)
        rest = f"@{hosts}{one.path}?target_session_attrs=primary&connect_timeout=10&keepalives=1&weird=%2f#&"
        made = await rotate(
            inside, f"postgresql+psycopg://many_a:first{rest}", "postgresql-pair", roles="many_a,many_b"
        )
        assert made.startswith("postgresql+psycopg://many_b:")
        assert made.endswith(rest)
        with pytest.raises(InvalidInput, match="names another server"):
            await rotate(
                inside, f"{made.replace(hosts, f'{hosts},elsewhere')}", "postgresql-pair", roles="many_a,many_b"
            )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host/db?user=many_a&password=first",
        "postgresql://many_a:first@host/db?password=second",
        "postgresql://many_a:first@host:port/db",
        "mysql://many_a:first@host/db",
        "first",
    ],
)
async def test_a_url_without_its_role_before_the_host_is_refused_in_plain_words(inside: Inside, url: str) -> None:
    with pytest.raises(InvalidInput, match="a role and its password before the host, and neither in the query"):
        await rotate(inside, url, "postgresql-pair", roles="many_a,many_b")


async def test_an_administrators_url_that_cannot_be_kept_is_refused_by_its_parameter(
    inside: Inside, database_url: str, role: str
) -> None:
    await inside.service.set_secret("pg-admin", f"{database_url}&channel_binding=require")
    with pytest.raises(InvalidInput, match="'pg-admin' that 'admin_secret' names has the parameter 'channel_binding'"):
        await rotate(inside)


@given(
    rest=st.text(st.characters(exclude_characters="@", exclude_categories=["Cs"])),
    user=st.text(min_size=1),
    word=st.text(),
)
def test_all_else_of_a_url_stays_byte_for_byte(rest: str, user: str, word: str) -> None:
    url: Any = url_of_hosts(f"postgresql://a:b@host/{rest}")
    made = url.of(user.encode("utf-8", "ignore").decode(), word.encode("utf-8", "ignore").decode())
    assert made.endswith(f"@host/{rest}")
    assert made.startswith("postgresql://")
