"""Notices on a real PostgreSQL: who is told of what, once each, whatever dies in between."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.domain.notices import Event, Notice, NoticeState, Topic
from holdfast.errors import BackendUnavailable, Rejected
from holdfast.service.notices.announcing import EVERYTHING, Announcer, next_digest
from holdfast.service.notices.delivery import MAX_ATTEMPTS, NOTICE_CRASH_POINTS, Lane, lanes
from holdfast.service.notices.watching import Watch
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.notices import PostgresNotices, put_notices
from tests.support.clock import VirtualClock
from tests.support.lines import lines_of
from tests.support.node import Inside
from tests.support.world import Crash, CrashOnce

OPS, ALICE, CHAT = "ops@example.com", "alice@example.com", "chat"
LEASE = timedelta(minutes=1)


def happened(number: int = 1, topic: Topic = Topic.INTENT_PARKED) -> Event:
    return Event(id=f"{topic}:{number}", topic=topic, subject="api-key", facts={"attempts": "1"})


class Receiver:
    """A channel that takes everything, or raises what ``fault`` says."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, list[str]]] = []
        self.fault: Exception | None = None

    async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
        await asyncio.sleep(0)
        if self.fault is not None:
            raise self.fault
        self.messages.append((recipient, [notice.event.id for notice in notices]))

    @property
    def taken(self) -> Counter[tuple[str, str]]:
        return Counter((event, recipient) for recipient, events in self.messages for event in events)


class Outbox:
    """The outbox of a database, with a receiver behind it and a clock that tests move."""

    def __init__(self, database: Database) -> None:
        self.database, self.store = database, PostgresNotices(database)
        self.clock, self.receiver, self.crash = VirtualClock(start=datetime.now(UTC)), Receiver(), CrashOnce()

    def announcer(self, **more: Any) -> Announcer:
        return Announcer(self.store, self.clock, **{"channels": {CHAT: EVERYTHING}, "mail": True, **more})

    def lane(self, **more: Any) -> Lane:
        given = {"channels": {CHAT: self.receiver}, "mail": self.receiver, "crashpoint": self.crash, **more}
        return Lane(self.store, self.clock, **{"senders": 20, **given})

    async def execute(self, statement: str) -> None:
        async with self.database.connection() as connection:
            await connection.execute(statement)

    async def make_due(self) -> None:
        """Let pauses and leases of the dead pass."""
        await self.execute("UPDATE notices SET next_attempt_at = now(), lease_until = NULL WHERE state = 'waiting'")


@pytest.fixture
async def outbox(database_url: str) -> AsyncIterator[Outbox]:
    database = Database(database_url, max_connections=4)
    await database.open()
    yield Outbox(database)
    await database.close()


# --- who is told ---


async def test_every_channel_and_each_address_is_told_once_however_often_it_is_announced(outbox: Outbox) -> None:
    for addresses in ([OPS, ALICE], [ALICE, "ops@EXAMPLE.com"], []):
        await outbox.announcer().announce(happened(), addresses)
    assert sorted(each.recipient for each in await outbox.store.notices()) == [ALICE, CHAT, OPS]


async def test_addresses_are_left_out_where_no_mail_can_be_sent(outbox: Outbox) -> None:
    await outbox.announcer(mail=False).announce(happened(), [OPS])
    assert [each.recipient for each in await outbox.store.notices()] == [CHAT]


async def test_a_notice_commits_with_its_change_or_not_at_all(outbox: Outbox) -> None:
    async def change(crash: bool) -> None:
        async with outbox.database.transaction() as connection:
            assert await put_notices(connection, happened(), [OPS]) == 1
            if crash:
                raise Crash

    with pytest.raises(Crash):
        await change(crash=True)
    assert await outbox.store.notices() == []
    await change(crash=False)
    assert [each.event for each in await outbox.store.notices()] == [happened()]


