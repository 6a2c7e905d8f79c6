"""Second factors at the commit point."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.errors import Conflict, IdentityNotFound
from holdfast.ports import Sealer, TotpOutcome
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.standing import changing

MAX_FAILURES: Final = 5
"""Wrong codes of one identity before it has to wait."""

REFILL_S: Final = 60.0
"""Seconds until one more may be tried: three codes of a million count at a time, so guessing takes centuries."""


class PostgresTotp:
    """Implements ``ports.TotpStore`` over ``identities``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("identities")

    async def enrol(self, name: str, seal: Callable[[UUID], bytes], record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            async with changing(connection, self._sealer, name) as standing:
                if standing is None:
                    raise IdentityNotFound(f"There is no identity {name!r}; add it first.")
                if standing.totp is not None:
                    raise Conflict(f"{name!r} has a second factor already; it must be removed first.")
                await connection.execute(self._sql["enrol_totp"], name, seal(standing.incarnation))
            await put_record(connection, record)
        self._database.recorded()

    async def attempt(
        self, name: str, match: Callable[[UUID, bytes], int | None], *, confirm: bool
    ) -> tuple[TotpOutcome, float]:
        """See the port."""
        async with (
            self._database.transaction() as connection,
            changing(connection, self._sealer, name) as standing,
        ):
            if standing is None:
                return TotpOutcome.NOT_ENROLLED, 0.0
            return await self._attempt(connection, name, match, confirm=confirm)

    async def _attempt(
        self, connection: Connection, name: str, match: Callable[[UUID, bytes], int | None], *, confirm: bool
    ) -> tuple[TotpOutcome, float]:
        row = await connection.fetchrow(self._sql["totp"], name)
        if row["totp_secret"] is None or row["confirmed"] is confirm:
            return TotpOutcome.NOT_ENROLLED, 0.0
        wait_s = row["full_in_s"] - (MAX_FAILURES - 1) * REFILL_S
        if wait_s > 0:
            return TotpOutcome.THROTTLED, wait_s
        counter = match(row["incarnation"], row["totp_secret"])
        if counter is None or counter <= row["counter"]:
            await connection.execute(self._sql["totp_wrong"], name, REFILL_S)
            return TotpOutcome.WRONG, 0.0
        await connection.execute(self._sql["totp_accepted"], name, counter)
        return TotpOutcome.ACCEPTED, 0.0

    async def age(self, name: str) -> timedelta | None:
        """See the port."""
        async with self._database.connection() as connection:
            found: timedelta | None = await connection.fetchval(self._sql["totp_age"], name)
        return found

    async def remove(self, name: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            async with changing(connection, self._sealer, name):
                removed = await connection.fetch(self._sql["remove_totp"], name)
            await put_record(connection, record)
        self._database.recorded()
        return bool(removed)
