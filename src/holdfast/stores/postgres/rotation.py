"""Rotation runs and schedules at the commit point."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Final

from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Consumer, Laggard, Phase, RotationRun, Trigger
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import RotationInProgress
from holdfast.ports import RotationSchedule
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.queries import load

_RUN_COLUMNS: Final = {field.name for field in fields(RotationRun)} - {"name", "phase", "trigger"}


class PostgresRotations:
    """Implements ``ports.RotationStore`` and ``ports.Consumers``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("rotation")

    async def begin(self, run: RotationRun, candidate: bytes, record: AuditRecord, lease: timedelta) -> RotationRun:
        """See the port."""
        facts = (run.id, run.name, run.incarnation, run.handler, run.trigger.value, run.requested_by)
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                self._sql["begin"], *facts, run.from_version, run.retire_by, candidate, lease, self._database.mark()
            )
            if row is None:
                raise RotationInProgress(
                    f"An earlier rotation of {run.name!r} is not over: `holdfast rotation show` says where it stands."
                )
            await put_record(connection, record)
        self._database.recorded()
        return _run_of(row)

    async def claim(
        self,
        handlers: Collection[str],
        lease: timedelta,
        *,
        limit: int,
        name: SecretName | None = None,
        force: bool = False,
    ) -> list[RotationRun]:
        """See the port."""
        wanted = (list(handlers), lease, limit, name, force, self._database.mark())
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["claim"], *wanted)
        return list(map(_run_of, rows))

    async def candidate(self, run: RotationRun) -> bytes | None:
        """See the port."""
        found: bytes | None = await self._value("candidate", run.id)
        return found

    async def hold(self, run: RotationRun, lease: timedelta, *, tried: bool = False) -> bool:
        """See the port."""
        return bool(await self._value("hold", run.id, run.fence, lease, tried, self._database.mark()))

    async def advance(self, run: RotationRun, phase: Phase, record: AuditRecord | None = None) -> RotationRun | None:
        """See the port."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(self._sql["advance"], run.id, run.fence, run.phase.value, phase.value)
            if row is not None and record is not None:
                await put_record(connection, record)
        self._database.recorded()
        return _run_of(row) if row else None

    async def release(self, run: RotationRun, error: str | None, retry_in: timedelta) -> bool:
        """See the port."""
        return bool(await self._value("release", run.id, run.fence, error, retry_in))

    async def find(self, name: SecretName) -> RotationRun | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["find"], name)
        return _run_of(row) if row else None

    async def runs(self, *, open_only: bool = False, limit: int = 100) -> list[RotationRun]:
        """See the port."""
        async with self._database.connection() as connection:
            return list(map(_run_of, await connection.fetch(self._sql["runs"], open_only, limit)))

    async def due(self, lease: timedelta, *, limit: int) -> list[RotationSchedule]:
        """See the port."""
        async with self._database.connection() as connection:
            return list(map(_schedule_of, await connection.fetch(self._sql["due"], lease, limit)))

    async def schedule(self, name: SecretName) -> RotationSchedule | None:
        """See the port."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(self._sql["schedule"], name)
        return _schedule_of(row) if row else None

    async def overdue(self, *, limit: int = 1000) -> list[RotationSchedule]:
        """See the port."""
        async with self._database.connection() as connection:
            return list(map(_schedule_of, await connection.fetch(self._sql["overdue"], limit)))

    async def soon(self, *, limit: int = 1000, ahead: timedelta = timedelta()) -> list[RotationSchedule]:
        """See the port."""
        async with self._database.connection() as connection:
            return list(map(_schedule_of, await connection.fetch(self._sql["soon"], limit, ahead)))

    async def steered(self, *, after: SecretName | None = None, limit: int) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            return [
                SecretName(row["secret_name"]) for row in await connection.fetch(self._sql["steered"], after, limit)
            ]

    async def withhold(self, reasons: Mapping[SecretName, str | None]) -> None:
        """See the port."""
        await self._value("withhold", list(reasons), list(reasons.values()))

    async def withheld(self) -> dict[SecretName, str]:
        """See the port."""
        async with self._database.connection() as connection:
            found = await connection.fetch(self._sql["withheld"])
        return {SecretName(row["secret_name"]): row["withheld"] for row in found}

    async def failed(self, name: SecretName, error: str, retry_in: timedelta) -> None:
        """See the port."""
        await self._value("failed", name, error, retry_in)

    async def request_approvals(self) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            return [SecretName(row["secret_name"]) for row in await connection.fetch(self._sql["request_approvals"])]

    async def approve(self, name: SecretName, by: str, record: AuditRecord) -> bool:
        """See the port."""
        async with self._database.transaction() as connection:
            approved = await connection.fetchval(self._sql["approve"], name, by)
            if approved:  # else nothing succeeded
                await put_record(connection, record)
        self._database.recorded()
        return bool(approved)

    async def checked(self) -> None:
        """See the port."""
        await self._value("checked")

    async def last_checked(self) -> datetime | None:
        """See the port."""
        moment: datetime | None = await self._value("last_checked")
        return moment

    async def of(self, name: SecretName, since: timedelta) -> Sequence[Consumer]:
        """See the port."""
        async with self._database.connection() as connection:
            return [Consumer(**row) for row in await connection.fetch(self._sql["consumers"], name, since)]

    async def late(self, since: timedelta, grace: timedelta, *, apart: str, limit: int) -> list[Laggard]:
        """See the port."""
        async with self._database.connection() as connection:
            found = await connection.fetch(self._sql["laggards"], since, grace, apart, limit)
        return [Laggard(**{**row, "secret_name": SecretName(row["secret_name"])}) for row in found]

    async def _value(self, statement: str, *arguments: object) -> Any:
        async with self._database.connection() as connection:
            return await connection.fetchval(self._sql[statement], *arguments)


def _run_of(row: Mapping[str, Any]) -> RotationRun:
    return RotationRun(
        name=SecretName(row["secret_name"]),
        phase=Phase(row["phase"]),
        trigger=Trigger(row["trigger"]),
        **{column: row[column] for column in _RUN_COLUMNS},
    )


def _schedule_of(row: Mapping[str, Any]) -> RotationSchedule:
    return RotationSchedule(
        name=SecretName(row["secret_name"]),
        policy=RotationPolicy(**json.loads(row["rotation_policy"])),
        last_rotated_at=row["last_rotated_at"],
        next_rotation_at=row["next_rotation_at"],
        rotation_count=row["rotation_count"],
        failures=row["failures"],
        last_error=row["last_error"],
        requested_at=row["requested_at"],
        approved_by=row["approved_by"],
    )