async def test_an_outage_of_a_channel_is_two_lines_and_what_is_given_up_one_more(outbox: Outbox) -> None:
    lane = outbox.lane(channels={}, senders=1)
    for number in range(3):
        await outbox.announcer(channels={}).announce(happened(number), [OPS])
    with lines_of("holdfast") as told:
        for outbox.receiver.fault in (BackendUnavailable("no answer"), BackendUnavailable("no answer"), None):
            await lane.deliver()
            await outbox.make_due()
    assert told == [
        ("warning", "Sending notices by mail fails: no answer"),
        ("info", "Sending notices by mail works again, after 0 s"),
    ]
    await outbox.announcer(channels={}).announce(happened(9), [OPS])
    outbox.receiver.fault = Rejected("no such mailbox")
    with lines_of("holdfast") as told:
        await lane.deliver()
    assert [(level, "is given up" in text) for level, text in told] == [("warning", True)]


async def test_one_of_many_nodes_looks_each_time(outbox: Outbox) -> None:
    turns = await asyncio.gather(*(outbox.store.may_look(timedelta(hours=1)) for _ in range(8)))
    assert sorted(turns) == [False] * 7 + [True]
    assert await outbox.store.may_look(timedelta())


async def test_a_node_that_reaches_nobody_stores_nothing_and_runs_nothing(inside: Inside) -> None:
    notices = inside.parts.notices
    await notices.notifier.announce(happened(), [OPS])
    assert await notices.store.notices() == []
    assert notices.lanes == {}


async def test_a_channel_hears_of_its_topics_only(outbox: Outbox) -> None:
    channels = {"chat": ["secret.*", "rotation.failed"], "pager": ["urgent"], "all": EVERYTHING}
    announcer = outbox.announcer(channels=channels)
    for topic, told in (
        (Topic.EXPIRED, {"chat", "all"}),
        (Topic.ROTATION_FAILED, {"chat", "all"}),
        (Topic.ROTATION_SOON, {"all"}),
        (Topic.BREAK_GLASS, {"pager", "all"}),
    ):
        assert announcer.recipients(happened(topic=topic)) == told


# --- sending ---


async def test_what_is_sent_is_sent_once(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened(), [OPS])
    await asyncio.gather(*(outbox.lane().deliver() for _ in range(4)))
    await outbox.make_due()
    assert await outbox.lane().deliver() == 0
    assert outbox.receiver.taken == {(happened().id, CHAT): 1, (happened().id, OPS): 1}


async def test_what_fails_waits_longer_each_time_and_is_dead_in_the_end(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened())
    outbox.receiver.fault = BackendUnavailable("chat gave no answer")
    pauses = []
    for _ in range(MAX_ATTEMPTS):
        await outbox.make_due()
        await outbox.lane().deliver()
        (notice,) = await outbox.store.notices()
        pauses.append(notice.next_attempt_at - datetime.now(UTC))
    assert pauses[0] < timedelta(minutes=2) < pauses[-2] <= timedelta(hours=1)
    assert (notice.state, notice.last_error) == (NoticeState.DEAD, "chat gave no answer")
    assert await outbox.store.counts() == {NoticeState.WAITING: 0, NoticeState.DEAD: 1}


async def test_a_refusal_for_good_is_dead_at_once_until_somebody_retries_it(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened(), [OPS])
    outbox.receiver.fault = Rejected("no such channel")
    await outbox.lane().deliver()
    dead = await outbox.store.notices(NoticeState.DEAD)
    assert [each.recipient for each in dead] == [OPS, CHAT]
    outbox.receiver.fault = None
    assert await outbox.lane().deliver() == 0
    assert await outbox.store.retry([dead[0].id]) == 1
    await outbox.lane().deliver()
    assert outbox.receiver.messages == [(OPS, [happened().id])]
    assert await outbox.store.retry() == 1


async def test_i13_an_error_that_may_quote_anything_is_kept_by_its_kind_only(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened())
    outbox.receiver.fault = RuntimeError("https://hooks.example.com/secret-path")
    await outbox.lane().deliver()
    assert [each.last_error for each in await outbox.store.notices()] == ["RuntimeError"]


