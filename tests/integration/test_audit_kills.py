"""I1, I9: a process that is killed at any moment leaves an intact trail with every answer that it gave."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from holdfast.crypto.signing import KeyFile, key_line
from holdfast.domain.verification import verify
from tests.support.node import service_on
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


@pytest.mark.parametrize("answers", [1, 40, 300])
async def test_i1_i9_every_answer_of_a_killed_process_is_on_an_intact_record(
    database_url: str, tmp_path: Path, answers: int
) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST", "AZURE"))},
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(tmp_path),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", VICTIM, stdout=asyncio.subprocess.PIPE, env=environ
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
