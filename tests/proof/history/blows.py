"""How each fault begins, and how it ends."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final

import asyncpg

from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import StartupError
from tests.proof.history.faults import Blow, Fault
from tests.proof.history.installation import Installation, Node, signalled
from tests.proof.history.links import Wrong
from tests.support.postgres import execute, fetch
from tests.support.processes import postmaster_pid
from tests.support.standby import standby_beside

_PATIENCE_S = 120.0
_OTHERS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


async def suffer(made: Installation, fault: Fault) -> None:
    """Let a fault happen, from its beginning to its end; on a busy machine, after an earlier one at its place."""
    async with made.places[fault.where], _happening(made, fault):
        await asyncio.sleep(fault.lasts_s)


def _happening(made: Installation, fault: Fault) -> AbstractAsyncContextManager[None]:
    if isinstance(fault.what, Wrong):
        return _wrong(made, fault.where, fault.what)
    if fault.where.startswith("node-"):
        return _node(made, made.nodes[int(fault.where.rpartition("-")[2])], fault)
    return _ITS_OWN[fault.what](made)


@asynccontextmanager
async def _wrong(made: Installation, where: str, wrong: Wrong) -> AsyncIterator[None]:
    made.links[where].fail(wrong)
    try:
        yield
    finally:
        made.links[where].heal()


@asynccontextmanager
async def _node(made: Installation, node: Node, fault: Fault) -> AsyncIterator[None]:
    if fault.what is Blow.KILL:
        await node.end()
        yield
        await node.start()
    elif fault.what is Blow.WORKER:
        while not (workers := node.children()):  # the node itself is being started again
            if node.process is not None and node.process.returncode is not None:
                await node.start()  # a worker was killed before it served, which ends the node
            await asyncio.sleep(0.1)
        signalled(workers[0], signal.SIGKILL)
        yield
    elif fault.what is Blow.STOP:
        with node.stopped():
            yield
    elif fault.what is Blow.CLOCK:
        with node.shim.told(ahead_s=fault.by_s):
            yield
    else:
        broken = node.shim.told(full=True) if fault.what is Blow.FULL else node.shim.told(sync_fails=True)
        with broken:
            async with _wrong(made, f"postgres-{node.number}", Wrong.REFUSE):
                yield


@asynccontextmanager
async def _backend(made: Installation) -> AsyncIterator[None]:
    with suppress(OSError, asyncpg.PostgresError, ProcessLookupError):
        connection = await asyncpg.connect(made.dsn, timeout=5)
        pid = await connection.fetchval(f"{_OTHERS} ORDER BY backend_start LIMIT 1", timeout=5)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
        connection.terminate()
    yield


@asynccontextmanager
async def _postmaster(made: Installation) -> AsyncIterator[None]:
    os.kill(postmaster_pid(made.server_folder), signal.SIGKILL)
    yield
    await start_again(made.server)


async def start_again(server: EmbeddedPostgres) -> None:
    """Start a PostgreSQL that was killed."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(StartupError):  # processes of the one before are about to end
                await server.start()
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def followed(made: Installation, faults: Sequence[Fault]) -> AsyncIterator[None]:
    """A standby for the length of a block, where it is to be promoted: no commit is acknowledged before it has it."""
    if all(fault.what is not Blow.FAILOVER for fault in faults):
        yield
        return
    async with standby_beside(made.dsn, made.folder / "standby") as pair:
        made.standby = pair.standby
        await execute(made.dsn, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        while not await fetch(made.dsn, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')"):
            await asyncio.sleep(0.05)
        try:
            yield
        finally:
            await made.server.start()
            reset = "ALTER SYSTEM RESET synchronous_standby_names"
            await execute(made.server.dsn, reset, "SELECT pg_reload_conf()")


@asynccontextmanager
async def _failover(made: Installation) -> AsyncIterator[None]:
    os.kill(postmaster_pid(made.server_folder), signal.SIGKILL)
    yield
    assert await fetch(made.standby, "SELECT pg_promote()")
    made.dsn = made.standby


@asynccontextmanager
async def read_only(made: Installation) -> AsyncIterator[None]:
    """PostgreSQL takes no changes, whichever session asks."""
    await _as_administrator(made, "ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        yield
    finally:
        await _as_administrator(made, "ALTER SYSTEM RESET default_transaction_read_only")


async def _as_administrator(made: Installation, statement: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(OSError, asyncpg.PostgresError):
                await execute(made.dsn, "SET default_transaction_read_only = off", statement, "SELECT pg_reload_conf()")
                return
            await asyncio.sleep(0.1)


_ITS_OWN: Final = {
    Blow.BACKEND: _backend,
    Blow.POSTMASTER: _postmaster,
    Blow.FAILOVER: _failover,
    Blow.READ_ONLY: read_only,
}
