"""I9: a record that was removed before any checkpoint covered it is found, and a person decides how to go on."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from holdfast.domain.checkpoint import Gap, parse_checkpoint, parse_gap
from holdfast.domain.verification import verify
from holdfast.errors import AccessDenied, Conflict, InvalidInput
from tests.service.test_audit_proof import some_history, taken
from tests.support.node import ALICE, Inside, audit, opened
from tests.support.postgres import execute, fetch

LAST = "(SELECT signed_seq FROM audit_chains ORDER BY opened_at LIMIT 1)"


async def with_gap(inside: Inside, dsn: str) -> Gap:
    """History of which the second and third record after the last checkpoint are gone."""
    await some_history(inside.service)
    await inside.parts.trail.aclose()
    assert await inside.parts.audit.checkpointer.make()
    await some_history(inside.service)
    await inside.parts.trail.aclose()
    await execute(dsn, f"DELETE FROM secret_access_logs WHERE seq IN ({LAST} + 2, {LAST} + 3)")
    await inside.parts.audit.checkpointer.make()  # covers the first of them
    (gap,) = await inside.service.audit.gaps()
    assert gap.last == gap.first + 1
    return gap


async def test_who_finds_another_node_at_it_knows_nothing_of_how_that_goes(inside: Inside, database_url: str) -> None:
    """A loop that failed, and then met the other node, told of a recovery each time."""
    store, checkpointer = inside.parts.audit.checkpointer._store, inside.parts.audit.checkpointer
    connection = await asyncpg.connect(database_url)
    await connection.execute("SELECT pg_advisory_lock(1751215719)")
    with pytest.raises(Conflict):
        await store.extend(lambda *_: b"")
    with pytest.raises(Conflict):
        await store.prune(timedelta(days=1), lambda *_: b"")
    assert not await checkpointer.make()
    await connection.close()


async def test_i9_a_gap_that_somebody_took_note_of_holds_up_nothing_and_is_still_found(
    inside: Inside, database_url: str
) -> None:
    gap = await with_gap(inside, database_url)
    await inside.service.audit.acknowledge(gap.name)
    assert await inside.service.audit.gaps() == []
    lines, checkpoints, key = await taken(inside.service)
    (line,) = [each for each in checkpoints if b'"lost"' in each]
    (lost,) = parse_checkpoint(line.rstrip())[0].lost
    assert (lost.chain, lost.first, lost.last, lost.by) == (gap.chain, gap.first, gap.last, "system")
    verdict = verify(lines, checkpoints, key.signed)
    (problem,) = verdict.problems
    assert (problem.chain, problem.seq) == (gap.chain, gap.first)
    assert "missing; system took note of that in checkpoint " in problem.what
    assert verdict.proven == verdict.records - 2, "all that came after the gap, but the records of these two questions"
    assert ("system", "audit.acknowledge", True) in [row[:3] for row in await audit(database_url, "*")]


async def test_i9_what_is_altered_after_such_a_gap_is_found_as_before(inside: Inside, database_url: str) -> None:
    gap = await with_gap(inside, database_url)
    await inside.service.audit.acknowledge(gap.name)
    lines, checkpoints, key = await taken(inside.service)
    await execute(database_url, f"UPDATE secret_access_logs SET user_id = 'mallory' WHERE seq = {gap.last + 3}")
    lines = [entry.line() + b"\n" async for some in inside.service.audit.export() for entry in some]
    problems = verify(lines, checkpoints, key.signed).problems
    assert [problem.seq for problem in problems][:2] == [gap.first, gap.last + 3]


async def test_streams_go_on_after_such_a_gap(inside: Inside, database_url: str) -> None:
    gap = await with_gap(inside, database_url)
    streams = inside.parts.audit._streams
    await execute(database_url, "INSERT INTO audit_streams (name) VALUES ('records x')")
    before = await streams.next("records x", 10_000)
    assert {entry.seq for entry in before if entry.chain == gap.chain} == set(range(1, gap.first))
    await inside.service.audit.acknowledge(gap.name)
    after = [entry.seq for entry in await streams.next("records x", 10_000) if entry.chain == gap.chain]
    assert after[: gap.first] == [*range(1, gap.first), gap.last + 1]


async def test_a_record_that_turns_up_after_all_has_its_place(inside: Inside, database_url: str) -> None:
    await execute(database_url, "CREATE TABLE kept (LIKE secret_access_logs)")
    await some_history(inside.service)
    await inside.parts.trail.aclose()
    await execute(
        database_url,
        "INSERT INTO kept SELECT * FROM secret_access_logs WHERE seq = 5",
        "DELETE FROM secret_access_logs WHERE seq = 5",
    )
    await inside.parts.audit.checkpointer.make()
    (gap,) = await inside.service.audit.gaps()
    await inside.service.audit.acknowledge(gap.name)
    await execute(database_url, "INSERT INTO secret_access_logs SELECT * FROM kept")
    lines, checkpoints, key = await taken(inside.service)
    assert verify(lines, checkpoints, key.signed).intact


async def test_only_a_gap_that_is_there_can_be_passed_over_and_only_by_an_operator(
    inside: Inside, database_url: str
) -> None:
    gap = await with_gap(inside, database_url)
    await inside.service.grant_access("*", "alice", ["audit"])
    assert await inside.service.audit.gaps(context=ALICE) == [gap]
    with pytest.raises(AccessDenied):
        await inside.service.audit.acknowledge(gap.name, context=ALICE)
    smaller = Gap(writer=gap.writer, boot=gap.boot, first=gap.first, last=gap.first)
    with pytest.raises(Conflict):
        await inside.service.audit.acknowledge(smaller.name)
    for nonsense in ("", "x", gap.name + "0" * 40, f"{gap.writer}/0/1-2", 7):
        with pytest.raises(InvalidInput):
            await inside.service.audit.acknowledge(nonsense)  # type: ignore[arg-type]  # as an application might
    assert parse_gap(gap.name) == gap
    await inside.service.audit.acknowledge(gap.name)
    with pytest.raises(Conflict):
        await inside.service.audit.acknowledge(gap.name)


async def test_i9_a_gap_is_not_forgotten_when_its_writer_is_long_gone(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        gap = await with_gap(inside, database_url)
    async with opened(database_url, tmp_path / "other") as other:
        await execute(database_url, "UPDATE audit_chains SET signed_at = now() - interval '3 hours'")
        while await other.parts.audit.checkpointer.make():
            pass
        assert await fetch(database_url, "SELECT count(*) FROM audit_chains WHERE NOT settled") != 0
        assert gap in await other.service.audit.gaps()
