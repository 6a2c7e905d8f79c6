"""Reading the audit trail: searched, exported, with what it takes to check it. Every look is on record itself."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Final

from holdfast.domain.audit import AuditPage, AuditQuery
from holdfast.domain.chain import Entry
from holdfast.domain.checkpoint import Gap, parse_gap
from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_history_limit
from holdfast.errors import Conflict, InvalidInput
from holdfast.ports import AuditSearch, CheckpointStore, NodeRecord, NodeStore, StreamState, StreamStore, Unshipped
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.audit.checkpoints import Checkpointer, SigningKey
from holdfast.service.audit.streaming import Streamer
from holdfast.service.callers import Context, authenticated

CHECKPOINTS_AT_ONCE: Final = 1000


class Audit:
    """What ``service.audit`` offers. It takes the permission ``audit``: on a secret's name, or on '*' for all.

    Args:
        take_in: gives records that were committed with their change a place in a chain.
    """

    def __init__(
        self,
        *,
        guard: Guard,
        trail: AuditSearch,
        checkpoints: CheckpointStore,
        checkpointer: Checkpointer,
        key: SigningKey,
        streams: StreamStore,
        streamer: Streamer,
        nodes: NodeStore,
        take_in: Callable[[], None],
    ) -> None:
        self._guard, self._trail, self._take_in = guard, trail, take_in
        self._streams, self._streamer, self._nodes = streams, streamer, nodes
        self._checkpoints, self._checkpointer, self._key = checkpoints, checkpointer, key

    async def search(
        self,
        *,
        name: str | None = None,
        user_id: str | None = None,
        operation: str | None = None,
        success: bool | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
        context: Context = None,
    ) -> AuditPage:
        """Return the newest records that fit all that is given, newest first.

        Raises:
            InvalidInput: the cursor is none that a page named, or the limit is not from 1 to 1000.
        """
        query = AuditQuery(
            name=canonical_name(name) if name is not None and name != WHOLE_VAULT else name,
            user_id=user_id,
            operation=operation,
            success=success,
            since=_with_zone(since, "since"),
            until=_with_zone(until, "until"),
            limit=valid_history_limit(limit),
            cursor=cursor,
        )
        about = SecretName(query.name) if query.name is not None else WHOLE_VAULT
        async with self._guard.operation(authenticated(context), Permission.AUDIT, about, "audit.search"):
            return await self._trail.search(query)

    async def export(
        self, *, since: datetime | None = None, until: datetime | None = None, context: Context = None
    ) -> AsyncIterator[Sequence[Entry]]:
        """Yield every record, some at a time: chain by chain, each in its own order.

        With ``since`` or ``until``, of every chain the stretch that holds all records of that time.
        """
        bounds = _with_zone(since, "since"), _with_zone(until, "until")
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.export"):
            self._take_in()
        async for entries in self._trail.export(*bounds):
            yield entries

    async def unshipped(self, *, context: Context = None) -> list[Unshipped]:
        """Return the nodes whose records no export has yet: they wait in a data folder, or may do so.

        Which is known of nodes that run, and of those that vanished within the hour.
        """
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.unshipped"):
            present, vanished = await self._nodes.present(), await self._nodes.vanished()
        return [*filter(None, map(_waiting_at, present)), *map(_vanished, vanished)]

    async def checkpoints(self, *, context: Context = None) -> AsyncIterator[bytes]:
        """Make a checkpoint of what has none yet, and yield all of them, a line each."""
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.checkpoints"):
            await self._checkpointer.make()
        after = 0
        while lines := await self._checkpoints.lines(after, CHECKPOINTS_AT_ONCE):
            for _, line in lines:
                yield line
            after = lines[-1][0]

    async def gaps(self, *, context: Context = None) -> list[Gap]:
        """Return which records are missing above the last checkpoint of their chain, with others after them.

        They wait in the local log of a node that is down, or were removed.
        """
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.gaps"):
            return await self._checkpoints.gaps()

    async def acknowledge(self, gap: str, *, context: Context = None) -> None:
        """Take note that the records of a gap are lost, for those who may operate: checkpoints and streams go on.

        The next checkpoint names the gap and who took note. For a verifier the records stay missing. Should they
        turn up after all, they are stored in their place, and streams do not get them.

        Raises:
            Conflict: there is no such gap, or not any more.
        """
        named, caller = parse_gap(gap), authenticated(context)
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "audit.acknowledge") as authorized:
            if not await self._checkpointer.pass_over(named, caller.id):
                raise Conflict("There is no such gap in the audit trail now: see `holdfast audit gaps`.")
            await self._guard.record(authorized, detail=f"gap={named.name}")

    async def public_keys(self, *, context: Context = None) -> list[bytes]:
        """Return the Ed25519 keys that checkpoints of this installation may be signed with, 32 bytes each."""
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.key"):
            return await self._key.public_keys()

    async def streams(self, *, context: Context = None) -> list[StreamState]:
        """Return how the streams of the settings are doing: what they delivered, what waits, what ails them."""
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.AUDIT, WHOLE_VAULT, "audit.streams"):
            return await self._streams.states([(each.name, each.kind) for each in self._streamer.streams])


def _waiting_at(node: NodeRecord) -> Unshipped | None:
    found = next((each.detail for each in node.backends if each.name == "audit" and each.detail), None)
    return Unshipped(node=node.name, seen_at=node.seen_at, found=found) if found is not None else None


def _vanished(node: NodeRecord) -> Unshipped:
    found = "it is gone without a goodbye, and may have records in its data folder: start a node there"
    return Unshipped(node=node.name, seen_at=node.seen_at, found=found)


def _with_zone(moment: datetime | None, field: str) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise InvalidInput(f"{field} must be a time with a time zone.", field=field)
    return moment
