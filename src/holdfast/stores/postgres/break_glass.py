"""Emergency access at the commit point.

Everything that counts is attested: whoever can write to the database makes neither a request, nor a vote, nor a code.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from holdfast.domain.audit import AuditRecord
from holdfast.domain.break_glass import CodeSet, EmergencyRequest, EmergencyTotals, RequestState, Vote
from holdfast.domain.names import SecretName
from holdfast.domain.notices import Event
from holdfast.domain.policy import Permission
from holdfast.errors import IntegrityFailure, KeyUnavailable
from holdfast.ports import Sealer, StoredRule, codes_facts, request_facts
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.grants import rules_of
from holdfast.stores.postgres.notices import put_notices
from holdfast.stores.postgres.outbox import put_record
from holdfast.stores.postgres.pools import Connection
from holdfast.stores.postgres.queries import load

NOTE_TIMEOUT_S: Final = 60.0
"""Seconds for looking through what people who had emergency access did meanwhile."""

_PLAIN: Final = {field.name for field in fields(EmergencyRequest)} - {"permissions", "state", "votes", "read"}


async def void_emergencies(connection: Connection, identity: str) -> None:
    """End what an identity asked for and has by break-glass, and forget its votes; it is about to be removed."""
    await connection.execute(load("grants")["lock"])
    await connection.execute(load("break_glass")["void_of"], identity)


class PostgresEmergency:
    """Implements ``ports.EmergencyTransaction`` on a connection in whose transaction the rules are held."""

    def __init__(self, connection: Connection, sealer: Sealer) -> None:
        self._connection, self._sealer = connection, sealer
        self._sql = load("break_glass")

    async def now(self) -> datetime:
        """See the port."""
        moment: datetime = await self._connection.fetchval(self._sql["now"])
        return moment

    async def lock(self, request_id: int) -> EmergencyRequest | None:
        """See the port."""
        await self._connection.execute(self._sql["lock"], request_id)
        row = await self._connection.fetchrow(self._sql["request"], request_id)
        if row is None:
            return None
        votes = await self._connection.fetch(self._sql["votes"], [request_id])
        return request_of(row, list(map(vote_of, votes)))

    async def recent(self, requester: str, since: timedelta) -> int:
        """See the port."""
        found: int = await self._connection.fetchval(self._sql["recent"], requester, since)
        return found

    async def incarnation(self, pattern: str) -> UUID | None:
        """See the port."""
        found: UUID | None = await self._connection.fetchval(load("grants")["incarnation"], pattern)
        return found

    async def rules(self, subjects: Collection[str]) -> list[StoredRule]:
        """See the port."""
        return rules_of(await self._connection.fetch(load("grants")["rules"], list(subjects)))

    async def add(self, request: EmergencyRequest) -> EmergencyRequest:
        """See the port."""
        number = await self._connection.fetchval(
            self._sql["add"],
            request.requester,
            request.pattern,
            sorted(request.permissions),
            request.reason,
            request.duration,
            request.approvers,
            request.second_factor,
            request.rotate,
            request.incarnation,
            request.requested_at,
            request.open_until,
        )
        numbered = replace(request, id=number)
        attested = replace(numbered, attestation=self._sealer.attest(request_facts(numbered)))
        await self._connection.execute(self._sql["attest"], number, attested.attestation)
        return attested

    async def settle(self, request: EmergencyRequest) -> None:
        """See the port."""
        await self._connection.execute(
            self._sql["settle"],
            request.id,
            request.state.value,
            request.decided_at,
            request.decided_by,
            request.expires_at,
            request.ended_at,
            request.ended_by,
        )

    async def add_vote(self, vote: Vote) -> None:
        """See the port."""
        await self._connection.execute(
            self._sql["add_vote"],
            vote.request_id,
            vote.voter,
            vote.voted_at,
            sorted(vote.groups),
            vote.rule,
            vote.attestation,
        )

    async def note_failure(self, request_id: int) -> None:
        """See the port."""
        await self._connection.execute(self._sql["note_failure"], request_id)

    async def grant(self, rule: StoredRule) -> int:
        """See the port."""
        epoch: int = await self._connection.fetchval(
            self._sql["grant"],
            rule.id,
            rule.subject,
            rule.pattern,
            list(rule.terms),
            rule.granted_by,
            rule.granted_at,
            rule.expires_at,
            rule.incarnation,
            rule.attestation,
        )
        return epoch

    async def withdraw(self, request: EmergencyRequest) -> int:
        """See the port."""
        epoch: int = await self._connection.fetchval(self._sql["withdraw"], request.id, request.requester)
        return epoch

    async def code_sets(self) -> list[CodeSet]:
        """See the port."""
        return _genuine_codes(await self._connection.fetch(self._sql["lock_code_sets"]), self._sealer)

    async def add_codes(self, codes: CodeSet) -> CodeSet:
        """See the port."""
        await self._connection.execute(self._sql["drop_codes"], codes.pattern)
        number = await self._connection.fetchval(
            self._sql["add_codes"],
            codes.pattern,
            codes.threshold,
            list(codes.hashes),
            codes.created_by,
            codes.created_at,
        )
        numbered = replace(codes, id=number)
        await self.spend(numbered)
        return numbered

    async def spend(self, codes: CodeSet) -> None:
        """See the port."""
        attestation = self._sealer.attest(codes_facts(codes))
        await self._connection.execute(
            self._sql["put_codes"], codes.id, sorted(codes.used), codes.last_used_at, attestation
        )

    async def remove_codes(self, set_id: int) -> bool:
        """See the port."""
        return bool(await self._connection.fetchval(self._sql["remove_codes"], set_id))

    async def tell(self, event: Event, recipients: Collection[str]) -> None:
        """See the port."""
        await put_notices(self._connection, event, recipients)

    async def record(self, record: AuditRecord) -> None:
        """See the port."""
        await put_record(self._connection, record)


class PostgresBreakGlass:
    """Implements ``ports.BreakGlassStore``."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database, self._sealer = database, sealer
        self._sql = load("break_glass")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresEmergency]:
        """See the port."""
        async with self._database.transaction() as connection:
            # In a statement of its own: what follows sees what whoever held the rules has changed.
            await connection.execute(load("grants")["lock"])
            yield PostgresEmergency(connection, self._sealer)
        self._database.recorded()

    async def find(self, request_id: int) -> EmergencyRequest | None:
        """See the port."""
        found = await self._found("request", request_id)
        return found[0] if found else None

    async def requests(self, *, open_only: bool, limit: int) -> list[EmergencyRequest]:
        """See the port."""
        return await self._found("requests", open_only, limit)

    async def voided(self, since: timedelta) -> list[EmergencyRequest]:
        """See the port."""
        return await self._found("voided", since)

    async def _found(self, statement: str, *arguments: object) -> list[EmergencyRequest]:
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql[statement], *arguments)
            numbers = [row["id"] for row in rows]
            votes = await connection.fetch(self._sql["votes"], numbers) if rows else []
            reads = await connection.fetch(self._sql["reads"], numbers) if rows else []
            now = await connection.fetchval(self._sql["now"])
        by_request: defaultdict[int, list[Vote]] = defaultdict(list)
        for vote in map(vote_of, votes):
            by_request[vote.request_id].append(vote)
        read: defaultdict[int, list[SecretName]] = defaultdict(list)
        for each in reads:
            read[each["request_id"]].append(SecretName(each["secret_name"]))
        return [replace(request_of(row, by_request[row["id"]]).at(now), read=tuple(read[row["id"]])) for row in rows]

    async def code_sets(self) -> list[CodeSet]:
        """See the port."""
        async with self._database.connection() as connection:
            return _genuine_codes(await connection.fetch(self._sql["code_sets"]), self._sealer)

    async def overdue(self, *, limit: int = 100) -> list[int]:
        """See the port."""
        async with self._database.connection() as connection:
            return [row["id"] for row in await connection.fetch(self._sql["overdue"], limit)]

    async def note_reads(self, after: timedelta, until: timedelta) -> list[SecretName]:
        """See the port."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(self._sql["note_reads"], after, until, timeout=NOTE_TIMEOUT_S)
        return [SecretName(row["secret_name"]) for row in rows]

    async def totals(self) -> EmergencyTotals:
        """See the port."""
        async with self._database.connection() as connection:
            return EmergencyTotals(**await connection.fetchrow(self._sql["totals"]))


def request_of(row: Mapping[str, Any], votes: Sequence[Vote]) -> EmergencyRequest:
    """The request that a row describes."""
    return EmergencyRequest(
        permissions=frozenset(Permission(each) for each in row["permissions"] if each in set(Permission)),
        state=RequestState(row["state"]),
        votes=tuple(votes),
        **{column: row[column] for column in _PLAIN},
    )


def vote_of(row: Mapping[str, Any]) -> Vote:
    """The vote that a row describes."""
    return Vote(
        request_id=row["request_id"],
        voter=row["voter"],
        voted_at=row["voted_at"],
        groups=frozenset(row["groups"]),
        rule=row["rule"],
        attestation=row["attestation"],
    )


def codes_of(row: Mapping[str, Any]) -> CodeSet:
    """The set of recovery codes that a row describes."""
    return CodeSet(
        id=row["id"],
        pattern=row["pattern"],
        threshold=row["threshold"],
        hashes=tuple(row["hashes"]),
        used=frozenset(row["used"]),
        created_by=row["created_by"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )


def _genuine_codes(rows: Sequence[Mapping[str, Any]], sealer: Sealer) -> list[CodeSet]:
    """The sets that were made here. One that was not is as good as none: its codes open nothing."""
    found = []
    for row in rows:
        codes = codes_of(row)
        try:
            sealer.verify(codes_facts(codes), row["attestation"])
        except (IntegrityFailure, KeyUnavailable):
            continue
        found.append(codes)
    return found
