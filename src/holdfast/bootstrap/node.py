"""One node: adapters chosen by the settings, use cases on top of them, background work beside."""

import asyncio
import contextvars
import resource
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from holdfast.bootstrap.background import background, presence_of
from holdfast.bootstrap.facade import use_cases
from holdfast.bootstrap.keysources import is_deferred, key_ring
from holdfast.bootstrap.parts import Parts
from holdfast.bootstrap.storage import open_database, open_installation
from holdfast.bootstrap.tracing import start_tracing
from holdfast.bootstrap.vault import check_identity
from holdfast.config import Settings
from holdfast.crypto.keyring import KeyRing
from holdfast.resilience.correlation import correlate
from holdfast.resilience.tasks import stopped
from holdfast.service.manager import UseCases
from holdfast.stores.postgres.database import Database
from holdfast.telemetry.cells import Cells
from holdfast.telemetry.recorder import Recorder


class Node:
    """What ``create_secrets_service`` starts.

    Args:
        any_clock: start although PostgreSQL's clock is not believed, for the person who is to say that it is right.
        making: make an installation in a database that holds none.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        pool: Any = None,
        background: bool = True,
        cells: Cells | None = None,
        any_clock: bool = False,
        making: bool = True,
    ) -> None:
        self._settings, self._pool, self._background = settings, pool, background
        self._any_clock, self._making = any_clock, making
        self._recorder = Recorder(cells or Cells.alone())
        self._own_database = settings.database_url is None and pool is None
        # What is wrapped waits for the start: Key Vault may take its time.
        self._ring = None if is_deferred(settings) else key_ring(settings, own_database=self._own_database)
        check_identity(settings)

    async def start(self, stack: AsyncExitStack) -> UseCases:
        """Connect, and leave on ``stack`` how to disconnect.

        Raises:
            StartupError: this node cannot serve.
        """
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        if self._background:
            start_tracing(stack, self._settings, self._recorder)
        if self._ring is None:
            self._ring = await asyncio.to_thread(key_ring, self._settings, own_database=self._own_database)
        database = await open_database(stack, self._settings, self._pool, self._ring, making=self._making)
        with database.starting():
            return await self._start(stack, database, self._ring)

    async def _start(self, stack: AsyncExitStack, database: Database, ring: KeyRing) -> UseCases:
        parts = Parts(self._settings, ring, database, await open_installation(database, ring), self._recorder)
        stack.push_async_callback(parts.close)
        presence = presence_of(parts)
        if self._background:
            await presence.report()  # from here on, no key is activated that this node lacks
        await parts.feed.start(parts.coherence)
        stack.push_async_callback(parts.feed.stop)
        parts.sealing.check_start()
        if not self._any_clock:
            parts.clock.check_start()
        if self._background:
            for name, work in background(parts, presence).items():
                _run(stack, name, parts.supervisor.run(name, work))
        return use_cases(parts)


def _run(stack: AsyncExitStack, name: str, work: Coroutine[Any, Any, None]) -> None:
    context = contextvars.copy_context()
    context.run(correlate, name)
    stack.push_async_callback(stopped, asyncio.create_task(work, name=name, context=context))
