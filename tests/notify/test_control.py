"""``service.notices``: what is seen coming is what comes, and who may see and mend it."""

from datetime import UTC, datetime, timedelta

import pytest

from holdfast.domain.notices import NoticeState, Topic
from holdfast.domain.policy import Permission
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import AccessDenied, Conflict, InvalidInput
from tests.notify.world import ADA, BOB, World, deliver, happened
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, Inside, audit, rows


async def told_by_looking(inside: Inside, until: datetime) -> list[tuple[str, str, str]]:
    """What a node that looks every six hours until then tells, in order, with how it is told apart."""
    clock, notices = VirtualClock(start=datetime.now(UTC)), inside.parts.notices
    watch = notices.watch(inside.parts.watched(), clock)
    while clock.now() <= until:
        await watch.look()
        clock.move(6 * 3600)
    return [(each.event.topic, each.event.subject, each.recipient) for each in reversed(await notices.store.notices())]


async def test_what_is_seen_coming_is_what_comes(world: World) -> None:
    now = datetime.now(UTC)
    async with world.node() as inside:
        policy = RotationPolicy(interval_days=400, notify_days_before=30)
        for name, days, to, given in (("Db", 20, [ADA], policy), ("api", 9, [BOB], None), ("far", 90, [ADA], None)):
            expiry = now + timedelta(days=days)
            await inside.service.set_secret(name, "v", expires_at=expiry, notify_on_expiry=to, rotation_policy=given)
        seen = await inside.service.notices.preview(30)
        assert seen == sorted(seen, key=lambda each: each.at)
        told = await told_by_looking(inside, now + timedelta(days=30))
        expected = [(each.topic.value, each.subject, to) for each in seen for to in each.recipients]
        assert sorted(told) == sorted(expected)
        assert {(to, each.subject) for each in seen for to in each.recipients} == {
            *(("siem", "Db"), ("siem", "api"), (ADA, "Db"), (BOB, "api"))
        }
        coming = await inside.service.notices.preview(30)
        assert [each for each in coming if each.at <= datetime.now(UTC)] == []


async def test_rotations_that_come_near_are_seen_coming_and_digests_are_told_at_their_time(world: World) -> None:
    async with world.node(notice_digest=(ADA,)) as inside:
        await inside.service.set_secret("db", "v", notify_on_expiry=[ADA])
        await inside.service.schedule_rotation("db", 60)
        assert await inside.service.notices.preview(30) == []
        at_once, later = await inside.service.notices.preview(47)
    assert (at_once.topic, at_once.recipients, later.recipients) == (Topic.ROTATION_SOON, ("siem",), (ADA,))
    assert timedelta() < later.at - at_once.at <= timedelta(days=1)
    assert (later.at.hour, later.at.minute) == (8, 0)


async def test_a_preview_shows_only_what_the_caller_may_list(world: World) -> None:
    async with world.node() as inside:
        for name in ("mine", "theirs"):
            await inside.service.set_secret(name, "v", expires_at=datetime.now(UTC) + timedelta(days=3))
        await inside.service.grant_access("mine", ALICE.user_id, ["list"])
        assert {each.subject for each in await inside.service.notices.preview(context=ALICE)} == {"mine"}


async def test_expiring_secrets_say_when_people_are_told_next(world: World) -> None:
    expiry = datetime.now(UTC) + timedelta(days=10)
    async with world.node() as inside:
        await inside.service.set_secret("db", "v", expires_at=expiry)
        await inside.service.set_secret("old", "v", expires_at=datetime.now(UTC) - timedelta(days=1))
        found = {each.secret_name: each.next_notice_at for each in await inside.service.check_expiring_secrets(30)}
    stored = await rows(world.dsn, "SELECT expires_at FROM secrets_vault WHERE secret_name = 'db'")
    assert found == {"old": None, "db": stored[0][0] - timedelta(days=7)}


