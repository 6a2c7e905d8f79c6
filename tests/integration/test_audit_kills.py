"""I1, I9: a process that is killed at any moment leaves an intact trail with every answer that it gave."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from holdfast.crypto.signing import KeyFile, key_line
from holdfast.domain.verification import verify
from tests.service.test_database_went_back import standby_of
from tests.service.test_records_after_failover import serving
from tests.service.test_unknown_outcomes import assert_intact, on_record, shipped
from tests.support.node import service_on, within
from tests.support.postgres import fetch
from tests.support.world import KEY

VICTIM = """
import asyncio, itertools, sys
from holdfast import AccessContext, create_secrets_service

async def main():
    async with create_secrets_service() as service:
        await service.set_secret("k", "v")
        await service.grant_access("k", "app", ["get", "set"])
        app = AccessContext(user_id="app")
        async def ask(kind):
            while True:
                if kind == "set":
                    await service.set_secret("k", "v", context=app)
                else:
                    await service.get_secret("k", context=app)
                print(kind, flush=True)
        await asyncio.gather(*(ask(kind) for kind in ["get"] * 6 + ["set"] * 2))

asyncio.run(main())
"""


def environment_of(database_url: str, folder: Path) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST", "AZURE"))},
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(folder),
    }


@pytest.mark.parametrize("answers", [1, 40, 300])
async def test_i1_i9_every_answer_of_a_killed_process_is_on_an_intact_record(
    database_url: str, tmp_path: Path, answers: int
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, stdout=PIPE, env=environment_of(database_url, tmp_path)
    )
    assert process.stdout is not None
    heard = [await asyncio.wait_for(process.stdout.readline(), 60) for _ in range(answers)]
    process.send_signal(signal.SIGKILL)
    heard += (await process.stdout.read()).splitlines(keepends=True)
    await process.wait()

    async with service_on(database_url, tmp_path) as service:
        checkpoints = [line + b"\n" async for line in service.audit.checkpoints()]
        lines = [entry.line() + b"\n" async for some in service.audit.export() for entry in some]
        key = KeyFile.parse("\n".join(map(key_line, await service.audit.public_keys())))
    verdict = verify(lines, checkpoints, key.signed)
    assert verdict.intact, verdict.problems
    for kind in ("get", "set"):
        recorded = sum(b'"user_id":"app","operation":"%b"' % kind.encode() in line for line in lines)
        assert recorded >= heard.count(kind.encode() + b"\n")
    made = await fetch(database_url, "SELECT version FROM secrets_vault")
    assert made == 1 + sum(b'"user_id":"app","operation":"set"' in line for line in lines), "each change once"


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
