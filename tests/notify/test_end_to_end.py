"""From a secret that expires to a mail that is read: real nodes, a real mail server and a real receiver, over TLS."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.domain.notices import NoticeState, Topic
from holdfast.resilience.supervision import Supervisor
from holdfast.service.notices.delivery import Lane
from tests.notify.world import ADA, BOB, World, deliver, happened
from tests.support.node import rows
from tests.support.world import Crash, CrashOnce

CANARY = "c4n4ry-value-that-no-notice-holds"


async def test_i13_who_is_to_be_told_of_an_expiry_is_and_no_value_leaves(world: World) -> None:
    async with world.node() as inside:
        soon = datetime.now(UTC) + timedelta(days=5)
        await inside.service.set_secret("Api-Key", CANARY, expires_at=soon, notify_on_expiry=[ADA, BOB])
        await inside.service.schedule_rotation("Api-Key", 5)
        await inside.parts.notices.watch(inside.parts.watched()).look()
        assert await deliver(inside) == 6
        assert await deliver(inside) == 0
    assert world.told == {
        "siem secret.expiring": 1,
        "siem rotation.soon": 1,
        **dict.fromkeys((f"{who} [Holdfast] Api-Key expires in 5 days" for who in (ADA, BOB)), 1),
        **dict.fromkeys((f"{who} [Holdfast] api-key is to be rotated in 5 days" for who in (ADA, BOB)), 1),
    }
    sent = [message.as_bytes() for _, message in world.box.taken] + [body for _, body in world.receiver.taken]
    assert not any(CANARY.encode() in each for each in sent)
    assert CANARY not in str(await rows(world.dsn, "SELECT * FROM notices"))


async def test_chats_and_the_mailbox_of_operators_get_their_own_form_of_it(world: World) -> None:
    origin = world.receiver.origin
    channels = (("chat", f"slack:{origin}/s"), ("team", f"teams:{origin}/t"), ("desk", "mailto:desk@example.com"))
    async with world.node(notice_channels=channels) as inside:
        await inside.parts.notices.notifier.announce(happened(1))
        assert (await deliver(inside), await deliver(inside)) == (3, 0)
    assert [(to, message["Subject"]) for to, message in world.box.taken] == [("desk@example.com", "[Holdfast] Event 1")]
    slack, teams = sorted(world.receiver.documents, key=lambda each: "attachments" in each)
    assert slack["text"] == "[Holdfast] Event 1"
    assert teams["attachments"][0]["content"]["fallbackText"] == "[Holdfast] Event 1"


async def test_what_a_receiver_that_is_down_misses_it_gets_once_when_it_is_back(world: World) -> None:
    async with world.node() as inside:
        world.receiver.status = 503
        await inside.parts.notices.notifier.announce(happened(1), [ADA])
        for _ in range(3):
            await deliver(inside)
            await world.make_due()
        assert (world.receiver.asked, world.told) == (3, {f"{ADA} [Holdfast] Event 1": 1})
        (waiting,) = await inside.parts.notices.store.notices(NoticeState.WAITING)
        assert (waiting.attempts, waiting.last_error) == (3, "127.0.0.1 answered 503, not 2xx.")
        world.receiver.status = 204
        assert (await deliver(inside), await deliver(inside)) == (1, 0)
    assert world.told == {f"{ADA} [Holdfast] Event 1": 1, "siem keys": 1}


async def test_a_recipient_that_is_refused_for_good_blocks_no_other(world: World) -> None:
    world.box.refusals[ADA] = "550 no such user"
    async with world.node() as inside:
        for number in range(6):
            await inside.parts.notices.notifier.announce(happened(number), [ADA, BOB])
        while await deliver(inside):
            pass
        dead = await inside.parts.notices.store.notices(NoticeState.DEAD)
    assert {(each.recipient, each.attempts, each.last_error) for each in dead} == {
        (ADA, 1, "The mail server 127.0.0.1 refuses the recipient (550).")
    }
    assert len(dead) == 6
    assert world.told == {"siem keys": 6, **{f"{BOB} [Holdfast] Event {number}": 1 for number in range(6)}}


async def test_two_nodes_that_deliver_at_the_same_time_tell_each_once(world: World) -> None:
    async with world.node() as one, world.node() as other:
        for number in range(6):
            await asyncio.gather(
                *(node.parts.notices.notifier.announce(happened(number), [ADA]) for node in (one, other))
            )
        while await deliver(one, other):
            pass
    assert world.told == {"siem keys": 6, **{f"{ADA} [Holdfast] Event {number}": 1 for number in range(6)}}


@pytest.mark.parametrize("digest", [False, True])
async def test_who_dies_between_sending_and_noting_sends_the_same_message_again(world: World, digest: bool) -> None:
    async with world.node(notice_digest=("*",)) as inside:
        parts = inside.parts.notices
        topic = Topic.INTENT_PARKED if digest else Topic.KEYS
        for number in range(3 if digest else 1):
            await parts.notifier.announce(happened(number, topic), [ADA])
        for name, channel, mail in (("siem", parts.channels.named["siem"], None), ("mail", None, parts.channels.mail)):
            crash = CrashOnce()
            crash.point = "sent"
            channels = {} if channel is None else {name: channel}
            dying = Lane(parts.store, parts.clock, channels=channels, mail=mail, crashpoint=crash)
            await world.make_due()
            with pytest.raises(Crash):
                await dying.deliver()
        await world.make_due()
        await deliver(inside)
    (first, again), (head, head_again) = (
        (message for _, message in world.box.taken),
        (h for h, _ in world.receiver.taken),
    )
    assert first["Message-ID"] == again["Message-ID"]
    assert head["webhook-id"] == head_again["webhook-id"]
    assert first["Subject"] == ("[Holdfast] 3 notices of the day" if digest else "[Holdfast] Event 0")


async def test_a_running_node_looks_and_tells_by_itself(world: World) -> None:
    async with world.node() as inside:
        await inside.service.set_secret("api-key", "v", expires_at=datetime.now(UTC), notify_on_expiry=[ADA])
        running = [
            asyncio.create_task(Supervisor().run(name, work))
            for name, work in inside.parts.notices.background(inside.parts.watched()).items()
        ]
        async with asyncio.timeout(60):
            while len(world.told) < 2:
                await asyncio.sleep(0.05)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert world.told == {f"{ADA} [Holdfast] api-key has expired": 1, "siem secret.expired": 1}


async def test_who_is_about_to_lose_access_hears_of_it(world: World) -> None:
    async with world.node() as inside:
        soon = datetime.now(UTC) + timedelta(days=6)
        for user in (ADA, "app-1"):
            await inside.service.grant_access("pay-*", user, ["get"], expires_at=soon)
            await inside.service.access.assign_role(user, "reader", "db-*", expires_at=soon)
        notices = inside.parts.notices
        await notices.watch(inside.parts.watched()).look()
        assert await notices.store.notices() == []  # it was never meant to last
        for table in ("secret_access_control", "role_assignments"):
            await rows(world.dsn, f"UPDATE {table} SET granted_at = now() - interval '80 days'")
        await notices.watch(inside.parts.watched()).look()
        while await deliver(inside):
            pass
    assert world.told == {
        f"{ADA} [Holdfast] The access of {ADA} to pay-* ends in 6 days": 1,
        f"{ADA} [Holdfast] The access of {ADA} to db-* ends in 6 days": 1,
        "siem grant.expiring": 4,
    }
