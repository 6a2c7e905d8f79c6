import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from holdfast.errors import BackendUnavailable, IntegrityFailure
from holdfast.resilience.events import Log
from holdfast.resilience.supervision import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    Supervisor,
    note_failure,
    note_success,
    surviving,
)
from holdfast.resilience.tasks import stopped
from tests.support.clock import VirtualClock

LOG = Log(__name__)
OF_SUPERVISION = "holdfast.resilience.supervision"


class Paused:
    """Sleeps that a test can count: ``pauses`` are those asked for, and each lasts one turn of the loop."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


async def turns(done: Callable[[], bool]) -> None:
    """Let others run until something is so."""
    async with asyncio.timeout(30):
        while not done():
            await asyncio.sleep(0)


@contextmanager
def warned(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    told: list[str] = []
    with caplog.at_level(logging.INFO, OF_SUPERVISION):
        yield told
    told += [record.getMessage() for record in caplog.records if record.name == OF_SUPERVISION]


async def test_a_loop_that_dies_is_begun_again_and_named_until_it_is_steady(caplog: pytest.LogCaptureFixture) -> None:
    clock, paused, begun, steady = VirtualClock(), Paused(), 0, asyncio.Event()
    supervisor = Supervisor(clock.now, sleep=paused, steady_s=0.01)

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun <= 3:
            raise KeyError("s3cret")
        await steady.wait()

    with warned(caplog) as told:
        task = asyncio.create_task(supervisor.run("mirroring", work))
        await turns(lambda: begun > 1)
        (fault,) = supervisor.failing()
        assert (fault.work, fault.since, fault.reason) == ("mirroring", clock.now(), "KeyError")
        await turns(lambda: begun == 4)
        assert [fault.failures for fault in supervisor.failing()] == [3]
        await turns(lambda: not supervisor.failing())
    assert paused.pauses == [1.0, 2.0, 4.0]
    assert told == [
        "Background work failed, and is tried again: mirroring: KeyError",
        "Background work goes on, after 3 failures: mirroring",
    ]
    await stopped(task)


async def test_a_loop_that_ends_or_whose_wait_is_cancelled_is_begun_again() -> None:
    supervisor, ends = Supervisor(sleep=Paused()), 0

    async def work() -> None:
        nonlocal ends
        ends += 1
        if ends % 2:
            gone = asyncio.get_running_loop().create_future()
            gone.cancel()
            await gone

    task = asyncio.create_task(supervisor.run("feed", work))
    await turns(lambda: ends >= 6)
    assert supervisor.failing()[0].reason in {"it ended by itself", "CancelledError"}
    await stopped(task)
    assert task.cancelled()


async def test_pauses_grow_to_a_limit() -> None:
    paused = Paused()
    supervisor = Supervisor(sleep=paused)

    async def work() -> None:
        raise ValueError

    task = asyncio.create_task(supervisor.run("gauges", work))
    await turns(lambda: len(paused.pauses) >= 20)
    await stopped(task)
    assert (paused.pauses[0], paused.pauses[-1]) == (FIRST_PAUSE_S, MAX_PAUSE_S)
    assert paused.pauses == sorted(paused.pauses)


async def test_what_a_loop_meets_while_it_is_stopped_is_raised_by_nobody() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        try:
            begun.set()
            await asyncio.sleep(3600)
        finally:
            raise RuntimeError("the connection is gone")

    task = asyncio.create_task(Supervisor().run("presence", work))
    await begun.wait()
    await stopped(task)
    assert task.done()


@pytest.mark.parametrize(
    "error", [KeyError("s3cret"), IntegrityFailure("the row of 'a' was edited")], ids=["any", "ours"]
)
async def test_a_step_that_fails_is_named_until_it_goes_through(error: Exception) -> None:
    supervisor, asked, rounds = Supervisor(), asyncio.Queue[Exception | None](), 0

    async def work() -> None:
        nonlocal rounds
        while True:
            with surviving(LOG, "The round"):
                if (failure := await asked.get()) is not None:
                    raise failure
            rounds += 1

    task = asyncio.create_task(supervisor.run("housekeeping", work))
    asked.put_nowait(error)
    await turns(lambda: rounds == 1)
    told = [(fault.work, fault.reason) for fault in supervisor.failing()]
    assert told == ([] if isinstance(error, IntegrityFailure) else [("housekeeping (The round)", "KeyError")])
    asked.put_nowait(None)
    await turns(lambda: rounds == 2)
    assert not supervisor.failing()
    await stopped(task)


def test_a_round_that_waits_is_told_of_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, __name__), surviving(LOG, "The round"):
        raise BackendUnavailable("PostgreSQL is away.")
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.DEBUG, "The round waits: PostgreSQL is away.")


def test_a_failure_outside_of_any_loop_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with warned(caplog) as told:
        note_success("A step")
        note_failure("A step", KeyError("s3cret"))
    assert told == ["Background work failed, and is tried again: work (A step): KeyError"]


def test_a_round_that_is_cancelled_is_the_last() -> None:
    with pytest.raises(asyncio.CancelledError), surviving(LOG, "The round"):
        raise asyncio.CancelledError
