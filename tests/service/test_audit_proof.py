"""I9 end to end: what a service exports is proven by its checkpoints. And what the trail answers when it is asked."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.signing import KeyFile, Signer, key_line
from holdfast.domain.audit import record_of
from holdfast.domain.chain import parse_line
from holdfast.domain.checkpoint import parse_checkpoint
from holdfast.domain.policy import Caller
from holdfast.domain.verification import Verdict, verify
from holdfast.errors import AccessDenied, InvalidInput, KeyUnavailable
from holdfast.service.audit.checkpoints import SigningKey
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.checkpoints import PostgresCheckpoints
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.queries import load
from tests.support.node import ALICE, Inside, opened, service_on
from tests.support.postgres import execute, fetch
from tests.support.world import KEY


async def taken(service: SecretsService) -> tuple[list[bytes], list[bytes], KeyFile]:
    """An export, the checkpoints and the key, as an auditor takes them away."""
    checkpoints = [line + b"\n" async for line in service.audit.checkpoints()]
    lines = [entry.line() + b"\n" async for some in service.audit.export() for entry in some]
    return lines, checkpoints, KeyFile.parse("\n".join(map(key_line, await service.audit.public_keys())))


async def judged(service: SecretsService) -> Verdict:
    lines, checkpoints, key = await taken(service)
    return verify(lines, checkpoints, key.signed)


async def some_history(service: SecretsService) -> None:
    await service.grant_access("k", "alice", ["get"])
    await asyncio.gather(*(service.set_secret(name, "v") for name in "kab"))
    for _ in range(10):
        await asyncio.gather(*(service.get_secret("k", context=ALICE) for _ in range(5)))
    with pytest.raises(AccessDenied):
        await service.get_secret("a", context=ALICE)


async def test_i9_what_a_service_exports_is_proven(database_url: str, tmp_path: Path) -> None:
    for _ in range(2):
        async with service_on(database_url, tmp_path) as service:
            await some_history(service)
            lines, checkpoints, key = await taken(service)
            verdict = verify(lines, checkpoints, key.signed)
            assert verdict.intact, verdict.problems
            assert verdict.records == len(lines)
            assert verdict.proven == verdict.records - 2, "all but the records of these two questions"
    assert verdict.checkpoints == 2
    assert verdict.chains == 2
    assert b'"v"' not in b"".join(lines)


TAMPERING: dict[str, tuple[str, int]] = {
    "a fact": ("UPDATE secret_access_logs SET user_id = 'bob' WHERE seq = 9", 9),
    "a flag": ("UPDATE secret_access_logs SET success = NOT success WHERE seq = 9", 9),
    "a time": ("UPDATE secret_access_logs SET timestamp = timestamp + interval '1 us' WHERE seq = 9", 9),
    "a hash": ("UPDATE secret_access_logs SET hash = sha256(hash) WHERE seq = 9", 9),
    "a deletion": ("DELETE FROM secret_access_logs WHERE seq = 9", 9),
    "the end": ("DELETE FROM secret_access_logs WHERE seq >= 9", 9),
    "an order": ("UPDATE secret_access_logs SET seq = 19 - seq WHERE seq IN (9, 10)", 9),
    "a chain": ("DELETE FROM secret_access_logs", 1),
}


@pytest.mark.parametrize("change", TAMPERING)
async def test_i9_whatever_is_done_in_the_database_is_found(inside: Inside, database_url: str, change: str) -> None:
    await some_history(inside.service)
    assert (await judged(inside.service)).intact
    statement, seq = TAMPERING[change]
    await execute(database_url, statement)
    verdict = await judged(inside.service)
    assert verdict.problems[0].seq == seq


async def test_i9_an_export_from_before_a_whole_rewrite_is_not_matched_by_it(
    inside: Inside, database_url: str, tmp_path: Path
) -> None:
    """Somebody with the database and no key can make all of it anew, but not the checkpoints."""
    await some_history(inside.service)
    _, checkpoints, key = await taken(inside.service)
    await execute(database_url, "TRUNCATE secret_access_logs, audit_chains, audit_checkpoints, audit_keys")
    async with opened(database_url, tmp_path / "other") as other:
        await some_history(other.service)
        lines, own, _ = await taken(other.service)
    assert not verify(lines, checkpoints, key.signed).intact
    assert not verify(lines, own, key.signed).intact


async def test_checkpoints_name_one_another_and_only_what_is_new(inside: Inside, database_url: str) -> None:
    checkpointer = inside.parts.audit.checkpointer
    assert not await checkpointer.make()
    for _ in range(3):
        await inside.service.set_secret("k", "v")
        await inside.parts.trail.aclose()
        assert await checkpointer.make()
        assert not await checkpointer.make()
    lines = [line async for line in inside.service.audit.checkpoints()]
    found = [parse_checkpoint(line)[0] for line in lines]
    assert [(each.checkpoint, each.records, each.heads[0].seq) for each in found] == [
        (1, 2, 2),
        (2, 1, 3),
        (3, 1, 4),
    ]


async def test_nodes_that_sign_at_once_make_one_chain_of_checkpoints(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as one, opened(database_url, tmp_path) as other:
        for _ in range(10):
            await one.service.set_secret("k", "v")
            await asyncio.gather(*(node.parts.audit.checkpointer.make() for node in (one, other, one)))
        await one.parts.trail.aclose()
        verdict = await judged(other.service)
    assert verdict.intact
    assert verdict.proven == verdict.records - 3, "all but the chain that the auditor's two questions began"
    assert await fetch(database_url, "SELECT count(*) FROM audit_keys") == 1


async def test_nodes_that_need_a_key_at_once_make_one(database_url: str) -> None:
    database = Database(database_url, max_connections=20)
    await database.open()
    try:
        store, envelope = PostgresCheckpoints(database), Envelope(KeyRing.from_settings(KEY))
        keys = await asyncio.gather(*(SigningKey(store, envelope, Signer).get() for _ in range(20)))
    finally:
        await database.close()
    assert len({key.public_key for key in keys}) == 1
    assert await fetch(database_url, "SELECT count(*) FROM audit_keys") == 1


async def test_i9_the_key_for_checkpoints_outlives_the_keys_of_the_ring(inside: Inside) -> None:
    store, new = PostgresCheckpoints(inside.database), base64.b64encode(bytes(range(100, 132))).decode()
    rings = [KeyRing.from_settings(KEY), KeyRing.from_settings(new, (KEY,)), KeyRing.from_settings(new)]
    keys = [(await SigningKey(store, Envelope(ring), Signer).get()).public_key for ring in rings]
    assert len(set(keys)) == 1
    with pytest.raises(KeyUnavailable):
        await SigningKey(store, Envelope(rings[0]), Signer).get()


async def test_i9_a_checkpoint_stops_before_what_is_still_in_a_local_log(inside: Inside, database_url: str) -> None:
    await inside.service.set_secret("k", "v")
    await inside.service.get_secret("k")
    await inside.service.get_secret("k")
    await execute(database_url, "DELETE FROM secret_access_logs WHERE seq = 3")  # as if it had not arrived yet
    await inside.parts.audit.checkpointer.make()
    (line,) = [line async for line in inside.service.audit.checkpoints()][:1]
    assert parse_checkpoint(line)[0].heads[0].seq == 2


async def test_a_part_of_the_trail_can_be_taken_by_time(inside: Inside) -> None:
    service = inside.service
    await some_history(service)
    for _ in range(3):
        await service.get_secret("k")
    _, second, third, *_ = (await service.audit.search(user_id="system", operation="get")).records[::-1]
    stretch = service.audit.export(since=second.timestamp, until=third.timestamp)
    lines = [entry async for some in stretch for entry in some]
    assert [entry.record.operation for entry in lines] == ["get"]
    assert lines[0].seq > 1
    assert parse_line(lines[0].line()) == lines[0]
    with pytest.raises(InvalidInput, match="time zone"):
        await service.audit.search(since=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of it


async def test_i9_a_chain_that_nobody_watches_any_more_is_watched_again_when_more_of_it_arrives(
    inside: Inside, database_url: str
) -> None:
    checkpointer = inside.parts.audit.checkpointer
    await inside.service.set_secret("k", "v")
    await inside.service.get_secret("k")
    assert await checkpointer.make()
    await execute(database_url, "UPDATE audit_chains SET signed_at = now() - interval '3 hours'")
    assert not await checkpointer.make()
    assert await fetch(database_url, "SELECT settled FROM audit_chains") is True
    chain = inside.parts.trail._chain
    assert chain is not None
    record = record_of(Caller("alice"), "get", "k", datetime.now(UTC))
    await inside.parts.audit.archive.write_once(chain.extend([record]))  # shipped late, from a local log
    assert await checkpointer.make()
    assert await fetch(database_url, "SELECT signed_seq FROM audit_chains") == 4


# --- search ---


async def test_search_finds_by_every_fact_and_pages(service: SecretsService) -> None:
    await some_history(service)
    audit = service.audit
    assert {r.user_id for r in (await audit.search(user_id="alice", limit=1000)).records} == {"alice"}
    assert [r.operation for r in (await audit.search(name="k", operation="set")).records] == ["set"]
    assert [r.name for r in (await audit.search(user_id="alice", success=False)).records] == ["a"]
    assert (await audit.search(name="k", until=datetime.now(UTC) - timedelta(hours=1))).records == ()
    pages, cursor = [], None
    while True:
        page = await audit.search(name="k", operation="get", limit=7, cursor=cursor)
        pages.append(page.records)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [len(page) for page in pages] == [7] * 7 + [1]
    found = [record for page in pages for record in page]
    assert found == sorted(found, key=lambda record: record.timestamp, reverse=True)
    with pytest.raises(InvalidInput, match="cursor"):
        await audit.search(cursor="1; DROP TABLE")


async def test_search_misses_nothing_that_has_no_place_yet(inside: Inside) -> None:
    await inside.service.set_secret("a", "v")
    inside.database.recorded = lambda: None
    await inside.service.set_secret("k", "v")
    await inside.service.set_secret("b", "v")
    audit = inside.service.audit
    assert [r.name for r in (await audit.search(operation="set")).records] == ["b", "k", "a"]
    assert [r.name for r in (await audit.search(name="k")).records] == ["k"]
    assert (await audit.search(operation="delete")).records == ()


async def test_a_page_is_never_longer_than_asked_for(inside: Inside) -> None:
    for version in range(2):
        await inside.service.set_secret("k", f"{version}")
    await inside.parts.trail.aclose()
    inside.database.recorded = lambda: None
    for version in range(2, 5):
        await inside.service.set_secret("k", f"{version}")
    audit = inside.service.audit
    first = await audit.search(name="k", operation="set", limit=2)
    assert [record.version for record in first.records] == [5, 4]
    second = await audit.search(name="k", operation="set", limit=2, cursor=first.next_cursor)
    assert [record.version for record in second.records] == [2, 1]
    whole = await audit.search(name="k", operation="set", limit=4)
    assert [record.version for record in whole.records] == [5, 4, 3, 2]
    last = await audit.search(name="k", operation="set", limit=4, cursor=whole.next_cursor)
    assert [record.version for record in last.records] == [1]
    assert len(await inside.service.get_access_history("k", 1)) == 1


async def test_the_trail_is_for_those_who_may_audit(service: SecretsService) -> None:
    await some_history(service)
    for name in (None, "k"):
        with pytest.raises(AccessDenied):
            await service.audit.search(name=name, context=ALICE)
    with pytest.raises(AccessDenied):
        await service.audit.public_keys(context=ALICE)
    for stream in (service.audit.export(context=ALICE), service.audit.checkpoints(context=ALICE)):
        with pytest.raises(AccessDenied):
            await anext(stream)
    await service.grant_access("k", "alice", ["audit"])
    assert (await service.audit.search(name="k", context=ALICE)).records
    with pytest.raises(AccessDenied):
        await service.audit.search(name="a", context=ALICE)
    assert (await service.audit.search(operation="audit.search", success=False)).records


async def test_i9_a_public_key_that_somebody_wrote_into_the_database_is_not_given_out(
    service: SecretsService, database_url: str
) -> None:
    """Whoever handed it to an auditor would let a rewritten trail pass, signed by whoever wrote it."""
    genuine = await service.audit.public_keys()
    forged = Signer()
    sealed = f"(SELECT sealed_key FROM audit_keys LIMIT 1), '\\x{forged.public_key.hex()}'"
    await execute(
        database_url, f"INSERT INTO audit_keys (key_id, sealed_key, public_key) SELECT '{forged.key_id}', {sealed}"
    )
    assert await service.audit.public_keys() == genuine


@pytest.mark.parametrize("way", ["by_secret", "by_user", "by_time"])
async def test_a_search_reads_the_newest_partitions_by_index_and_stops(database_url: str, way: str) -> None:
    """The plan that makes it fast on any number of records; figures are in docs/audit.md.

    Whatever day it is, the newest ones that are asked for are of one month, whose partition is this month's.
    """

    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO secret_access_logs "
            "(writer, boot, seq, hash, timestamp, secret_name, user_id, operation, success) "
            "SELECT gen_random_uuid(), 1, n, '', date_trunc('month', now()) + interval '20 d' - n * '5 min'::interval, "
            "'s-' || n % 50, 'u-' || n % 50, 'get', true FROM generate_series(1, 20000) n"
        )
        await connection.execute("ANALYZE")
        statement = await connection.prepare("EXPLAIN (ANALYZE, FORMAT JSON) " + load("audit")[way])
        text = await statement.fetchval(
            "s-7" if way == "by_secret" else None,
            "u-7" if way == "by_user" else None,
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(9999, 1, 1, tzinfo=UTC),
            datetime(9999, 1, 1, tzinfo=UTC),
            2**62,
            None,
            None,
            51,
            True,
        )
    finally:
        await connection.close()
    scans = [
        node for node in nodes(json.loads(text)[0]["Plan"]) if "secret_access_logs" in node.get("Relation Name", "")
    ]
    assert {node["Node Type"] for node in scans} == {"Index Scan"}
    assert sum(node["Actual Rows"] for node in scans) == 51
    assert scans[-1]["Relation Name"] == "secret_access_logs_past"
    assert scans[-1]["Actual Loops"] == 0, "older partitions are not looked into"


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """All nodes of a plan."""
    return [plan, *(inner for child in plan.get("Plans", ()) for inner in nodes(child))]
