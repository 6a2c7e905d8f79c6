"""MariaDB users, on the real server: one user, a pair, and whoever comes late."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy, SecretValue
from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation
from holdfast.rotators.mariadb import MariaDbUser, MariaDbUserPair
from holdfast.rotators.mysql_hashes import native_hash
from holdfast.rotators.mysql_wire import account, login_of, text
from holdfast.rotators.options import ReadSecret
from holdfast.rotators.urls import user_url
from tests.rotation.test_handlers import HOSTILE
from tests.support.mariadb import MariaDb
from tests.support.node import Inside

pytestmark = pytest.mark.services("mariadb-server")

FIRST = "first-password"
NAMES = st.text(
    st.characters(codec="utf-8", max_codepoint=0xFFFF, exclude_categories=["C", "Z"]), min_size=1, max_size=30
)


def make_users(server: MariaDb, *users: str) -> None:
    for user in users:
        server.ask("CREATE OR REPLACE USER %s@'%%' IDENTIFIED BY %s", user, FIRST)


def rotation_of(server: MariaDb, user: str, candidate: str, **options: str) -> Rotation:
    return Rotation(
        name=SecretName("db"),
        run_id=uuid4(),
        fence=1,
        current_value=SecretValue(FIRST),
        candidate_value=SecretValue(candidate),
        options={"admin_secret": "admin", "user": user, **options},
    )


async def test_i10_a_user_gets_a_password_that_is_never_sent(inside: Inside, mariadb: MariaDb) -> None:
    make_users(mariadb, HOSTILE)
    await inside.service.set_secret("db-admin", mariadb.url())
    policy = RotationPolicy(handler="mariadb", options={"admin_secret": "db-admin", "user": HOSTILE})
    await inside.service.set_secret("db", FIRST, rotation_policy=policy)
    assert (await inside.service.rotate_secret("db")).phase is Phase.RETIRED
    password = (await inside.service.get_secret("db")).value
    assert (mariadb.lets_in(HOSTILE, password), mariadb.lets_in(HOSTILE, FIRST)) == (True, False)
    statements = mariadb.log.read_text()
    assert native_hash(password) in statements
    assert password not in statements


async def test_i10_a_pair_of_users_takes_turns_and_nobody_is_cut_off(inside: Inside, mariadb: MariaDb) -> None:
    make_users(mariadb, "pair_a", "pair_b")
    await inside.service.set_secret("db-admin", mariadb.url())
    options = {"admin_secret": "db-admin", "users": "pair_a, pair_b", "host": "%"}
    policy = RotationPolicy(handler="mariadb-pair", options=options)
    await inside.service.set_secret("db", mariadb.url("pair_a", FIRST), rotation_policy=policy)
    used = []
    for _ in range(3):
        before = user_url((await inside.service.get_secret("db")).value)
        assert (await inside.service.rotate_secret("db")).phase is Phase.CURRENT
        after = user_url((await inside.service.get_secret("db")).value)
        assert before is not None
        assert after is not None
        assert mariadb.lets_in(before.user, before.password)
        assert mariadb.lets_in(after.user, after.password)
        used.append(after.user)
        await inside.service.rotations.retire("db")
        assert not mariadb.lets_in(before.user, before.password)
    assert used == ["pair_b", "pair_a", "pair_b"]


async def test_i10_a_late_holder_is_refused_by_mariadb_itself(mariadb: MariaDb) -> None:
    make_users(mariadb, "late")
    handler = MariaDbUser(admin_of(mariadb))
    late = rotation_of(mariadb, "late", "late-password")
    await handler.apply(replace(late, candidate_value=SecretValue("present-password")))
    await handler.apply(replace(late, candidate_value=SecretValue("present-password")))  # coming twice does no harm
    with pytest.raises(RotationFailed, match="a later rotation has begun, or somebody changed it"):
        await handler.apply(late)
    assert mariadb.lets_in("late", "present-password")


async def test_i10_a_late_holder_of_a_pair_changes_and_revokes_nothing(mariadb: MariaDb) -> None:
    make_users(mariadb, "late_a", "late_b")
    handler = MariaDbUserPair(admin_of(mariadb))
    run = rotation_of(mariadb, "", "")
    run = replace(
        run,
        options={"admin_secret": "admin", "users": "late_a,late_b"},
        current_value=SecretValue(mariadb.url("late_a", FIRST)),
        candidate_value=SecretValue(mariadb.url("late_b", "second-password")),
    )
    await handler.apply(run)
    await handler.test(run)
    back = replace(
        run,
        current_value=SecretValue(run.candidate),
        candidate_value=SecretValue(mariadb.url("late_a", "third-password")),
    )
    await handler.apply(back)
    await handler.retire(back)
    with pytest.raises(RotationFailed, match="'late_a'@'%' has another password"):
        await handler.apply(run)
    await handler.retire(run)  # what it was to revoke is gone
    assert mariadb.lets_in("late_a", "third-password")
    assert not mariadb.lets_in("late_b", "second-password")


@pytest.mark.parametrize(
    ("handler", "options", "told"),
    [
        ("mariadb", {"user": "x"}, "'admin_secret' is missing"),
        ("mariadb", {"admin_secret": "db-admin", "user": "x", "hosst": "y"}, "'hosst' is not known"),
        ("mariadb", {"admin_secret": "db-admin", "user": "nobody_knows"}, "no user 'nobody_knows'@'%'"),
        ("mariadb", {"admin_secret": "db", "user": "x"}, "must be a URL: mysql://"),
        ("mariadb-pair", {"admin_secret": "db-admin", "users": "a"}, "must name two users"),
        ("mariadb-pair", {"admin_secret": "db-admin", "users": "a,b"}, "must be a URL: mysql://"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_changed(
    inside: Inside, mariadb: MariaDb, handler: str, options: dict[str, str], told: str
) -> None:
    await inside.service.set_secret("db-admin", mariadb.url())
    await inside.service.set_secret("db", FIRST, rotation_policy=RotationPolicy(handler=handler, options=options))
    with pytest.raises((InvalidInput, RotationFailed), match=told):
        await inside.service.rotate_secret("db")
    assert (await inside.service.get_secret("db")).value == FIRST


async def test_a_server_that_nobody_vouches_for_gets_no_credential(mariadb: MariaDb) -> None:
    make_users(mariadb, "plain")

    async def trusting_nobody(_: str) -> str:
        return mariadb.url().partition("?")[0]

    log = mariadb.log.read_text()
    with pytest.raises(RotationFailed, match=r"127\.0\.0\.1 did not let 'holdfast-admin' in"):
        await MariaDbUser(trusting_nobody).apply(rotation_of(mariadb, "plain", "new-password"))
    assert "Connect" not in mariadb.log.read_text().removeprefix(log)
    assert mariadb.lets_in("plain", FIRST)


@given(user=NAMES, password=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_name_means_one_user(mariadb: MariaDb, user: str, password: str) -> None:
    make_users(mariadb, user)
    try:
        assert mariadb.ask(f"SELECT User FROM mysql.user WHERE User = {text(user)}") == [(user,)]
        handler, rotation = MariaDbUser(admin_of(mariadb)), rotation_of(mariadb, user, password)
        await handler.apply(rotation)
        await handler.test(rotation)
        assert mariadb.lets_in(user, password)
    finally:
        mariadb.ask(f"DROP USER {account(user, '%')}")


@pytest.mark.parametrize(
    "url", ["", "mysql://", "mysql://host/db", "https://a:b@host", "mysql://a:b@host:port", "mysql://a:b@host/?ssl=off"]
)
def test_what_is_no_login_is_refused_by_name(url: str) -> None:
    with pytest.raises(InvalidInput, match="The secret 'x' must be a URL"):
        login_of(url, "The secret 'x'")


def admin_of(server: MariaDb) -> ReadSecret:
    async def read(_: str) -> str:
        return server.url()

    return read
