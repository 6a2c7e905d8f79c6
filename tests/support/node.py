"""Whole nodes on a database: the service as applications get it, and what tests need to look behind it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from holdfast.bootstrap import create_secrets_service
from holdfast.bootstrap.facade import use_cases
from holdfast.bootstrap.keysources import key_ring
from holdfast.bootstrap.parts import Parts
from holdfast.bootstrap.storage import open_installation
from holdfast.config import Settings
from holdfast.domain.chain import OPEN, Entry
from holdfast.domain.policy import AccessContext
from holdfast.errors import BackendUnavailable
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.database import Database
from tests.support.scripted_vault import CLIENT_ID, CLIENT_SECRET, TENANT, ScriptedVault
from tests.support.stopwatch import Stopwatch
from tests.support.world import KEY

ALICE = AccessContext(user_id="alice", ip_address="10.0.0.5", user_agent="app/1.0", request_id="req-1")
BOB = AccessContext(user_id="bob")


def settings_for(dsn: str, folder: Path, vault: ScriptedVault | None = None, **more: Any) -> Settings:
    """The settings of a node on a database, in front of a vault if there is one."""
    behind: dict[str, Any] = {}
    if vault is not None:
        behind = {
            "keyvault_url": vault.url,
            "tenant_id": TENANT,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "authority_host": vault.url,
            "keyvault_ca": vault.ca_file,
        }
    return Settings(**{"database_url": dsn, "encryption_key": KEY, "data_dir": folder, **behind, **more})


def service_on(
    dsn: str, folder: Path, vault: ScriptedVault | None = None, *, background: bool = False, **more: Any
) -> SecretsService:
    """A node that is not started yet."""
    return create_secrets_service(settings_for(dsn, folder, vault, **more), background=background)


class Inside:
    """A node with its parts in view. ``service`` is its facade."""

    def __init__(self, parts: Parts, database: Database) -> None:
        self.parts, self.database = parts, database
        started_with = use_cases(parts)

        async def started(_: object) -> Any:
            return started_with

        self.service = SecretsService(started)

    async def look(self) -> None:
        """Let the node learn what Key Vault waits for, as it does in the background."""
        assert self.parts.replica is not None
        unsettled = self.parts.coherence.unsettled
        unsettled.end_look(unsettled.begin_look(), await self.parts.journal.waiting())


@asynccontextmanager
async def opened(
    dsn: str,
    folder: Path,
    vault: ScriptedVault | None = None,
    *,
    first_sink: Any = None,
    local_sink: Any = None,
    **more: Any,
) -> AsyncIterator[Inside]:
    """A started node with its parts in view and nothing in the background; audit sinks can be replaced."""
    settings = settings_for(dsn, folder, vault, **more)
    ring = key_ring(settings, own_database=False)
    database = Database(settings.database_url)
    await database.open()
    parts = Parts(settings, ring, database, await open_installation(database, ring))
    if first_sink is not None:
        parts.trail._first = first_sink
    if local_sink is not None:
        parts.trail._local = local_sink
    await parts.feed.start(parts.coherence)
    inside = Inside(parts, database)
    await inside.service.initialize()
    try:
        yield inside
    finally:
        await inside.service.aclose()
        await parts.feed.stop()
        await parts.close()
        await database.close()


async def rows(dsn: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What the database answers, past the service; about the audit trail, once changes have their place in it."""
    connection = await asyncpg.connect(dsn)
    try:
        if "secret_access_logs" in query and "audit_outbox" not in query:
            await _chained(connection)
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def _chained(connection: Any) -> None:
    """Wait for records that were committed with a change; a node that is gone leaves some for good."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(3):
            while await connection.fetchval("SELECT EXISTS (SELECT FROM audit_outbox)"):
                await asyncio.sleep(0.005)


async def audit(dsn: str, name: str) -> list[tuple[Any, ...]]:
    """(user, operation, success, error code, version, source), oldest first."""
    return await rows(
        dsn,
        """
        (SELECT user_id, operation, success, error_code, version, source FROM secret_access_logs
         WHERE secret_name = $1 ORDER BY id)
        UNION ALL
        (SELECT r.user_id, r.operation, r.success, r.error_code, r.version, r.source FROM audit_outbox,
         jsonb_to_record(record) AS r (name text, user_id text, operation text, success bool, error_code text,
                                       version bigint, source text)
         WHERE r.name = $1 ORDER BY id)
        """,
        name,
    )


_STEP_S = 0.005


async def within(seconds: float, look: Callable[[], Awaitable[bool]]) -> float:
    """Ask again and again until the answer is yes; returns how long that took, and fails after ``seconds``.

    Both as a :class:`Stopwatch` counts them.
    """
    watch = Stopwatch()
    while not await look():
        assert not watch.beyond(seconds), f"not within {seconds} s"
        await asyncio.sleep(_STEP_S)
    return watch.seconds()


class FailingSink:
    """An audit sink that takes nothing while ``broken``; ``records`` are those it took."""

    def __init__(self, *, broken: bool = True) -> None:
        self.broken = broken
        self.records: list[Any] = []

    async def write(self, entries: Sequence[Entry]) -> None:
        if self.broken:
            raise BackendUnavailable("this sink takes nothing")
        self.records += [entry.record for entry in entries if entry.record.operation != OPEN]

    async def take_in(self, extend: object, limit: int) -> Sequence[Entry]:
        if self.broken:
            raise BackendUnavailable("this sink takes nothing")
        return ()

    async def write_once(self, entries: Sequence[Entry]) -> int:
        await self.write(entries)
        return len(entries)

    async def waiting(self) -> bool:
        return False

    async def last_head(self, writer: UUID) -> None:
        if self.broken:
            raise BackendUnavailable("this sink knows nothing")
