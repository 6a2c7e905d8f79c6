"""``serve --workers``: several processes behave as one server, whatever happens to one of them."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.support.node import service_on, within
from tests.support.postgres import for_database
from tests.support.serving import Process, reading, serving

PATH = "/secrets/db-password?api-version=7.4"


async def prepared(dsn: str, folder: Path) -> str:
    """A secret and a client that may read it; returns the client's secret."""
    async with service_on(dsn, folder) as service:
        await service.set_secret("db-password", "s3cret")
        await service.grant_access("*", "app", ["get", "set"])
        return await service.add_client("app")


async def settle(seconds: float = 0.3) -> None:
    """Let the readers do their work for a moment."""
    await asyncio.sleep(seconds)


async def all_replaced(server: Process, former: set[int]) -> bool:
    await asyncio.sleep(0.1)
    now = set(server.children())
    return len(now) == len(former) and not now & former


async def test_replacing_all_workers_fails_no_request(database_url: str, data_folder: Path) -> None:
    secret = await prepared(database_url, data_folder)
    async with serving(database_url, data_folder, "--workers", "2", HOLDFAST_DRAIN="1") as server:
        client, former = await server.client("app", secret), set(server.children())
        assert len(former) == 2
        async with reading(client, PATH) as readers:
            await settle()
            server.process.send_signal(signal.SIGHUP)
            await within(60, lambda: all_replaced(server, former))
            await settle()
        assert [reader.failures for reader in readers] == [[]] * len(readers)
        assert all(reader.answered > 10 for reader in readers)
        assert await server.stop() == 0


async def test_a_killed_worker_is_replaced_and_the_others_answer(database_url: str, data_folder: Path) -> None:
    secret = await prepared(database_url, data_folder)
    async with serving(database_url, data_folder, "--workers", "2") as server:
        client, former = await server.client("app", secret), server.children()

        async def replaced() -> bool:
            await asyncio.sleep(0.1)
            now = set(server.children())
            return len(now) == len(former) and former[0] not in now

        os.kill(former[0], signal.SIGKILL)
        for _ in range(20):
            assert (await client.request("GET", PATH)).status == 200
        await within(60, replaced)
        assert former[1] in server.children()
        assert await server.stop() == 0


async def test_workers_stop_when_their_supervisor_is_killed(database_url: str, data_folder: Path) -> None:
    await prepared(database_url, data_folder)
    async with serving(database_url, data_folder, "--workers", "2", HOLDFAST_DRAIN="0") as server:
        workers = server.children()
        await server.stop(signal.SIGKILL)

        async def gone() -> bool:
            await asyncio.sleep(0.1)
            return not any(Path(f"/proc/{pid}").exists() for pid in workers)

        await within(30, gone)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_all_workers_stop_when_the_supervisor_is_told_to(
    database_url: str, data_folder: Path, number: signal.Signals
) -> None:
    await prepared(database_url, data_folder)
    async with serving(database_url, data_folder, "--workers", "2", HOLDFAST_DRAIN="0") as server:
        workers = server.children()
        assert await server.stop(number) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


async def test_workers_that_cannot_start_end_the_whole(database_url: str, data_folder: Path) -> None:
    with pytest.raises(asyncio.IncompleteReadError):
        async with serving(for_database(database_url, "nowhere"), data_folder, "--workers", "2"):
            pass
