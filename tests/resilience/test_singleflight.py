"""Single flight: one call, shared, and nothing left behind."""

import asyncio
import gc

import pytest

from holdfast.errors import BackendUnavailable
from holdfast.resilience.singleflight import SingleFlight


class Call:
    """Counts its calls and ends when told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.count = 0
        self.error = error
        self.gate = asyncio.Event()

    async def __call__(self) -> int:
        self.count += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.count


async def start(flights: SingleFlight[str, int], call: Call, callers: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(flights.do("key", call)) for _ in range(callers)]
    await asyncio.sleep(0)
    return tasks


async def test_a_thousand_callers_make_one_call() -> None:
    flights, call = SingleFlight[str, int](), Call()
    tasks = await start(flights, call, 1000)
    call.gate.set()
    assert await asyncio.gather(*tasks) == [1] * 1000
    assert len(flights) == 0
    assert await flights.do("key", call) == 2


async def test_different_keys_do_not_wait_for_each_other() -> None:
    flights, slow, fast = SingleFlight[str, int](), Call(), Call()
    (waiting,) = await start(flights, slow, 1)
    fast.gate.set()
    assert await flights.do("other", fast) == 1
    slow.gate.set()
    await waiting


async def test_an_error_is_shared_and_not_kept() -> None:
    flights, call = SingleFlight[str, int](), Call(BackendUnavailable("down"))
    tasks = await start(flights, call, 3)
    call.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(result, BackendUnavailable) for result in results)
    call.error = None
    assert await flights.do("key", call) == 2


@pytest.mark.parametrize("cancelled", [0, 1])
async def test_a_cancelled_caller_does_not_cancel_the_others(cancelled: int) -> None:
    flights, call = SingleFlight[str, int](), Call()
    tasks = await start(flights, call, 2)
    tasks[cancelled].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[cancelled]
    call.gate.set()
    assert await tasks[1 - cancelled] == 1


async def test_nothing_leaks_when_everybody_left_and_the_call_fails() -> None:
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        flights, call = SingleFlight[str, int](), Call(BackendUnavailable("down"))
        for task in await start(flights, call, 2):
            task.cancel()
        call.gate.set()
        for _ in range(5):
            await asyncio.sleep(0)
        gc.collect()
        assert len(flights) == 0
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


async def test_closing_cancels_what_is_under_way() -> None:
    flights, call = SingleFlight[str, int](), Call()
    (task,) = await start(flights, call, 1)
    await flights.aclose()
    with pytest.raises(BackendUnavailable):  # nobody has cancelled the caller
        await task
    assert len(flights) == 0
