"""PostgreSQL's clock as it is, and who vouched for it: all nodes learn of that with their heartbeat."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from holdfast.domain.audit import AuditRecord
from holdfast.errors import IntegrityFailure, KeyUnavailable
from holdfast.ports import ClockAcceptance, Sealer
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.queries import load

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class PostgresClock:
    """Implements ``ports.DatabaseClock``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("clock")

    async def look(self) -> tuple[datetime, datetime]:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["look"])
        return row["now"], row["newest"] or row["now"]

    async def accept(self, moment: datetime, believed: datetime, accepted_by: str, record: AuditRecord) -> None:
        """See the port."""
        async with self._database.transaction() as connection:
            acceptance = ClockAcceptance(
                number=self._after(await connection.fetchrow(self._sql["last"]), believed),
                moment=moment,
                believed=believed,
                accepted_by=accepted_by,
            )
            attestation = self._sealer.attest(acceptance.facts())
            await connection.execute(self._sql["accept"], acceptance.number, moment, believed, accepted_by, attestation)
            await put_record(connection, record)
        self._database.recorded()

    def _after(self, last: Mapping[str, Any] | None, believed: datetime) -> int:
        """Return the number of the next one. That of an edited row means nothing: the time believed is higher."""
        if last is not None:
            with suppress(IntegrityFailure, KeyUnavailable):
                before = acceptance_of(last)
                self._sealer.verify(before.facts(), before.attestation)
                return before.number + 1
        return (believed - _EPOCH) // timedelta(microseconds=1)


def acceptance_of(row: Mapping[str, Any]) -> ClockAcceptance:
    """An acceptance as it is stored.

    Raises:
        IntegrityFailure: it was edited, and has no facts that could be attested.
    """
    names = ("number", "moment", "believed", "accepted_by", "attestation")
    found = ClockAcceptance(**{name: row[name] for name in names})
    try:
        found.facts()
    except (AttributeError, TypeError, ValueError, OverflowError):  # a member is missing, or a time is infinite
        raise IntegrityFailure("The word for PostgreSQL's clock that is stored is none") from None
    return found
