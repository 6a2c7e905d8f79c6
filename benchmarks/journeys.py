"""What one request costs inside: calls of our functions, modules and packages passed, processor time.

``python -m benchmarks.journeys [BATCHES]`` prints a line of JSON. No server and no connection stand between. Calls are
counted with the real audit log; time is measured with one that keeps nothing, as its disk would hide the rest.
"""

import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from tests.support.asgi import ask
from tests.support.https import Client

import holdfast
from benchmarks.stage import CLIENT, Nowhere, Stage, logging_to, staged
from holdfast import AccessContext, SecretsService, create_secrets_service
from holdfast.web.compose import create_server_app
from holdfast.web.exchange import ASGIApp

_OURS = str(Path(holdfast.__file__).parent)
_JSON = {"content-type": "application/json"}
_NAME, _VALUE = "a-secret", "x" * 40
_WARM_UP, _BATCHES, _READS, _WRITES = 50, 25, 100, 10

Journey = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one request. ``cpu_us``: microseconds of the thread, in the best of some batches."""

    calls: int
    modules: int
    packages: int
    cpu_us: float


async def costs(batches: int) -> dict[str, Cost]:
    """What each journey costs."""
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        async with AsyncExitStack() as stack:
            stage = await stack.enter_async_context(staged(folder))
            return await _all_costs(stack, stage, batches)
    finally:
        shutil.rmtree(folder)


async def _all_costs(stack: AsyncExitStack, stage: Stage, batches: int) -> dict[str, Cost]:
    settings = stage.alone(await stage.database("journeys"))
    service = await stack.enter_async_context(create_secrets_service(settings, background=False))
    await service.set_secret(_NAME, _VALUE)
    await service.identities.add(CLIENT)
    await service.grant_access("*", CLIENT, ["get", "set"])
    client = Client(1, stage.ca_file, (await service.tokens.create(CLIENT)).token)
    unlogged = await stack.enter_async_context(logging_to(settings, Nowhere))
    counted, timed = (_journeys(each, create_server_app(each, settings), client) for each in (service, unlogged))
    return {name: await _cost(counted[name], timed[name], batches) for name in counted}


def _journeys(service: SecretsService, app: ASGIApp, client: Client) -> dict[str, Journey]:
    body = json.dumps({"value": _VALUE}).encode()
    return {
        "cached read, library": _of_library(service),
        "cached read, Key Vault API": lambda: _asked(app, client, "GET", f"/secrets/{_NAME}?api-version=7.4"),
        "cached read, /v1": lambda: _asked(app, client, "GET", f"/v1/secrets/{_NAME}"),
        "write, /v1": lambda: _asked(app, client, "PUT", f"/v1/secrets/{_NAME}", body),
    }


def _of_library(service: SecretsService) -> Journey:
    context = AccessContext(user_id=CLIENT, ip_address="127.0.0.1", user_agent="journeys")
    return lambda: service.get_secret(_NAME, context=context)


async def _asked(app: ASGIApp, client: Client, method: str, target: str, body: bytes = b"") -> None:
    """Ask the application, and see that it does what it is asked."""
    status, *answer = await ask(app, client, target, _JSON, method=method, body=body)
    if status not in {200, 201}:
        raise AssertionError(status, *answer)


async def _cost(counted: Journey, timed: Journey, batches: int) -> Cost:
    """Of a journey, as it is counted with the real audit log, and timed with one that keeps nothing."""
    for _ in range(_WARM_UP):
        await counted()
        await timed()
    passed = min([await _passed(counted) for _ in range(5)], key=len)
    modules = {name for name, _ in passed}
    each = _WRITES if len(passed) > 400 else _READS
    return Cost(
        calls=len(passed),
        modules=len(modules),
        packages=len({name.rpartition("/")[0] for name in modules}),
        cpu_us=round(min([await _cpu_us(timed, each) for _ in range(batches)]), 1),
    )


async def _passed(journey: Journey) -> list[tuple[str, str]]:
    """Module and name of each of our functions that is called, until the answer is there."""
    passed: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(_OURS):
            passed.append((frame.f_code.co_filename[len(_OURS) :], frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        await journey()
    finally:
        sys.setprofile(None)
    return passed


async def _cpu_us(journey: Journey, each: int) -> float:
    began = time.thread_time()
    for _ in range(each):
        await journey()
    return (time.thread_time() - began) / each * 1e6


if __name__ == "__main__":
    found = asyncio.run(costs(int(sys.argv[1]) if len(sys.argv) > 1 else _BATCHES))
    print(json.dumps({name: asdict(cost) for name, cost in found.items()}))
