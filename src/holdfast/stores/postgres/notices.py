"""Notices at the commit point."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from holdfast.domain.notices import Event, Notice, NoticeState, Topic
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

_TOPICS: Final = [topic.value for topic in Topic]
"""Those that this node has words for; while nodes are upgraded, others may have more."""


async def put_notices(
    connection: Connection,
    event: Event,
    recipients: Collection[str],
    *,
    bundle: str | None = None,
    not_before: datetime | None = None,
) -> int:
    """Store notices within the transaction of ``connection``, with the change that they tell of."""
    done: str = await connection.execute(
        load("notices")["put"],
        event.id,
        event.topic.value,
        event.subject,
        json.dumps(dict(event.facts)),
        sorted(set(recipients)),
        bundle,
        not_before,
    )
    return int(done.rpartition(" ")[2])


class PostgresNotices:
    """Implements ``ports.NoticeStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("notices")

    async def put(
        self,
        event: Event,
        recipients: Collection[str],
        *,
        bundle: str | None = None,
        not_before: datetime | None = None,
    ) -> int:
        """See the port."""
        async with self._database.connection() as connection:
            return await put_notices(connection, event, recipients, bundle=bundle, not_before=not_before)

    async def may_look(self, pause: timedelta) -> bool:
        """See the port."""
        return bool(await self._value("may_look", pause))

    async def claim(self, channels: Collection[str], *, mail: bool, lease: timedelta, limit: int) -> list[Notice]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["claim"], list(channels), mail, lease, limit, _TOPICS)
        return list(map(_notice_of, rows))

    async def sent(self, notices: Collection[Notice]) -> None:
        """See the port."""
        await self._value("sent", [notice.id for notice in notices])

    async def failed(self, notices: Collection[Notice], error: str, retry_in: timedelta | None) -> int:
        """See the port."""
        ids, fences = [notice.id for notice in notices], [notice.fence for notice in notices]
        return int(await self._value("failed", ids, fences, error, retry_in))

    async def notices(self, state: NoticeState | None = None, *, limit: int = 100) -> list[Notice]:
        """See the port."""
        async with self._database.connection() as connection:
            return list(map(_notice_of, await connection.fetch(self._sql["notices"], state, limit, _TOPICS)))

    async def known(self, event_ids: Collection[str]) -> set[str]:
        """See the port."""
        async with self._database.connection() as connection:
            return {row["event_id"] for row in await connection.fetch(self._sql["known"], list(event_ids))}

    async def retry(self, notice_ids: Collection[int] | None = None) -> int:
        """See the port."""
        return int(await self._value("retry", None if notice_ids is None else list(notice_ids)))

    async def discard(self, notice_ids: Collection[int] | None = None) -> int:
        """See the port."""
        return int(await self._value("discard", None if notice_ids is None else list(notice_ids)))

    async def counts(self) -> Mapping[NoticeState, int]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["counts"])
        return {NoticeState.WAITING: 0, NoticeState.DEAD: 0, **{NoticeState(r["state"]): r["number"] for r in rows}}

    async def give_up(self, age: timedelta) -> int:
        """See the port."""
        return int(await self._value("give_up", age))

    async def forget(self, age: timedelta) -> int:
        """See the port."""
        return int(await self._value("forget", age))

    async def _value(self, statement: str, *arguments: object) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(self._sql[statement], *arguments)


def _notice_of(row: Mapping[str, Any]) -> Notice:
    return Notice(
        id=row["id"],
        event=Event(
            id=row["event_id"], topic=Topic(row["topic"]), subject=row["subject"], facts=json.loads(row["facts"])
        ),
        recipient=row["recipient"],
        bundle=row["bundle"],
        state=NoticeState(row["state"]),
        attempts=row["attempts"],
        last_error=row["last_error"],
        created_at=row["created_at"],
        next_attempt_at=row["next_attempt_at"],
        sent_at=row["sent_at"],
        fence=row["fence"],
    )
