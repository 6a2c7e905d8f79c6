"""RabbitMQ users in turn, on the real broker."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import RotationPolicy, SecretValue
from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation
from holdfast.rotators.options import ReadSecret
from holdfast.rotators.rabbitmq import RabbitMqUserPair, hashed, is_of
from holdfast.rotators.urls import UserUrl, user_url
from tests.rotation.test_handlers import HOSTILE
from tests.support.node import opened
from tests.support.rabbitmq import RabbitMq

FIRST = "first-password"
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters=","), min_size=1, max_size=20
)


def amqp(user: str, password: str) -> str:
    return UserUrl("amqps://x:y@127.0.0.1/vhost?heartbeat=10", "", "").of(user, password)


def admin_of(broker: RabbitMq) -> ReadSecret:
    async def read(_: str) -> str:
        return f"{broker.url()}?ssl_ca={broker.ca_file}"

    return read


def rotation_of(current: str, candidate: str, users: str) -> Rotation:
    return Rotation(
        name=SecretName("mq"),
        run_id=uuid4(),
        fence=1,
        current_value=SecretValue(current),
        candidate_value=SecretValue(candidate),
        options={"admin_secret": "admin", "users": users},
    )


@pytest.mark.services("rabbitmq-server")
async def test_i10_a_pair_of_users_takes_turns_and_keeps_tags_and_permissions(
    database_url: str, data_folder: Path, rabbitmq: RabbitMq
) -> None:
    users = ("orders a/ü", HOSTILE)
    for user in users:
        rabbitmq.make_user(user, FIRST)
    allowed = (rabbitmq.origin,)
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1), webhook_targets=allowed) as node:
        service = node.service
        await service.set_secret("mq-admin", await admin_of(rabbitmq)(""))
        policy = RotationPolicy(handler="rabbitmq-pair", options={"admin_secret": "mq-admin", "users": ",".join(users)})
        await service.set_secret("mq", amqp(users[0], FIRST), rotation_policy=policy)
        used = []
        for _ in range(3):
            before = user_url((await service.get_secret("mq")).value)
            assert (await service.rotate_secret("mq")).phase is Phase.CURRENT
            value = (await service.get_secret("mq")).value
            assert value.endswith("@127.0.0.1/vhost?heartbeat=10")
            after = user_url(value)
            assert before is not None
            assert after is not None
            assert rabbitmq.lets_in(before.user, before.password)
            assert rabbitmq.lets_in(after.user, after.password)
            used.append(after.user)
            await service.rotations.retire("mq")
            assert not rabbitmq.lets_in(before.user, before.password)
    assert used == [users[1], users[0], users[1]]
    found = {each["name"]: each["tags"] for each in rabbitmq.ask("GET", "/api/users")[1]}
    assert [found[user] for user in users] == [["management", "payments"]] * 2


@pytest.mark.services("rabbitmq-server")
async def test_i10_a_late_holder_changes_and_revokes_nothing(rabbitmq: RabbitMq) -> None:
    for user in ("late_a", "late_b"):
        rabbitmq.make_user(user, FIRST)
    handler = RabbitMqUserPair(admin_of(rabbitmq), (rabbitmq.origin,))
    run = rotation_of(amqp("late_a", FIRST), amqp("late_b", "second"), "late_a,late_b")
    await handler.apply(run)
    await handler.apply(run)  # coming twice does no harm
    await handler.test(run)
    back = replace(run, current_value=SecretValue(run.candidate), candidate_value=SecretValue(amqp("late_a", "third")))
    await handler.apply(back)
    await handler.retire(back)
    with pytest.raises(RotationFailed, match="'late_a' has another password"):
        await handler.apply(run)
    await handler.retire(run)
    assert rabbitmq.lets_in("late_a", "third")
    with pytest.raises(RotationFailed, match="did not let 'late_b' in"):
        await handler.test(run)


@pytest.mark.services("rabbitmq-server")
async def test_a_user_without_the_management_tag_is_tried_as_well(rabbitmq: RabbitMq) -> None:
    for user in ("plain_a", "plain_b"):
        rabbitmq.make_user(user, FIRST, tags="")
    handler = RabbitMqUserPair(admin_of(rabbitmq), (rabbitmq.origin,))
    run = rotation_of(amqp("plain_a", FIRST), amqp("plain_b", "second"), "plain_a,plain_b")
    with pytest.raises(RotationFailed, match="did not let"):
        await handler.test(run)
    await handler.apply(run)
    await handler.test(run)


@pytest.mark.services("rabbitmq-server")
@given(user=NAMES, password=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_name_means_one_user(rabbitmq: RabbitMq, user: str, password: str) -> None:
    rabbitmq.make_user("in use", FIRST)
    rabbitmq.make_user(user, FIRST)
    handler = RabbitMqUserPair(admin_of(rabbitmq), (rabbitmq.origin,))
    run = rotation_of(amqp("in use", FIRST), amqp(user, password), f"in use,{user}")
    await handler.apply(run)
    assert is_of(rabbitmq.ask("GET", f"/api/users/{quote(user, safe='')}")[1], password)


@pytest.mark.services("rabbitmq-server")
@pytest.mark.parametrize(
    ("url", "allowed", "told"),
    [
        ("{url}?ssl_ca={ca}", False, "not https://host/… on port 443.*HOLDFAST_WEBHOOK_TARGETS"),
        ("{url}", True, "gave no answer"),
        ("http://a:b@127.0.0.1:15672", True, "must be the URL of RabbitMQ's management API"),
        ("{origin}", True, "must be the URL of RabbitMQ's management API"),
        ("{plain}?ssl_ca={ca}", True, "answered 401; the user in 'admin_secret' needs the tag administrator"),
    ],
)
async def test_where_the_api_may_be_and_who_may_use_it(rabbitmq: RabbitMq, url: str, allowed: bool, told: str) -> None:
    rabbitmq.make_user("plain", FIRST, tags="")
    facts = {"url": rabbitmq.url(), "origin": rabbitmq.origin, "plain": rabbitmq.url("plain", FIRST)}

    async def admin(_: str) -> str:
        return url.format(**facts, ca=rabbitmq.ca_file)

    handler = RabbitMqUserPair(admin, (rabbitmq.origin,) if allowed else ())
    with pytest.raises((InvalidInput, RotationFailed), match=told):
        await handler.apply(rotation_of(amqp("a", FIRST), amqp("b", "second"), "a,b"))


@pytest.mark.parametrize("algorithm", ["rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512"])
@given(password=st.text(), other=st.text())
@settings(deadline=None)
def test_a_hash_is_of_one_password(algorithm: str, password: str, other: str) -> None:
    found = {"hashing_algorithm": algorithm}
    kept = found | {"password_hash": hashed(found, password)}
    assert is_of(kept, password)
    assert is_of(kept, other) is (password == other)
    assert not is_of(found | {"password_hash": ""}, password)


def test_the_hash_is_as_rabbitmq_writes_it() -> None:
    """The example of RabbitMQ's documentation, "Computing a Password Hash"."""
    found = {"hashing_algorithm": "rabbit_password_hashing_sha256"}
    assert is_of(found | {"password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"}, "test12")
