"""The built-in handlers, against the real servers whose credentials they rotate."""

import asyncio
import re
import string
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import asyncio as redis
from redis.exceptions import ConnectionError as RedisConnectionError

from holdfast.bootstrap.rotation import EXTRAS, built_in
from holdfast.domain.drawing import CLASSES
from holdfast.domain.extras import to_add
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy, SecretValue
from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.postgresql import PostgresRole
from holdfast.rotators.random_value import RandomValue, random_value
from holdfast.service.rotation.handlers import Handlers
from tests.rotation.test_rotation import let_pass
from tests.support.node import Inside, opened
from tests.support.postgres import execute


@pytest.mark.parametrize("name", EXTRAS)
def test_a_handler_whose_extra_is_missing_names_it(name: str) -> None:
    handlers = Handlers({"random": RandomValue()}, EXTRAS)
    with pytest.raises(InvalidInput, match=re.escape(to_add(EXTRAS[name]))):
        handlers.chosen(SecretName("db"), RotationPolicy(handler=name))
    with pytest.raises(InvalidInput, match="Nothing here knows how"):
        handlers.chosen(SecretName("db"), RotationPolicy(handler="unheard-of"))
    with pytest.raises(InvalidInput, match="Nothing here knows how"):
        handlers.chosen(SecretName("db"), None)
    assert handlers.chosen(SecretName("db"), RotationPolicy(handler="random"))[0] == "random"


def test_all_that_a_node_has_with_every_extra_is_known() -> None:
    async def nothing(_: str) -> str:
        return ""

    assert built_in(nothing).keys() >= EXTRAS.keys()


HOSTILE = 'o"; DROP ROLE "x\'; --'


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        yield node


async def logs_in(dsn: str, role: str, password: str) -> bool:
    try:
        connection = await asyncpg.connect(dsn, user=role, password=password)
    except asyncpg.InvalidPasswordError:
        return False
    await connection.close()
    return True


async def make_roles(dsn: str, *roles: str) -> None:
    for role in roles:
        quoted = role.replace('"', '""')
        with suppress(asyncpg.DuplicateObjectError):
            await execute(dsn, f'CREATE ROLE "{quoted}" LOGIN')
        await execute(dsn, f"ALTER ROLE \"{quoted}\" LOGIN PASSWORD 'first'")
        await execute(dsn, f'COMMENT ON ROLE "{quoted}" IS NULL')


@given(
    length=st.integers(12, 64), classes=st.lists(st.sampled_from(sorted(CLASSES)), min_size=1, max_size=4, unique=True)
)
@settings(max_examples=60, deadline=None)
def test_random_values_keep_what_is_asked(length: int, classes: list[str]) -> None:
    value = random_value({"length": str(length), "classes": ",".join(classes)})
    assert len(value) == length
    assert all(any(char in CLASSES[name] for char in value) for name in classes)
    assert all(any(char in CLASSES[name] for name in classes) for char in value)


def test_random_values_differ_and_use_all_characters() -> None:
    values = [random_value({}) for _ in range(200)]
    assert len(set(values)) == 200
    assert set("".join(values)) == set(string.ascii_letters + string.digits)


@pytest.mark.parametrize("options", [{"length": "8"}, {"length": "x"}, {"classes": "runes"}, {"classes": ""}])
def test_options_that_make_no_value_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="rotation option"):
        random_value(options)


async def test_a_random_value_is_rotated_by_its_policy(inside: Inside) -> None:
    policy = RotationPolicy(handler="random", options={"length": "40"})
    await inside.service.set_secret("k", "first", rotation_policy=policy)
    assert (await inside.service.rotate_secret("k")).version == 2
    assert len((await inside.service.get_secret("k")).value) == 40


async def test_i10_a_postgresql_role_gets_a_password_that_is_never_sent(inside: Inside, database_url: str) -> None:
    await make_roles(database_url, HOSTILE)
    await inside.service.set_secret("pg-admin", database_url)
    policy = RotationPolicy(handler="postgresql", options={"admin_secret": "pg-admin", "role": HOSTILE})
    await inside.service.set_secret("pg", "first", rotation_policy=policy)
    assert (await inside.service.rotate_secret("pg")).phase is Phase.RETIRED
    password = (await inside.service.get_secret("pg")).value
    assert await logs_in(database_url, HOSTILE, password)
    assert not await logs_in(database_url, HOSTILE, "first")
    history = await inside.service.get_access_history("pg-admin", 10)
    assert ("system", "get", "rotation") in {(each.user_id, each.operation, each.user_agent) for each in history}


async def test_a_late_holder_is_refused_by_postgresql_itself(inside: Inside, database_url: str) -> None:
    await make_roles(database_url, "late_role")
    await execute(database_url, "COMMENT ON ROLE late_role IS 'the payment service'")

    async def admin(_: str) -> str:
        return database_url

    handler, options = PostgresRole(admin), {"admin_secret": "a", "role": "late_role"}
    late = Rotation(
        name=SecretName("pg"),
        run_id=uuid4(),
        fence=7,
        current_value=SecretValue("first"),
        candidate_value=SecretValue("late-password"),
        options=options,
    )
    await handler.apply(replace(late, fence=8, candidate_value=SecretValue("present-password")))
    with pytest.raises(RotationFailed, match="too late"):
        await handler.apply(late)
    assert await logs_in(database_url, "late_role", "present-password")
    connection = await asyncpg.connect(database_url)
    query = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'late_role'"
    assert await connection.fetchval(query) == "the payment service [holdfast fence 8]"
    await connection.close()


