"""One pass over a whole vault in a fresh process, whose memory is its own: ``python -m benchmarks.syncing``.

``mirror`` does it as Holdfast; ``get`` lists and gets everything with the bare SDK, and keeps nothing.
"""

import asyncio
import json
import re
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop

from benchmarks.stage import sdk_of
from holdfast import Settings, create_secrets_service

AT_A_TIME = 8
"""As many as Holdfast looks into at a time."""


async def _mirror(settings: Settings) -> tuple[int, float, int]:
    async with create_secrets_service(settings, background=False) as service:
        grown = _growth()
        report = await service.sync()
        return report.adopted, report.seconds, grown()


async def _get(settings: Settings) -> tuple[int, float, int]:
    grown, began, got, slots = _growth(), time.perf_counter(), 0, asyncio.Semaphore(AT_A_TIME)
    async with sdk_of(settings) as (client, _), asyncio.TaskGroup() as tasks:

        async def get(name: str) -> None:
            nonlocal got
            secret = await client.get_secret(name)
            got += secret.value is not None
            slots.release()

        async for listed in client.list_properties_of_secrets():
            await slots.acquire()
            tasks.create_task(get(str(listed.name)))
    return got, time.perf_counter() - began, grown()


_WAYS: dict[str, Callable[[Settings], Awaitable[tuple[int, float, int]]]] = {"mirror": _mirror, "get": _get}


def _growth() -> Callable[[], int]:
    """Return what tells by how many KiB memory has grown at most since now."""
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    before = _kilobytes("VmRSS")
    return lambda: _kilobytes("VmHWM") - before


def _kilobytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


async def _main(way: str) -> None:
    secrets, seconds, grown_kb = await _WAYS[way](Settings.from_environ())
    print(json.dumps({"secrets": secrets, "seconds": seconds, "grown_kb": grown_kb}))


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1]))
