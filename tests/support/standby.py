"""A standby of a real server: it follows, stops hearing of the primary, and is promoted."""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg

from holdfast.embedded import postmaster
from holdfast.embedded.account import CLEAN_ENVIRONMENT, server_account
from holdfast.embedded.binaries import reachable_binaries, wheel_binaries
from holdfast.embedded.folder import DataFolder, admit, prepare, private_folder
from tests.support.postgres import execute, fetch

PATIENCE_S = 60.0


class Pair:
    """A primary and its standby. ``dsn`` names both; nodes want the one that takes changes."""

    def __init__(self, primary: str, standby: str) -> None:
        self.primary, self.standby = primary, standby
        first, second = (parse_qs(urlsplit(each).query)["host"][0] for each in (primary, standby))
        query = urlencode({"host": f"{first},{second}", "port": "5432,5432", "sslmode": "disable"})
        self.dsn = urlunsplit(urlsplit(primary)._replace(query=f"{query}&target_session_attrs=read-write"))

    async def caught_up(self) -> None:
        """Wait until the standby has what the primary has now."""
        reached = await fetch(self.primary, "SELECT pg_current_wal_flush_lsn()::text")
        while not await fetch(self.standby, f"SELECT pg_last_wal_replay_lsn() >= '{reached}'::pg_lsn"):
            await asyncio.sleep(0.02)

    async def fall_behind(self) -> None:
        """Let the standby receive nothing any more."""
        await execute(self.standby, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")
        while await fetch(self.standby, "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver)"):
            await asyncio.sleep(0.02)

    async def fail_over(self, primary: DataFolder) -> None:
        """Kill the primary, and promote the standby."""
        postmaster_pid = postmaster.find(primary)
        assert postmaster_pid is not None
        os.kill(postmaster_pid, signal.SIGQUIT)
        assert await fetch(self.standby, "SELECT pg_promote()")


@asynccontextmanager
async def standby_beside(primary_dsn: str, root: Path) -> AsyncIterator[Pair]:
    """A standby in ``root`` that follows the embedded server of the DSN."""
    folder, account = prepare(root), server_account()
    admit(account, folder)
    binaries = reachable_binaries(wheel_binaries(), account, folder)
    url = urlsplit(primary_dsn)
    source = urlunsplit(url._replace(path="/postgres"))
    command: list[str | Path] = [
        binaries.program("pg_basebackup"),
        "-d",
        source,
        "-D",
        folder.cluster,
        "-R",
        "-c",
        "fast",
    ]
    await asyncio.to_thread(_run, command)
    await asyncio.to_thread(_run, ["/bin/chown", "-R", f"{account.uid}:{account.gid}", folder.cluster])
    (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
    private_folder(folder.socket_folder, account)
    process = postmaster.start(folder, account, binaries)
    try:
        host = urlencode({"host": str(folder.socket_folder), "port": 5432, "sslmode": "disable"})
        standby = urlunsplit(url._replace(query=host))
        async with asyncio.timeout(PATIENCE_S):
            while not await _answers(standby):
                await asyncio.sleep(0.05)
        yield Pair(primary_dsn, standby)
    finally:
        process.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(process.wait)


async def _answers(dsn: str) -> bool:
    with suppress(OSError, asyncpg.PostgresError):
        return bool(await fetch(dsn, "SELECT true"))
    return False


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run(command, check=True, env=CLEAN_ENVIRONMENT, capture_output=True)