def url_of(dsn: str, role: str, password: str) -> str:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{quote(password)}@{host}").geturl()


async def test_i10_a_pair_of_roles_takes_turns_and_nobody_is_cut_off(inside: Inside, database_url: str) -> None:
    await make_roles(database_url, "app_a", "app_b")
    await inside.service.set_secret("pg-admin", database_url)
    policy = RotationPolicy(handler="postgresql-pair", options={"admin_secret": "pg-admin", "roles": "app_a, app_b"})
    first = url_of(database_url, "app_a", "first")
    await inside.service.set_secret("pg", first, rotation_policy=policy)
    used = []
    for _ in range(3):
        before = (await inside.service.get_secret("pg")).value
        assert (await inside.service.rotate_secret("pg")).phase is Phase.CURRENT
        after = (await inside.service.get_secret("pg")).value
        for url in (before, after):
            connection = await asyncpg.connect(url)
            used.append(await connection.fetchval("SELECT current_user"))
            await connection.close()
        await inside.service.rotations.retire("pg")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(before)
    assert used == ["app_a", "app_b", "app_b", "app_a", "app_a", "app_b"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"role": "x"}, "'admin_secret' is missing"),
        ({"admin_secret": "pg-admin", "role": "x", "rolle": "y"}, "'rolle' is not known"),
        ({"admin_secret": "pg-admin", "role": "nobody_knows"}, "no role 'nobody_knows'"),
        ({"admin_secret": "not-there", "role": "x"}, "not found"),
    ],
)
async def test_what_is_wrong_with_a_handler_is_named_and_nothing_is_changed(
    inside: Inside, database_url: str, options: dict[str, str], told: str
) -> None:
    await inside.service.set_secret("pg-admin", database_url)
    policy = RotationPolicy(handler="postgresql", options=options)
    await inside.service.set_secret("pg", "first", rotation_policy=policy)
    with pytest.raises((InvalidInput, RotationFailed), match=told):
        await inside.service.rotate_secret("pg")
    assert (await inside.service.get_secret("pg")).value == "first"


async def test_i10_a_redis_user_has_both_passwords_until_the_old_one_is_retired(
    inside: Inside, database_url: str, redis_url: str
) -> None:
    admin: Any = redis.Redis.from_url(redis_url)
    await admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">first", "~*", "+@all")

    async def works(password: str) -> bool:
        client = redis.Redis.from_url(redis_url)
        client.connection_pool.connection_kwargs.update(username="app", password=password)
        try:
            return bool(await client.ping())
        except RedisConnectionError:
            return False
        finally:
            await client.aclose()

    await inside.service.set_secret("redis-admin", redis_url)
    policy = RotationPolicy(handler="redis", options={"admin_secret": "redis-admin", "user": "app"})
    await inside.service.set_secret("redis-app", "first", rotation_policy=policy)
    try:
        assert (await inside.service.rotate_secret("redis-app")).phase is Phase.CURRENT
        password = (await inside.service.get_secret("redis-app")).value
        assert [await works(each) for each in ("first", password, "wrong")] == [True, True, False]
        await let_pass(database_url)
        await inside.service.execute_scheduled_rotations()
        assert [await works(each) for each in ("first", password)] == [False, True]
    finally:
        await admin.execute_command("ACL", "DELUSER", "app")
        await admin.aclose()


def test_the_handlers_of_the_documents_are_those_there_are(inside_options: dict[str, set[str]]) -> None:
    table = (Path(__file__).parents[2] / "docs" / "rotation.md").read_text()
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    written = {row[1].strip(" `"): {option.strip(" `") for option in row[2].split(",")} for row in rows}
    assert written == inside_options


def test_the_documents_say_of_each_handler_what_refuses_a_step_that_comes_too_late() -> None:
    async def nothing(_: str) -> str:
        return ""

    document = (Path(__file__).parents[2] / "docs" / "rotation.md").read_text()
    table = document.split("| handler | what refuses a step that comes too late |")[1].split("\n\n")[0]
    written = {name.strip() for line in table.splitlines()[2:] for name in line.split("|")[1].split(",")}
    acting = {name for name, each in built_in(nothing).items() if type(each).apply is not RotationHandler.apply}
    assert written == acting


@pytest.fixture
def inside_options() -> dict[str, set[str]]:
    """What each handler takes, as it says itself when it is given something else."""

    async def nothing(_: str) -> str:
        return ""

    def taken(handler: RotationHandler) -> set[str]:
        required = {
            "admin_secret": "a",
            "role": "r",
            "roles": "a,b",
            "user": "u",
            "users": "a,b",
            "url": "x",
            "signing_secret": "s",
        }
        for size in range(len(required) + 1):
            for chosen in combinations(required, size):
                options = {name: required[name] for name in chosen} | {"strange": "x"}
                rotation = Rotation(
                    name=SecretName("k"),
                    run_id=uuid4(),
                    fence=1,
                    current_value=SecretValue("postgresql://a:b@c/d"),
                    options=options,
                )
                try:
                    asyncio.run(handler.create(rotation))
                except InvalidInput as error:
                    if "'strange' is not known" in str(error):
                        return set(str(error).rpartition("takes ")[2].rstrip(".").split(", "))
        raise AssertionError

    return {name: taken(handler) for name, handler in built_in(nothing).items()}
