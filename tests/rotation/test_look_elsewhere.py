"""What is looked at before a user of MariaDB, RabbitMQ or Redis is changed, and what counts as a login afterwards."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from redis import asyncio as redis

from holdfast.domain.secret import SecretValue
from holdfast.errors import RotationFailed
from holdfast.ports import Rotation
from holdfast.rotators.mariadb import MariaDbUser, MariaDbUserPair
from holdfast.rotators.rabbitmq import RabbitMqUserPair
from holdfast.rotators.redis_user import RedisUser
from tests.rotation.test_broker_users import admin_of as broker_admin_of
from tests.rotation.test_broker_users import amqp
from tests.rotation.test_broker_users import rotation_of as broker_rotation_of
from tests.rotation.test_database_users import FIRST, admin_of, make_users, rotation_of
from tests.support.mariadb import MariaDb
from tests.support.rabbitmq import RabbitMq

needs_mariadb, needs_rabbitmq = pytest.mark.services("mariadb-server"), pytest.mark.services("rabbitmq-server")


@needs_mariadb
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DROP USER looked@'%%'", "no user 'looked'@'%'"),
        ("ALTER USER looked@'%%' ACCOUNT LOCK", "'looked'@'%' is locked"),
        ("ALTER USER looked@'%%' IDENTIFIED BY 'other'", "'looked'@'%' has another password"),
        ("CREATE OR REPLACE USER looked@'127.0.0.1' IDENTIFIED BY 'nearer'", "1045: access denied, by user, host"),
    ],
)
async def test_i10_what_would_fail_at_mariadb_is_found_before_anything_is_changed(
    mariadb: MariaDb, change: str, told: str
) -> None:
    make_users(mariadb, "looked")
    mariadb.ask(change.replace("%%", "%"))
    kept = "SELECT Priv FROM mysql.global_priv WHERE User = 'looked' ORDER BY Host"
    before = mariadb.ask(kept)
    try:
        with pytest.raises(RotationFailed, match=told):
            await MariaDbUser(admin_of(mariadb)).look(rotation_of(mariadb, "looked", "second"))
        assert mariadb.ask(kept) == before
    finally:
        mariadb.ask("DROP USER IF EXISTS looked@'%', looked@'127.0.0.1'")


@needs_mariadb
@pytest.mark.parametrize("limit", ["MAX_USER_CONNECTIONS", "MAX_CONNECTIONS_PER_HOUR"])
async def test_i10_what_mariadb_refuses_after_the_password_proves_it(mariadb: MariaDb, limit: str) -> None:
    user = limit.lower()
    make_users(mariadb, user)
    handler, rotation = MariaDbUser(admin_of(mariadb)), rotation_of(mariadb, user, "second")
    mariadb.ask(f"ALTER USER {user}@'%' WITH {limit} 1")
    held = mariadb.connect(user, FIRST)
    try:
        await handler.look(rotation)
        await handler.apply(rotation)
        await handler.test(rotation)
        with pytest.raises(RotationFailed, match="1045"):
            await handler.test(replace(rotation, candidate_value=SecretValue("wrong")))
    finally:
        held.close()


@needs_mariadb
async def test_i10_a_mariadb_user_whose_password_has_expired_is_rotated(mariadb: MariaDb) -> None:
    make_users(mariadb, "expired")
    mariadb.ask("ALTER USER expired@'%' PASSWORD EXPIRE")
    handler, rotation = MariaDbUser(admin_of(mariadb)), rotation_of(mariadb, "expired", "second")
    await handler.look(rotation)
    await handler.apply(rotation)
    with mariadb.connect("expired", "second") as connection, connection.cursor() as cursor:
        assert cursor.execute("SELECT 1") == 1


@needs_mariadb
async def test_a_mariadb_user_needs_no_right_to_the_administrators_database(mariadb: MariaDb) -> None:
    make_users(mariadb, "stranger")

    async def admin(_: str) -> str:
        return mariadb.url().replace("/?", "/mysql?")

    rotation = rotation_of(mariadb, "stranger", "second")
    await MariaDbUser(admin).look(rotation)
    await MariaDbUser(admin).apply(rotation)
    await MariaDbUser(admin).test(rotation)


@needs_mariadb
async def test_a_pair_of_mariadb_users_goes_to_nobody_who_lacks_the_database(mariadb: MariaDb) -> None:
    make_users(mariadb, "owner_a", "owner_b")

    def url(user: str, password: str) -> str:
        return mariadb.url(user, password).replace("/?", "/nowhere?")

    handler = MariaDbUserPair(admin_of(mariadb))
    pair = replace(
        rotation_of(mariadb, "", ""),
        options={"admin_secret": "admin", "users": "owner_a,owner_b"},
        current_value=SecretValue(url("owner_a", FIRST)),
        candidate_value=SecretValue(url("owner_b", "second")),
    )
    with pytest.raises(RotationFailed, match="1044: no right to the database"):
        await handler.look(pair)
    mariadb.ask("ALTER USER owner_b@'%' ACCOUNT LOCK")
    at_home = replace(
        pair,
        current_value=SecretValue(mariadb.url("owner_a", FIRST)),
        candidate_value=SecretValue(mariadb.url("owner_b", "second")),
    )
    with pytest.raises(RotationFailed, match="'owner_b'@'%' is locked"):
        await handler.look(at_home)
    mariadb.ask("ALTER USER owner_b@'%' ACCOUNT UNLOCK")
    await handler.look(at_home)


@needs_rabbitmq
async def test_i10_what_would_fail_at_rabbitmq_is_found_before_anything_is_changed(rabbitmq: RabbitMq) -> None:
    def permit(user: str) -> None:
        assert rabbitmq.ask("PUT", f"/api/permissions/%2F/{user}", {"configure": "", "write": "", "read": ""})[0] < 300

    for user in ("seen_a", "seen_b"):
        rabbitmq.make_user(user, FIRST)
    handler = RabbitMqUserPair(broker_admin_of(rabbitmq), (rabbitmq.origin,))

    def run(current: str, candidate: str = "seen_b") -> Rotation:
        urls = [amqp(*each).replace("/vhost", "/%2F") for each in (("seen_a", current), (candidate, "x"))]
        return broker_rotation_of(urls[0], urls[1], f"seen_a,{candidate}")

    permit("seen_a")
    with pytest.raises(RotationFailed, match="'seen_b' has no permissions in the vhost '/'"):
        await handler.look(run(FIRST))
    permit("seen_b")
    await handler.look(run(FIRST))
    with pytest.raises(RotationFailed, match="'seen_a' has another password"):
        await handler.look(run("wrong"))
    with pytest.raises(RotationFailed, match="no user 'seen_c'"):
        await handler.look(run(FIRST, "seen_c"))


@pytest.fixture
async def acl(redis_url: str) -> AsyncIterator[Any]:
    client: Any = redis.Redis.from_url(redis_url, decode_responses=True)
    try:
        yield client
    finally:
        await client.execute_command("ACL", "DELUSER", "looked")
        await client.aclose()


def redis_rotation(redis_url: str, current: str = FIRST) -> tuple[RedisUser, Rotation]:
    async def admin(_: str) -> str:
        return redis_url

    rotation = broker_rotation_of(current, "second", "")
    return RedisUser(admin), replace(rotation, options={"admin_secret": "admin", "user": "looked"})


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ((), "no user 'looked' at Redis"),
        (("reset", "off", f">{FIRST}"), "'looked' is off"),
        (("reset", "on", "nopass"), "is let in with any password"),
        (("reset", "on", ">other"), "has other passwords"),
        (("reset", "on"), "has other passwords"),
    ],
)
async def test_i10_what_would_fail_at_redis_is_found_before_anything_is_changed(
    acl: Any, redis_url: str, rules: tuple[str, ...], told: str
) -> None:
    if rules:
        await acl.execute_command("ACL", "SETUSER", "looked", *rules)
    before = await acl.acl_getuser("looked")
    handler, rotation = redis_rotation(redis_url)
    with pytest.raises(RotationFailed, match=told):
        await handler.look(rotation)
    assert await acl.acl_getuser("looked") == before


async def test_i10_a_redis_user_who_may_do_nothing_proves_its_password(acl: Any, redis_url: str) -> None:
    await acl.execute_command("ACL", "SETUSER", "looked", "reset", "on", f">{FIRST}", "-@all")
    handler, rotation = redis_rotation(redis_url.replace("db=0", "db=1"))
    await handler.look(rotation)
    await handler.apply(rotation)
    await handler.test(rotation)
    with pytest.raises(RotationFailed, match="invalid username-password pair"):
        await handler.test(replace(rotation, candidate_value=SecretValue("wrong")))
