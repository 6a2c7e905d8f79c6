"""Every node says every few seconds that it is there, and what it sees."""

import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

from holdfast.errors import BackendUnavailable
from holdfast.ports import BackendHealth, Clock, NodeRecord, NodeStore
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import surviving

_log: Final = Log(__name__)

INTERVAL_S: Final = 5.0


class Presence:
    """This node, as others see it.

    Args:
        release: the version of this program.
        schema_version: the schema that it works with.
        backends: looks at every backend, as this node sees it.
        counted: is told how many nodes there are.
        announce: reports the ring of the node of an id, once the node itself is reported.
    """

    def __init__(
        self,
        store: NodeStore,
        clock: Clock,
        *,
        release: str,
        schema_version: int,
        backends: Callable[[], Sequence[BackendHealth]],
        announce: Callable[[UUID], Awaitable[None]],
        counted: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._announce = announce
        self._store, self._clock, self._backends, self._counted = store, clock, backends, counted
        now = clock.now()
        self._node = NodeRecord(
            id=uuid4(),
            name=f"{socket.gethostname()}:{os.getpid()}",
            release=release,
            schema_version=schema_version,
            started_at=now,
            seen_at=now,
            backends=(),
        )
        self._warned = False

    async def run(self) -> None:
        """Report until cancelled, then say goodbye."""
        try:
            while True:
                with surviving(_log, "Reporting this node to the others"):
                    await self.report()
                await self._clock.sleep(INTERVAL_S)
        finally:
            with suppress(BackendUnavailable):
                await self._store.leave(self._node.id)

    async def report(self) -> None:
        """Say that this node is there; ``run`` does it again and again."""
        try:
            found = await self._store.beat(replace(self._node, backends=tuple(self._backends())))
        except BackendUnavailable as error:
            _log(Event.NODE_NOT_REPORTED, reason=error)
            return
        await self._announce(self._node.id)
        self._counted(found.nodes)
        if found.schema_version > self._node.schema_version and not self._warned:
            self._warned = True
            newest = found.schema_version
            _log(Event.SCHEMA_NEWER, schema=newest)
