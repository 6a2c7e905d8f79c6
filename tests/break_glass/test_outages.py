"""What waits for whom: PostgreSQL away, rules changed at the same moment, nodes that hold the row."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from holdfast.bootstrap import create_secrets_service
from holdfast.domain.break_glass import RequestState
from holdfast.errors import AccessDenied, BackendUnavailable, Conflict, LeaseExpired
from holdfast.service.manager import SecretsService
from tests.break_glass.support import ANN, BEN, ERIN, SECRET, VALUE, asked, granted, prepare
from tests.service.test_database_outage import away
from tests.support.node import opened, settings_for, within

HOLD = "UPDATE access_epoch SET epoch = epoch + 1"


@pytest.fixture
async def patient(database_url: str, tmp_path: Path) -> AsyncIterator[SecretsService]:
    """A node that waits for locks for as long as a slow machine takes."""
    async with asyncpg.create_pool(database_url, command_timeout=60) as pool:
        settings = settings_for(database_url, tmp_path)
        async with create_secrets_service(settings, pool=pool, background=False) as service:
            await prepare(service)
            yield service


async def test_without_postgresql_nobody_asks_and_what_was_granted_holds_for_the_lease(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, grant_lease=timedelta(seconds=10)) as inside:
        service = inside.service
        await prepare(service)
        await granted(service)
        waiting = await asked(service)
        assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE
        async with away(database_url):
            assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE
            for call in (
                lambda: asked(service),
                lambda: service.break_glass.approve(waiting.id, context=ANN),
                lambda: service.break_glass.list(context=ERIN),
            ):
                with pytest.raises(BackendUnavailable):
                    await call()

            async def ended() -> bool:
                try:
                    await service.get_secret(SECRET, context=ERIN)
                except LeaseExpired:
                    return True
                return False

            await within(60, ended)


async def test_a_role_lost_while_the_last_vote_waits_does_not_count(patient: SecretsService, database_url: str) -> None:
    """The vote holds the rules still before it reads them: what whoever held them changed is seen."""
    service = patient
    request = await asked(service)
    await service.break_glass.approve(request.id, context=ANN)
    connection = await asyncpg.connect(database_url)
    try:
        revoking = connection.transaction()
        await revoking.start()
        await connection.execute(HOLD)
        await connection.execute("DELETE FROM role_assignments WHERE subject = 'ann'")
        vote = asyncio.create_task(service.break_glass.approve(request.id, context=BEN))
        await _waits(connection, vote)
        await revoking.commit()
        assert (await vote).state is RequestState.REQUESTED
    finally:
        await connection.close()


async def test_i15_a_purge_and_a_last_vote_at_once_leave_no_grant(patient: SecretsService, database_url: str) -> None:
    """Whichever comes first: the purge sees what the vote granted, and the vote that the secret is gone."""
    service = patient
    await service.delete_secret(SECRET)
    connection = await asyncpg.connect(database_url)
    try:
        for purge_first in (True, False):
            request = await asked(service)
            await service.break_glass.approve(request.id, context=ANN)
            holding = connection.transaction()
            await holding.start()
            await connection.execute(HOLD)
            tasks = []
            steps = [service.purge_secret(SECRET), service.break_glass.approve(request.id, context=BEN)]
            for step in steps if purge_first else reversed(steps):
                tasks.append(asyncio.create_task(step))
                await _waits(connection, tasks[-1], number=len(tasks))
            await holding.commit()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert sum(isinstance(each, Conflict) for each in outcomes) == (1 if purge_first else 0), outcomes
            assert await connection.fetch("SELECT FROM break_glass_grants") == []
            assert (await service.break_glass.get(request.id, context=ERIN)).state is RequestState.VOID
            await service.set_secret(SECRET, "c4n4ry-of-another-team")
            with pytest.raises(AccessDenied):
                await service.get_secret(SECRET, context=ERIN)
            await service.delete_secret(SECRET)
    finally:
        await connection.close()


async def _waits(connection: asyncpg.Connection, task: "asyncio.Task[object]", number: int = 1) -> None:
    """Return when so many wait for the row that this connection holds."""

    async def blocked() -> bool:
        assert not task.done(), task
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(found >= number)

    await within(30, blocked)
