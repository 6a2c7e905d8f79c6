"""I1, I9: what a killed process had answered is on record also where a failover took it back meanwhile."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

from tests.service.test_database_went_back import standby_of
from tests.service.test_records_after_failover import serving
from tests.service.test_unknown_outcomes import assert_intact, on_record, shipped
from tests.support.node import within
from tests.support.world import KEY


def environment_of(database_url: str, folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST", "AZURE"))},
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(folder),
    }


ON_DEMAND = """
import asyncio, sys
from holdfast import create_secrets_service

async def main():
    async with create_secrets_service() as service:
        await service.set_secret("k", "v")
        while await asyncio.to_thread(sys.stdin.readline):
            await service.get_secret("k")
            print("answered", flush=True)

asyncio.run(main())
"""


async def test_i1_i9_a_failover_after_a_kill_takes_no_record_back_once_the_node_is_started_again(
    database_url: str, tmp_path: Path
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ON_DEMAND, stdin=PIPE, stdout=PIPE, env=environment_of(database_url, tmp_path)
    )

    async def answered() -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        assert await asyncio.wait_for(process.stdout.readline(), 60) == b"answered\n"

    def noted() -> int:
        return sum(file.read_bytes().count(b'"operation":"get"') for file in (tmp_path / "audit").glob("*.note"))

    async def all_noted() -> bool:
        return noted() == 20

    await answered()
    async with standby_of(database_url) as standby:
        for _ in range(19):
            await answered()
        await within(30, all_noted)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await standby.promote()
        assert await on_record(database_url, "get") == 1
        async with serving(database_url, tmp_path) as node:
            await shipped(node)
            assert await on_record(database_url, "get") == 20
            assert await node.service.audit.gaps() == []
            await assert_intact(node.service)