async def test_a_node_leaves_alone_what_its_channels_do_not_reach(outbox: Outbox) -> None:
    await outbox.announcer(channels={"pager": EVERYTHING, CHAT: EVERYTHING}).announce(happened(), [OPS])
    await outbox.lane(mail=None).deliver()
    assert outbox.receiver.messages == [(CHAT, [happened().id])]
    waiting = await outbox.store.notices(NoticeState.WAITING)
    assert {each.recipient: each.attempts for each in waiting} == {"pager": 0, OPS: 0}


async def test_who_lost_the_lease_can_note_success_but_no_failure(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened())
    (slow,) = await outbox.store.claim([CHAT], mail=False, lease=LEASE, limit=1)
    assert await outbox.store.claim([CHAT], mail=False, lease=LEASE, limit=1) == []
    await outbox.make_due()
    await outbox.store.claim([CHAT], mail=False, lease=LEASE, limit=1)
    assert not await outbox.store.failed([slow], "too late", None)
    await outbox.store.sent([slow])
    assert [each.state for each in await outbox.store.notices()] == [NoticeState.SENT]


async def test_a_digest_is_one_message_and_urgent_news_do_not_wait_for_it(outbox: Outbox) -> None:
    for event in (happened(1), happened(2), happened(3, Topic.BREAK_GLASS)):
        await outbox.announcer(channels={}, digests=["ops@Example.com"]).announce(event, [OPS])
    await outbox.lane().deliver()
    assert outbox.receiver.messages == [(OPS, [happened(3, Topic.BREAK_GLASS).id])]
    due = {each.next_attempt_at for each in await outbox.store.notices(NoticeState.WAITING)}
    assert due == {next_digest(outbox.clock.now())}
    await outbox.make_due()
    assert sum(await asyncio.gather(*(outbox.lane(senders=1).deliver() for _ in range(4)))) == 2
    assert outbox.receiver.messages[1:] == [(OPS, [happened(1).id, happened(2).id])]


