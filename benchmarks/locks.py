"""Reads while someone else holds one table of PostgreSQL, and changes of other secrets while a row is held."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from benchmarks.measuring import check, percentile
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault, fronted
from benchmarks.work import context_of
from holdfast import SecretsService

TABLES = ("secrets_vault", "secret_versions", "secret_intents", "secret_access_logs", "access_epoch", "audit_outbox")
"""Those that a read or what comes with it touches."""

_READERS = 8
_HELD = "bench-held"
_HELD_ROW = "SELECT 1 FROM secrets_vault WHERE secret_name = 'bench-held' FOR UPDATE"
_PAUSE_S = 0.01
_RECOVERED_WITHIN_S = 60


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare the slowest reads and changes with those of a database in which no one holds anything."""
    dsn = await run.stage.database("locks")
    people = [context_of("reader"), context_of("writer")]
    for told, cache_ttl in (("memory", timedelta(hours=1)), ("Key Vault", timedelta())):
        async with fronted(vault.front(server, dsn, cache_ttl=cache_ttl), people) as service:
            await _reads(run, service, vault, dsn, told)
    async with fronted(vault.front(server, dsn), people) as service:
        await _changes(run, service, dsn)


async def _reads(run: Run, service: SecretsService, vault: Vault, dsn: str, told: str) -> None:
    names = itertools.cycle(vault.values)

    async def read() -> None:
        name = next(names)
        secret = await service.get_secret(name, context=context_of("reader"))
        check(secret.value == vault.values[name], "a read gave another value")

    await _slowest(read, run.size.held_seconds)  # all of it is in memory now, where that may be
    idle = await _slowest(read, run.size.held_seconds)
    for table in TABLES[: run.size.held_tables]:
        await _recovered(service, vault)
        async with _holding(dsn, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
            held = await _slowest(read, run.size.held_seconds)
        run.notes.append(_told(f"reads from {told} with {table} held", held, idle))


async def _changes(run: Run, service: SecretsService, dsn: str) -> None:
    numbers: Iterator[int] = itertools.count()

    async def change() -> None:
        await service.set_secret(f"bench-free-{next(numbers) % 20}", "v", context=context_of("writer"))

    await service.set_secret(_HELD, "v")
    idle = await _slowest(change, run.size.held_seconds)
    async with _holding(dsn, _HELD_ROW):
        waiting = [asyncio.create_task(service.set_secret(_HELD, "w")) for _ in range(12)]
        held = await _slowest(change, run.size.held_seconds)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    run.notes.append(_told("changes of other secrets with the row of one held", held, idle))


async def _slowest(operation: Callable[[], Awaitable[None]], seconds: float) -> float:
    """The 99th percentile of an operation's duration, in seconds, while eight callers repeat it with pauses."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < end:
            await operation()
            took.append(time.perf_counter() - began)
            await asyncio.sleep(_PAUSE_S)

    await asyncio.gather(*(caller() for _ in range(_READERS)))
    return percentile(took, 99)


async def _recovered(service: SecretsService, vault: Vault) -> None:
    """Until PostgreSQL is asked again, so that one table's figures are not the next one's."""
    name = next(iter(vault.values))
    for _ in range(_RECOVERED_WITHIN_S):
        down = [each for each in service.backends() if each.configured and not each.healthy]
        await service.get_secret(name)  # has it found out, apart from the read, whether PostgreSQL can be asked
        if not down:
            return
        await asyncio.sleep(1)
    check(False, f"a minute after nothing is held any more, these are down: {down}")


@asynccontextmanager
async def _holding(dsn: str, statement: str) -> AsyncIterator[None]:
    connection = await asyncpg.connect(dsn, server_settings={"application_name": "holder"})
    try:
        await connection.execute("BEGIN")
        await connection.execute(statement)
        yield
    finally:
        connection.terminate()


def _told(what: str, held: float, idle: float) -> str:
    return f"{what}: p99 {held * 1000:.1f} ms, {held / idle:.1f} times the {idle * 1000:.1f} ms without"
