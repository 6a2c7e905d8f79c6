"""The embedded PostgreSQL is started again when it ends, by any process that uses it."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from holdfast.bootstrap import create_secrets_service
from holdfast.config import Settings
from holdfast.embedded.keeper import FIRST_PAUSE_S, HOPELESS_AFTER, LOOK_S, MAX_PAUSE_S, STEADY_S, Keeper
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import BackendUnavailable, StartupError
from holdfast.service.manager import SecretsService
from tests.support.node import within
from tests.support.processes import postmaster_pid, using


async def written(service: SecretsService) -> bool:
    try:
        await service.set_secret("k", "after")
    except BackendUnavailable:
        return False
    return True


def kill_server(folder: Path) -> int:
    """End its server as an out-of-memory killer does; returns the pid that it had."""
    pid = postmaster_pid(folder)
    os.kill(pid, signal.SIGKILL)
    return pid


async def test_i12_a_node_alone_gets_over_the_death_of_its_postgresql_without_a_person(
    used_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "holdfast.embedded.keeper")
    async with create_secrets_service(Settings(data_dir=used_folder)) as service:
        await service.set_secret("k", "before")
        for _ in range(2):
            killed = kill_server(used_folder)
            await within(60, lambda: noticed(service))
            down = next(each for each in service.backends() if each.name == "postgresql")
            assert "embedded PostgreSQL" in down.detail
            service.check_alive()
            await within(60, lambda: written(service))
            assert postmaster_pid(used_folder) != killed
            assert (await service.get_secret("k")).value == "after"
            await within(60, lambda: ready(service))
    said = [record for record in caplog.records if record.name == "holdfast.embedded.keeper"]
    assert [record.levelname for record in said] == ["ERROR", "INFO"] * 2


async def noticed(service: SecretsService) -> bool:
    return not await ready(service)


async def ready(service: SecretsService) -> bool:
    try:
        service.check_ready()
    except BackendUnavailable as error:
        return "embedded PostgreSQL" not in str(error)
    return True


async def test_one_of_several_starts_it_again_and_the_others_join(used_folder: Path) -> None:
    """The one who started it need not be the one who brings it back."""
    with using(used_folder):
        servers = [EmbeddedPostgres(used_folder) for _ in range(3)]
        for server in servers:
            await server.start()
        keeping = [asyncio.create_task(Keeper(server).run()) for server in servers]
        killed = kill_server(used_folder)

        async def back() -> bool:
            return servers[0].runs() and postmaster_pid(used_folder) != killed

        await within(60, back)
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)
        for server in servers:
            await server.stop()


class Twin:
    """A server in name only: so many ``refusals`` come before it starts."""

    def __init__(self) -> None:
        self.alive, self.refusals, self.starts = False, 0, 0

    def runs(self) -> bool:
        return self.alive

    async def start(self) -> str:
        self.starts += 1
        if self.refusals:
            self.refusals -= 1
            raise StartupError("the disk is full\nwith more on further lines")
        self.alive = True
        return "dsn"


class Time:
    """Passes as it is slept, with one of ``events`` at each pause; after the last the run is cancelled."""

    def __init__(self, events: Iterator[None]) -> None:
        self.now, self.pauses, self._events = 0.0, list[float](), events

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)
        if next(self._events, "over") == "over":
            raise asyncio.CancelledError


@asynccontextmanager
async def kept(server: Twin, events: Iterator[None]) -> AsyncIterator[tuple[Keeper, Time]]:
    time = Time(events)
    keeper = Keeper(server, sleep=time.sleep, elapsed_s=lambda: time.now)
    with pytest.raises(asyncio.CancelledError):
        await keeper.run()
    yield keeper, time


async def test_starting_in_vain_is_tried_ever_more_seldom_and_called_hopeless(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Twin()
    server.refusals = 100
    async with kept(server, iter([None] * 12)) as (keeper, time):
        pauses = time.pauses[1:]
        assert pauses[0] == FIRST_PAUSE_S
        assert all(later == min(2 * before, MAX_PAUSE_S) for before, later in pairwise(pauses))
        assert keeper.hopeless
        assert keeper.fault == "the embedded PostgreSQL has ended and cannot be started: the disk is full"
    assert len(caplog.records) == 2, "that it ended, and why it cannot be started: once each"


async def test_a_server_that_dies_again_and_again_is_not_started_again_at_once() -> None:
    server = Twin()

    def dies() -> Iterator[None]:
        for _ in range(40):
            server.alive = False
            yield

    async with kept(server, dies()) as (keeper, time):
        assert keeper.hopeless
        assert max(time.pauses) == MAX_PAUSE_S
        assert server.starts >= HOPELESS_AFTER


async def test_a_server_that_stays_is_well_again() -> None:
    server = Twin()
    server.refusals = HOPELESS_AFTER
    looks = 40 + int(STEADY_S / LOOK_S)
    async with kept(server, iter([None] * looks)) as (keeper, _):
        assert (keeper.hopeless, keeper.fault) == (False, None)