async def test_a_channel_that_is_stuck_keeps_no_other_waiting(outbox: Outbox) -> None:
    class Stuck:
        async def send(self, recipient: str, notices: Sequence[Notice]) -> None:
            await asyncio.Event().wait()

    await outbox.announcer(channels={"stuck": EVERYTHING, CHAT: EVERYTHING}).announce(happened(), [OPS])
    ways = lanes(outbox.store, outbox.clock, channels={"stuck": Stuck(), CHAT: outbox.receiver}, mail=outbox.receiver)
    running = [asyncio.create_task(way.deliver()) for way in ways.values()]
    left = set(running)
    while len(left) > 1:
        _, left = await asyncio.wait(left, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    assert outbox.receiver.taken == {(happened().id, CHAT): 1, (happened().id, OPS): 1}
    for each in left:
        each.cancel()


async def test_a_recipient_that_no_node_reaches_any_more_is_for_a_person_to_see(outbox: Outbox) -> None:
    await outbox.announcer(channels={"gone": EVERYTHING, CHAT: EVERYTHING}).announce(happened())
    outbox.receiver.fault = BackendUnavailable("down")
    await outbox.lane().deliver()
    await outbox.execute("UPDATE notices SET next_attempt_at = now() - interval '3 days'")
    assert await outbox.store.give_up(timedelta(days=2)) == 1
    (dead,) = await outbox.store.notices(NoticeState.DEAD)
    assert dead.recipient == "gone"


async def test_what_is_given_up_is_not_told_again_unless_it_is_asked_for_by_its_number(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened())
    (notice,) = await outbox.store.notices()
    assert await outbox.store.discard() == 0
    assert await outbox.store.discard([notice.id]) == 1
    await outbox.announcer().announce(happened())
    assert (await outbox.lane().deliver(), await outbox.store.retry()) == (0, 0)
    assert await outbox.store.retry([notice.id]) == 1
    assert await outbox.lane().deliver() == 1


async def test_old_notices_are_forgotten_once_they_were_sent(outbox: Outbox) -> None:
    await outbox.announcer().announce(happened(1))
    await outbox.lane().deliver()
    await outbox.announcer().announce(happened(2))
    assert await outbox.store.forget(timedelta(days=1)) == 0
    assert await outbox.store.forget(timedelta()) == 1
    assert [each.event for each in await outbox.store.notices()] == [happened(2)]


class Broken:
    """An outbox that fails for no reason that anybody foresaw, the first two times."""

    def __init__(self) -> None:
        self.asked = 0

    async def may_look(self, _: timedelta) -> bool:
        return bool(await self.claim())

    async def claim(self, *_: object, **__: object) -> list[Notice]:
        self.asked += 1
        if self.asked < 3:
            raise RuntimeError("nobody foresaw this")
        return []


async def test_a_round_that_fails_for_a_reason_nobody_foresaw_is_not_the_last(inside: Inside, outbox: Outbox) -> None:
    sending, looking, clock = Broken(), Broken(), VirtualClock(auto=True)
    lane = Lane(cast("Any", sending), clock, channels={CHAT: outbox.receiver})
    watching = Watch(cast("Any", looking), outbox.announcer(), clock, inside.parts.watched())
    running = [asyncio.create_task(work.run()) for work in (lane, watching)]
    async with asyncio.timeout(30):
        while min(sending.asked, looking.asked) < 3:
            await asyncio.sleep(0.01)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


# --- crashes ---

STEPS = st.lists(
    st.tuples(st.integers(1, 4), st.sampled_from([None, *NOTICE_CRASH_POINTS]), st.booleans()), min_size=1, max_size=12
)
QUIET = st.sampled_from([(), (OPS,), (OPS, CHAT)])


async def under_way() -> None:
    """Wait for what the dead were sending beside it: they live on in this process, and their leases end meanwhile."""
    sending = [each for each in asyncio.all_tasks() if getattr(each.get_coro(), "__qualname__", "") == "Lane._send"]
    await asyncio.gather(*sending, return_exceptions=True)


async def test_whatever_dies_all_are_told_and_twice_only_where_a_node_died_before_it_noted_it(outbox: Outbox) -> None:
    """Each step: an event is announced by a node that may die; another may fail to send."""
    runner = asyncio.get_running_loop()

    async def lives(steps: list[tuple[int, str | None, bool]], quiet: tuple[str, ...]) -> None:
        await outbox.execute("DELETE FROM notices")
        outbox.receiver.messages.clear()
        died_unnoted = 0
        for number, point, down in steps:
            await outbox.announcer(digests=quiet).announce(happened(number), [OPS])
            await outbox.make_due()
            outbox.receiver.fault = BackendUnavailable("down") if down else None
            outbox.crash.point = point
            results = await asyncio.gather(*(outbox.lane().deliver() for _ in range(2)), return_exceptions=True)
            died_unnoted += sum(isinstance(each, Crash) and str(each) == "sent" for each in results)
            await under_way()
            await outbox.make_due()
        outbox.receiver.fault, outbox.crash.point = None, None
        while await outbox.lane().deliver():
            pass
        told = {(happened(number).id, recipient) for number, _, _ in steps for recipient in (OPS, CHAT)}
        assert outbox.receiver.taken.keys() == told
        assert outbox.receiver.taken.total() <= len(told) + died_unnoted * (4 if quiet else 1)
        assert await outbox.store.notices(NoticeState.WAITING) == []

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(STEPS, QUIET)
    def check(steps: list[tuple[int, str | None, bool]], quiet: tuple[str, ...]) -> None:
        asyncio.run_coroutine_threadsafe(lives(steps, quiet), runner).result()

    await asyncio.to_thread(check)
    assert outbox.crash.passed == set(NOTICE_CRASH_POINTS)


# --- looking ---


def watch(inside: Inside, outbox: Outbox) -> Watch:
    return Watch(outbox.store, outbox.announcer(), outbox.clock, inside.parts.watched())


async def topics(outbox: Outbox) -> list[tuple[str, str]]:
    """What ``OPS`` was told, in order: the topic, and the days if there are any."""
    found = reversed(await outbox.store.notices())
    return [(each.event.topic.value, each.event.facts.get("days", "")) for each in found if each.recipient == OPS]


async def test_an_expiry_is_told_of_step_by_step_by_two_nodes_that_look_all_the_time(
    inside: Inside, outbox: Outbox
) -> None:
    expiry = outbox.clock.now() + timedelta(days=20)
    await inside.service.set_secret("Api-Key", "v", expires_at=expiry, notify_on_expiry=[OPS])
    for _ in range(22 * 2):
        await asyncio.gather(watch(inside, outbox).look(), watch(inside, outbox).look())
        outbox.clock.move(12 * 3600)
    expected = [("secret.expiring", days) for days in ("14", "7", "1")] + [("secret.expired", "0")]
    assert await topics(outbox) == expected
    assert {each.event.subject for each in await outbox.store.notices()} == {"Api-Key"}


async def test_a_new_version_ends_the_reminders_of_the_old_one(inside: Inside, outbox: Outbox) -> None:
    soon = outbox.clock.now() + timedelta(days=5)
    await inside.service.set_secret("api-key", "v", expires_at=soon, notify_on_expiry=[OPS])
    await watch(inside, outbox).look()
    await inside.service.set_secret("api-key", "w", expires_at=soon + timedelta(days=90), notify_on_expiry=[OPS])
    outbox.clock.move(30 * 86_400)
    await watch(inside, outbox).look()
    assert await topics(outbox) == [("secret.expiring", "7")]


async def test_who_hears_of_the_expiry_hears_of_rotations_that_wait_fail_and_are_late(
    inside: Inside, outbox: Outbox
) -> None:
    await inside.service.set_secret("api-key", "v", notify_on_expiry=[OPS])
    await inside.service.schedule_rotation("api-key", 10, auto_rotate=False)
    await watch(inside, outbox).look()
    assert await topics(outbox) == [("rotation.soon", "")]
    await outbox.execute("UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '2 days'")
    await inside.parts.rotation.store.request_approvals()
    await watch(inside, outbox).look()
    await watch(inside, outbox).look()
    assert (await topics(outbox))[1:] == [("rotation.approval", ""), ("rotation.overdue", "1")]
    await outbox.execute("UPDATE secret_rotation_schedule SET failures = 3, last_error = 'v was refused'")
    await watch(inside, outbox).look()
    assert (await topics(outbox))[3:] == [("rotation.failed", "")]
    assert "refused" not in str([each.event for each in await outbox.store.notices()])


async def test_nobody_is_told_of_rotations_of_a_deleted_secret(inside: Inside, outbox: Outbox) -> None:
    await inside.service.set_secret("api-key", "v", notify_on_expiry=[OPS])
    await inside.service.schedule_rotation("api-key", 10)
    await outbox.execute("UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '2 days'")
    await inside.service.delete_secret("api-key")
    await watch(inside, outbox).look()
    assert await outbox.store.notices() == []


async def test_what_only_a_newer_node_knows_is_left_to_it_and_holds_up_nothing(outbox: Outbox) -> None:
    store = outbox.store
    await store.put(happened(1), [CHAT])
    await store.put(happened(2), [CHAT, ALICE], bundle="2026-03-01")
    await outbox.execute("UPDATE notices SET topic = 'of.tomorrow'")
    await store.put(happened(3), [CHAT])
    await store.put(happened(4), [ALICE], bundle="2026-03-01")
    await store.put(happened(5), [OPS], bundle="2026-03-01")
    assert await outbox.lane().deliver() == 2
    assert outbox.receiver.taken == Counter({("intent.parked:3", CHAT): 1, ("intent.parked:5", OPS): 1})
    assert [each.event.id for each in await store.notices()] == [
        "intent.parked:5",
        "intent.parked:4",
        "intent.parked:3",
    ]
    await outbox.execute("UPDATE notices SET topic = 'intent.parked'")  # a newer node reads them
    assert await outbox.lane().deliver() == 4
