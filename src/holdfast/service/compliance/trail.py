"""Evidence about the audit trail: how far it goes back, and that it was checked, here and now."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.compliance import Evidence
from holdfast.domain.verification import Signed, Verifier
from holdfast.ports import AuditSearch, CheckpointStore
from holdfast.ports.compliance import Surroundings
from holdfast.service.compliance.scope import Scope, age, day, joined, more, share, table

MAX_VERIFIED: Final = 200_000
"""Records that are verified for a report, the newest: all of them are for `holdfast audit verify` on an export."""

MAX_CHECKPOINTS: Final = 20_000
"""Checkpoints that are gone through, the newest: at one every two seconds, those of half a day of ceaseless use."""

_AT_ONCE: Final = 1_000
COUNTED: Final = 100_000
"""Up to here records are counted; beyond, PostgreSQL's own estimate is told. The query has the same bound."""

LATE: Final = timedelta(minutes=10)
"""Checkpoints are made every two seconds wherever a node runs and something is to be signed."""


async def trail(scope: Scope, surroundings: Surroundings) -> Evidence:
    """How far back it goes."""
    row, kept = await scope.one("trail"), surroundings.settings()["retention"]
    count = f"{row['counted']:,}" if row["counted"] < COUNTED else f"about {max(row['about'] or 0, COUNTED):,}"
    return Evidence(
        id="trail",
        title="Audit trail",
        source="trail; the settings of the answering node",
        statement=f"Records: {count}, from {day(row['oldest'])} to {day(row['newest'])}. Hash chains: "
        f"{row['chains']:,}. Kept {kept or 'for ever'}.",
    )


async def checkpoints(scope: Scope, surroundings: Surroundings) -> Evidence:
    """Whether the trail is signed, and somebody else has the signature."""
    row, found = await scope.one("checkpoints"), await scope.ask("streams")
    exported = surroundings.settings()["checkpoints"]
    late = row["unsigned_since"] is not None and scope.now - row["unsigned_since"] > LATE
    return Evidence(
        id="checkpoints",
        title="Checkpoints",
        source="checkpoints, streams; the settings of the answering node",
        statement=f"Signed checkpoints: {row['checkpoints']:,}; the last: {age(row['newest'], scope.now)}. They are "
        + (f"sent out by: {exported}." if exported else "sent nowhere."),
        attention=joined(
            "" if exported else "Checkpoints stay in the database: whoever can write to it could rewrite both.",
            f"Records since {day(row['unsigned_since'])} are under no checkpoint: no node makes them." if late else "",
        ),
        columns=("Stream", "Delivered", "Last", "Fails"),
        rows=table((r["name"], r["delivered"], r["delivered_at"], "yes" if r["failing"] else "no") for r in found),
        more=more(len(found)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Verifies the newest part of the trail, as an auditor would with an export.

    Args:
        public_keys: those that checkpoints may be signed with, as the database has them.
        signed_by: makes the check of signatures by such keys.
    """

    trail: AuditSearch
    checkpoints: CheckpointStore
    public_keys: Callable[[], Awaitable[Sequence[bytes]]]
    signed_by: Callable[[list[bytes]], Signed]
    limit: int = MAX_VERIFIED

    async def evidence(self, scope: Scope) -> Evidence:
        """Verify, and tell what was verified and what came out."""
        verifier = Verifier(self.signed_by(list(await self.public_keys())), partial=True)
        since = await self._since(scope)
        verifier.checkpoints(await self._lines((await scope.one("checkpoints"))["last_number"] or 0))
        async for entries in self.trail.export(since, None):
            await asyncio.to_thread(verifier.take, [entry.line() + b"\n" for entry in entries])
        verdict = verifier.verdict()
        result = "no record was altered, removed or moved" if verdict.intact else f"PROBLEMS: {verdict.problem_count:,}"
        bound = f" Earlier ones were not: the newest {self.limit:,} are." if since > scope.since else ""
        return Evidence(
            id="verification",
            title="Verification of the audit trail",
            source="every record of the range, hashed anew and compared with the checkpoints",
            statement=f"Verified at {day(scope.now)}: {result}. Records since {day(since)}: {verdict.records:,}; "
            f"chains: {verdict.chains:,}; checkpoints: {verdict.checkpoints:,}. Records under a checkpoint: "
            f"{share(verdict.proven, verdict.records)}.{bound}",
            attention="" if verdict.intact else "The audit trail is not intact.",
            columns=("Problem",) if verdict.problems else (),
            rows=table((str(problem),) for problem in verdict.problems),
            more=more(verdict.problem_count),
        )

    async def _since(self, scope: Scope) -> datetime:
        """From when on records are verified."""
        found = await scope.ask("horizon", self.limit)
        return max(scope.since, found[0]["timestamp"]) if found else scope.since

    async def _lines(self, newest: int) -> list[bytes]:
        """The checkpoints up to a number, as many as are gone through."""
        found: list[bytes] = []
        after = max(0, newest - MAX_CHECKPOINTS)
        while after < newest and (some := await self.checkpoints.lines(after, _AT_ONCE)):
            found += [line + b"\n" for _, line in some]
            after = some[-1][0]
        return found
