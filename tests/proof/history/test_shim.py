"""What a process under the shim is told."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.proof.history.shim import Shim, there_is_a_compiler
from tests.support.debian import LEFT_OUT

pytestmark = pytest.mark.skipif(not there_is_a_compiler(), reason=f"{LEFT_OUT}gcc")

PROGRAM = """
import json, os, sys, time
for line in sys.stdin:
    place = line.strip()
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    done = []
    for attempt in (lambda: os.write(descriptor, b"12345678"), lambda: os.fdatasync(descriptor),
                    lambda: os.fsync(descriptor)):
        try:
            done.append(attempt())
        except OSError as error:
            done.append(error.strerror)
    print(json.dumps([time.time(), *done]), flush=True)
"""


class Told:
    """A process that says the time, writes eight bytes to a file, and syncs it in both ways."""

    def __init__(self, shim: Shim, process: asyncio.subprocess.Process) -> None:
        self.shim, self._process = shim, process

    async def asked(self, file: Path) -> list[object]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{file}\n".encode())
        return list(json.loads(await self._process.stdout.readline()))


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    shim = Shim(tmp_path / "shim")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM),
        env=shim.environ(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Told(shim, process)
    process.kill()
    await process.wait()


async def test_at_first_all_is_true(told: Told, tmp_path: Path) -> None:
    before = time.time()
    now, *rest = await told.asked(tmp_path / "file")
    assert before <= float(str(now)) <= time.time()
    assert rest == [8, None, None]


async def test_a_clock_is_stepped_both_ways(told: Told, tmp_path: Path) -> None:
    for seconds in (3600.0, -90.5):
        with told.shim.told(ahead_s=seconds):
            before = time.time()
            now, *_ = await told.asked(tmp_path / "file")
        assert before <= float(str(now)) - seconds <= time.time()


async def test_syncs_fail_and_the_bytes_are_there(told: Told, tmp_path: Path) -> None:
    with told.shim.told(sync_fails=True):
        _, *rest = await told.asked(tmp_path / "file")
    assert rest == [8, "Input/output error", "Input/output error"]
    assert (await told.asked(tmp_path / "file"))[1:] == [8, None, None]


async def test_a_full_disk_takes_nothing_or_half_of_audit_records_alone(told: Told, tmp_path: Path) -> None:
    (tmp_path / "audit").mkdir()
    with told.shim.told(full=True):
        found = [(await told.asked(tmp_path / "audit" / "file"))[1] for _ in range(2)]
        assert found == ["No space left on device", 4]
        assert (await told.asked(tmp_path / "file"))[1] == 8
    assert (await told.asked(tmp_path / "audit" / "file"))[1] == 8