async def test_dead_notices_make_an_installation_unwell_until_they_are_sent_or_given_up(world: World) -> None:
    world.box.refusals[ADA] = world.box.refusals[BOB] = "550 no such user"
    async with world.node() as inside:
        service = inside.service
        await inside.parts.notices.notifier.announce(happened(1), [ADA, BOB])
        await deliver(inside)
        report = await service.get_secret_health()
        assert (report.healthy, report.dead_notices, report.waiting_notices) == (False, 2, 0)
        assert "2 notice(s) reached no one" in " ".join(report.recommendations)
        dead = {each.recipient: each.id for each in await service.notices.search(state="dead")}
        assert await service.notices.retry([dead[ADA]]) == 1
        world.box.refusals.clear()
        await deliver(inside)
        assert await service.notices.discard() == 1
        assert (await service.get_secret_health()).healthy
        states = {each.recipient: each.state for each in await service.notices.search()}
    assert states == {ADA: NoticeState.SENT, BOB: NoticeState.DISCARDED, "siem": NoticeState.SENT}


async def test_a_test_says_at_once_whether_it_was_taken_and_why_not(world: World) -> None:
    world.receiver.status = 404
    async with world.node() as inside:
        (by_mail,) = await inside.service.notices.test(ADA)
        (by_channel,) = await inside.service.notices.test()
        assert await inside.service.notices.search() == []
    assert (by_mail.recipient, by_mail.error) == (ADA, None)
    assert (by_channel.recipient, by_channel.error) == ("siem", "127.0.0.1 answered 404, not 2xx.")
    assert world.told == {f"{ADA} [Holdfast] Notices reach you here": 1}


async def test_what_cannot_be_tried_is_named_with_its_mend(world: World) -> None:
    async with world.node(smtp_url=None, mail_from=None, notice_channels=()) as inside:
        for recipient, mend in ((None, "NOTICE_CHANNELS"), (ADA, "SMTP_URL"), ("chat", "no channel of this name")):
            with pytest.raises(Conflict, match=mend):
                await inside.service.notices.test(recipient)
    async with world.node() as inside:
        with pytest.raises(InvalidInput, match="bare addresses"):
            await inside.service.notices.test("Ada <ada@example.com>")
        for neither in ("Chat!", "", "x" * 300, 5):
            with pytest.raises(InvalidInput, match="recipient must be the name of a channel"):
                await inside.service.notices.test(neither)  # type: ignore[arg-type]  # a caller's mistake
        with pytest.raises(InvalidInput, match="state must be one of waiting, sent, dead, discarded"):
            await inside.service.notices.search(state="lost")
        with pytest.raises(InvalidInput, match="ids"):
            await inside.service.notices.retry([])
        with pytest.raises(InvalidInput, match="ids"):
            await inside.service.notices.discard([0])


async def test_it_takes_the_permission_to_operate_and_every_look_is_on_record(world: World) -> None:
    async with world.node() as inside:
        notices = inside.service.notices
        for permission in (None, *Permission):
            if permission is not None:
                await inside.service.grant_access("*", ALICE.user_id, [permission])
            for call in (
                notices.search(context=ALICE),
                notices.retry(context=ALICE),
                notices.discard(context=ALICE),
                notices.test("siem", context=ALICE),
            ):
                try:
                    await call
                    allowed = True
                except AccessDenied:
                    allowed = False
                assert allowed == (permission is Permission.OPERATE), permission
    done = [each for each in await audit(world.dsn, "*") if each[0] == ALICE.user_id and each[2]]
    assert [each[1] for each in done] == ["notices", "notices.retry", "notices.discard", "notices.test"]


async def test_a_row_that_somebody_edited_is_an_alarm_and_keeps_no_other_look_from_telling(world: World) -> None:
    async with world.node() as inside:
        await inside.service.set_secret("bad", "v", expires_at=datetime.now(UTC), notify_on_expiry=[ADA])
        await inside.service.set_secret("good", "v", notify_on_expiry=[ADA])
        await inside.service.schedule_rotation("good", 10)
        await rows(world.dsn, "UPDATE secrets_vault SET metadata = '[]' WHERE secret_name = 'bad'")
        for _ in range(2):
            await inside.parts.notices.watch(inside.parts.watched()).look()
        await deliver(inside)
    assert world.told == {
        f"{ADA} [Holdfast] good is to be rotated in 10 days": 1,
        "siem rotation.soon": 1,
        "siem integrity": 1,
    }
    (alarm,) = (each for each in world.receiver.documents if each["type"] == "integrity")
    assert "bad" in alarm["data"]["facts"]["found"]
