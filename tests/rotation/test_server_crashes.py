"""A node that dies anywhere in a rotation of a real MariaDB's or RabbitMQ's users: the current version logs in."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy
from holdfast.rotators.urls import user_url
from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.rotation.test_broker_users import amqp
from tests.rotation.test_crashes import RETIRING
from tests.rotation.test_database_users import FIRST, make_users
from tests.rotation.test_rotation import let_pass
from tests.support.mariadb import MariaDb
from tests.support.node import Inside, opened
from tests.support.rabbitmq import RabbitMq
from tests.support.world import Crash, CrashOnce

NAME = "crashing"


async def crash_everywhere(
    dsn: str, folder: Path, policy: RotationPolicy, admin: str, first: str, lets_in: Callable[[str], bool], origin: str
) -> None:
    """Die at each point of the phases; the next life has to find and keep a credential that logs in."""
    crash = CrashOnce()

    def node() -> AbstractAsyncContextManager[Inside]:
        return opened(dsn, folder, cache_ttl=timedelta(seconds=1), webhook_targets=(origin,))

    async with node() as inside:
        await inside.service.set_secret("crash-admin", admin)
        await inside.service.set_secret(NAME, first, rotation_policy=policy)
    for point in ROTATION_CRASH_POINTS if policy.handler != "mariadb" else RETIRING:
        async with node() as inside:
            inside.parts.rotation.driver._crashpoint = crash
            crash.point = point
            with pytest.raises(Crash):
                await _rotate_to_the_end(inside, dsn)
        async with node() as inside:
            for _ in range(2):
                await let_pass(dsn)
                assert all(result.success for result in await inside.service.execute_scheduled_rotations())
            assert lets_in(await _current(inside)), f"after a crash at {point}"
            run = (await inside.service.rotations.status(NAME)).run
            assert run is None or run.phase is Phase.RETIRED


async def _current(inside: Inside) -> str:
    """The current value, not fetched as a consumer would, for whom the next rotation had to wait."""
    version = (await inside.service.list_secret_versions(NAME))[-1].version
    return (await inside.service.get_secret_version(NAME, version)).value


async def _rotate_to_the_end(inside: Inside, dsn: str) -> None:
    await inside.service.rotate_secret(NAME)
    await let_pass(dsn)
    await inside.service.execute_scheduled_rotations()


@pytest.mark.services("mariadb-server")
async def test_i10_a_crash_anywhere_loses_no_mariadb_user(
    database_url: str, data_folder: Path, mariadb: MariaDb
) -> None:
    make_users(mariadb, "crashing")
    policy = RotationPolicy(handler="mariadb", options={"admin_secret": "crash-admin", "user": "crashing"})

    def lets_in(password: str) -> bool:
        return mariadb.lets_in("crashing", password)

    await crash_everywhere(database_url, data_folder, policy, mariadb.url(), FIRST, lets_in, "https://nobody.example")


@pytest.mark.services("mariadb-server")
async def test_i10_a_crash_anywhere_loses_no_pair_of_mariadb_users(
    database_url: str, data_folder: Path, mariadb: MariaDb
) -> None:
    make_users(mariadb, "crash_a", "crash_b")
    options = {"admin_secret": "crash-admin", "users": "crash_a,crash_b"}
    policy, first = RotationPolicy(handler="mariadb-pair", options=options), mariadb.url("crash_a", FIRST)
    lets_in = _as_users_of(mariadb)
    await crash_everywhere(database_url, data_folder, policy, mariadb.url(), first, lets_in, "https://nobody.example")


@pytest.mark.services("rabbitmq-server")
async def test_i10_a_crash_anywhere_loses_no_pair_of_rabbitmq_users(
    database_url: str, data_folder: Path, rabbitmq: RabbitMq
) -> None:
    for user in ("crash_a", "crash_b"):
        rabbitmq.make_user(user, FIRST)
    options = {"admin_secret": "crash-admin", "users": "crash_a,crash_b"}
    policy, first = RotationPolicy(handler="rabbitmq-pair", options=options), amqp("crash_a", FIRST)
    admin, lets_in = f"{rabbitmq.url()}?ssl_ca={rabbitmq.ca_file}", _as_users_of(rabbitmq)
    await crash_everywhere(database_url, data_folder, policy, admin, first, lets_in, rabbitmq.origin)


def _as_users_of(server: MariaDb | RabbitMq) -> Callable[[str], bool]:
    def lets_in(url: str) -> bool:
        credential = user_url(url)
        return credential is not None and server.lets_in(credential.user, credential.password)

    return lets_in
