"""The audit trail of a node: sequencer, sinks, search."""

import asyncio
from typing import Final

from holdfast.bootstrap.datafolder import SPOOL
from holdfast.config import Settings
from holdfast.crypto.signing import Signer
from holdfast.outlets import open_outlet
from holdfast.ports import BackendHealth, Clock, NodeStore, Sealer, StreamState, Telemetry
from holdfast.resilience.events import Log
from holdfast.resilience.supervision import Work, surviving
from holdfast.service.access.guard import Guard
from holdfast.service.audit.checkpoints import Checkpointer, SigningKey
from holdfast.service.audit.control import Audit
from holdfast.service.audit.sequencer import AuditTrail
from holdfast.service.audit.streaming import CHECKPOINTS, RECORDS, Stream, Streamer
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.checkpoints import PostgresCheckpoints
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.streams import PostgresStreams
from holdfast.stores.postgres.trail import PostgresTrail
from holdfast.stores.spool import AuditNotes, AuditSpool

_log: Final = Log(__name__)

NOTE_EVERY_S: Final = 1.0
"""Seconds between notes: what is younger when a process is killed, a failover in the same moment may take back."""

_NOTING: Final = "Noting the newest audit records on disk"


class AuditParts:
    """The adapters and use cases of the audit trail, wired."""

    def __init__(
        self, settings: Settings, database: Database, sealer: Sealer, clock: Clock, telemetry: Telemetry
    ) -> None:
        self.archive, self.spool = PostgresAuditSink(database), AuditSpool(settings.data_dir / SPOOL)
        self.notes, self._clock = AuditNotes(self.spool.folder), clock
        self.trail = AuditTrail(self.spool.writer(), self.archive, self.spool, clock, telemetry, database.outages)
        self.search = PostgresTrail(database)
        self.checkpoint_store = PostgresCheckpoints(database)
        self._key = SigningKey(self.checkpoint_store, sealer, Signer)
        self.checkpointer = Checkpointer(self.checkpoint_store, self._key, clock, settings.audit_retention)
        self._streams = PostgresStreams(database)
        self.streamer = Streamer(_streams(settings), self._streams, clock)
        database.recorded = self.trail.take_in
        self._serves = False

    def use_cases(self, guard: Guard, nodes: NodeStore) -> Audit:
        """What ``service.audit`` offers."""
        return Audit(
            guard=guard,
            trail=self.search,
            checkpoints=self.checkpoint_store,
            checkpointer=self.checkpointer,
            key=self._key,
            streams=self._streams,
            streamer=self.streamer,
            nodes=nodes,
            take_in=self.trail.take_in,
        )

    async def stream_states(self) -> list[StreamState]:
        """How the streams of the settings are doing."""
        return await self._streams.states([(each.name, each.kind) for each in self.streamer.streams])

    async def public_keys(self) -> list[bytes]:
        """Those that checkpoints of this installation may be signed with."""
        return await self._key.public_keys()

    def compare(self) -> None:
        """The database may have gone back: see that it has the newest records, those that it was shipped among them."""
        self.trail.compare()
        self.spool.reopen()

    def health(self) -> BackendHealth:
        """Whether records go where they belong, and how many files of them wait here: no export has those yet."""
        degraded, waiting = self.trail.degraded, self.spool.waiting()
        told = ["records go to the local log and are shipped later"] if degraded else []
        told += [f"{waiting} file(s) of records wait here, and no export has them yet"] if waiting else []
        return BackendHealth(name="audit", configured=True, healthy=not degraded, detail="; ".join(told))

    def background(self) -> dict[str, Work]:
        """What has to go on beside serving."""
        self._serves = True
        return {
            "audit tail": self.trail.run,
            "audit notes": self._note,
            "checkpoints": self.checkpointer.run,
            **({"retention": self.checkpointer.run_retention} if self.checkpointer.retention else {}),
            **({"streams": self.streamer.run} if self.streamer.streams else {}),
        }

    async def _note(self) -> None:
        """Note on disk what is confirmed, for the one that starts here after a death of this process."""
        while True:
            await self._note_new()
            await self._clock.sleep(NOTE_EVERY_S)

    async def _note_new(self) -> None:
        with surviving(_log, _NOTING):
            await asyncio.to_thread(self.notes.add, self.trail.take_new())

    async def close(self) -> None:
        """Return when every record has its place; the database must still be there."""
        await self.trail.aclose()
        self.spool.close()
        if self._serves:  # others are too short-lived to hear of a failover, and there are many of them
            await self._note_new()
        self.notes.close()
        self.spool.forget_writer()


def _streams(settings: Settings) -> list[Stream]:
    return [
        *(Stream(RECORDS, open_outlet(place)) for place in settings.audit_streams),
        *(Stream(CHECKPOINTS, open_outlet(place)) for place in settings.audit_checkpoints),
    ]
