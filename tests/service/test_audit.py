"""I1: nothing is disclosed that is not on record, in one sink at least; and what the record says."""

import asyncio
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from holdfast.domain.audit import record_of
from holdfast.domain.chain import Chain, ChainId, Entry
from holdfast.domain.policy import AccessContext, Caller
from holdfast.errors import AccessDenied, AuditUnavailable, HoldfastError, SecretDisabled, SecretNotFound
from holdfast.service.installation.housekeeping import Housekeeping
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.scrubbing import PostgresScrubber
from holdfast.stores.spool import AuditNotes, AuditSpool
from holdfast.stores.spool.files import whole_entries
from tests.support.node import ALICE, FailingSink, Inside, audit, opened, rows

RECORD = record_of(Caller("alice"), "get", "k", datetime.now(UTC), version=1, source="cache")


async def test_every_outcome_is_on_record(service: SecretsService, database_url: str) -> None:
    await service.grant_access("k", "alice", ["get"])
    await service.set_secret("k", "v")
    await service.invalidate_cache()
    await service.get_secret("k", context=ALICE)
    await service.get_secret("k", context=ALICE)
    with pytest.raises(AccessDenied):
        await service.set_secret("k", "v", context=ALICE)
    await service.set_secret("k", "v", enabled=False)
    with pytest.raises(SecretDisabled):
        await service.get_secret("k", context=ALICE)
    with pytest.raises(SecretNotFound):
        await service.get_secret_version("k", 9)
    await service.warm_cache(["k"])
    assert await audit(database_url, "k") == [
        ("system", "grant", True, None, None, None),
        ("system", "set", True, None, 1, None),
        ("alice", "get", True, None, 1, "mirror"),
        ("alice", "get", True, None, 1, "cache"),
        ("alice", "set", False, "access_denied", None, None),
        ("system", "set", True, None, 2, None),
        ("alice", "get", False, "secret_disabled", None, None),
        ("system", "get_version", False, "version_not_found", None, None),
        ("system", "warm", False, "secret_disabled", None, None),
    ]
    known = await rows(
        database_url,
        "SELECT DISTINCT ip_address, user_agent, request_id FROM secret_access_logs WHERE user_id = 'alice'",
    )
    assert known == [("10.0.0.5", "app/1.0", "req-1")]


async def test_history_is_newest_first_and_bounded(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    for _ in range(5):
        await service.get_secret("k", context=None)
    history = await service.get_access_history("k", 3)
    assert [record.operation for record in history] == ["get", "get", "get"]
    assert history[0].timestamp >= history[-1].timestamp
    assert (await service.get_access_history("k"))[0].operation == "history"


async def test_what_callers_say_of_themselves_is_one_bounded_line(service: SecretsService, database_url: str) -> None:
    await service.grant_access("k", "alice", ["get"])
    await service.set_secret("k", "v")
    agent = 'x\n{"success": true}\x1b[31m\u202e\ud800\0' + "y" * 1_000_000
    await service.get_secret("k", context=AccessContext(user_id="alice", user_agent=agent, ip_address="1" * 99))
    ((stored, address),) = await rows(
        database_url, "SELECT user_agent, ip_address FROM secret_access_logs WHERE user_id = 'alice'"
    )
    assert stored.isprintable()
    assert len(stored) == 256
    assert len(address) == 50


async def test_i1_with_no_sink_nothing_is_disclosed_or_changed_and_it_recovers_by_itself(
    database_url: str, tmp_path: Path
) -> None:
    first, local = FailingSink(), FailingSink()
    async with opened(database_url, tmp_path, first_sink=first, local_sink=local) as inside:
        service = inside.service
        await service.set_secret("k", "v")  # a change carries its record in its own transaction
        for ask in (
            lambda: service.get_secret("k"),
            lambda: service.get_secret("k", context=ALICE),
            lambda: service.get_secret("absent"),
            lambda: service.get_secret_version("k", 1),
            service.list_secrets,
            lambda: service.list_secret_versions("k"),
            lambda: service.backup_secret("k"),
            service.get_secret_health,
            service.check_expiring_secrets,
            lambda: service.authenticate_client("app", "x"),
        ):
            with pytest.raises(AuditUnavailable):
                await ask()
        local.broken = False
        assert (await service.get_secret("k")).value == "v"
        assert [record.operation for record in local.records] == ["get"]


async def test_i1_a_denial_is_durable_before_the_caller_hears_of_it(database_url: str, tmp_path: Path) -> None:
    first = FailingSink(broken=False)
    release, write = asyncio.Event(), first.write

    async def slow(entries: Sequence[Entry]) -> None:
        await release.wait()
        await write(entries)

    first.write = slow  # type: ignore[method-assign]  # a sink that takes its time
    async with opened(database_url, tmp_path, first_sink=first) as inside:
        denied = asyncio.ensure_future(inside.service.get_secret("k", context=ALICE))
        await asyncio.wait({denied}, timeout=0.05)
        assert not denied.done()
        release.set()
        with pytest.raises(AccessDenied):
            await denied
        assert [(record.user_id, record.success) for record in first.records] == [("alice", False)]


async def test_concurrent_reads_share_few_writes(database_url: str, tmp_path: Path) -> None:
    first = FailingSink(broken=False)
    batches: list[int] = []
    write = first.write

    async def counted(entries: Sequence[Entry]) -> None:
        batches.append(len(entries))
        await asyncio.sleep(0)
        await write(entries)

    first.write = counted  # type: ignore[method-assign]  # counts
    async with opened(database_url, tmp_path, first_sink=first) as inside:
        await inside.service.set_secret("k", "v")
        await asyncio.gather(*(inside.service.get_secret("k") for _ in range(200)))
    assert sum(batches) == 201  # with the record that opens the chain
    assert len(batches) < 20


async def test_records_of_an_outage_arrive_once(inside: Inside, database_url: str, tmp_path: Path) -> None:
    spool = AuditSpool(tmp_path / "spool")
    await spool.write(new_chain().extend([RECORD, RECORD]))
    (file,) = (tmp_path / "spool").iterdir()
    kept = file.read_bytes()
    house = housekeeping(inside, spool)
    await house.ship_audit()
    assert list((tmp_path / "spool").glob("*.log")) == []
    file.write_bytes(kept)  # as if the node had died between the commit and the removal
    await house.ship_audit()
    assert list((tmp_path / "spool").glob("*.log")) == []
    assert await audit(database_url, "k") == [("alice", "get", True, None, 1, "cache")] * 2


async def test_a_batch_whose_fate_was_not_known_arrives_once(inside: Inside, database_url: str, tmp_path: Path) -> None:
    spool, chain = AuditSpool(tmp_path / "spool"), new_chain()
    entries = chain.extend([RECORD] * 4)
    await PostgresAuditSink(inside.database).write(entries[1:3])
    await spool.write(entries)
    await housekeeping(inside, spool).ship_audit()
    assert await rows(
        database_url, "SELECT seq FROM secret_access_logs WHERE boot = $1 ORDER BY seq", chain.id.boot
    ) == [(1,), (2,), (3,), (4,)]


async def test_a_damaged_file_is_set_aside_and_what_is_whole_arrives(
    inside: Inside, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    spool = AuditSpool(folder)
    await spool.write(new_chain().extend([RECORD]))
    entries = new_chain(8).extend([RECORD] * 3)
    other = AuditSpool(folder)
    await other.write(entries)
    other.close()
    (damaged,) = (file for file in folder.iterdir() if b'"boot":8' in file.read_bytes())
    lines = damaged.read_bytes().splitlines(keepends=True)
    damaged.write_bytes(lines[0] + lines[1].replace(b"alice", b"mallory") + lines[2])
    (folder / "0 notes.log").write_text("not ours\n" * 2)
    await housekeeping(inside, spool).ship_audit()
    seqs = await rows(database_url, "SELECT boot, seq FROM secret_access_logs WHERE secret_name = 'k' ORDER BY 1, 2")
    assert seqs == [(7, 1), (8, 1), (8, 3)]
    assert damaged.with_suffix(".damaged").exists()


@pytest.mark.parametrize("cut", [1, 40, 400])
async def test_what_a_crash_cut_short_is_left_out(inside: Inside, database_url: str, tmp_path: Path, cut: int) -> None:
    spool, chain = AuditSpool(tmp_path / "spool"), new_chain()
    await spool.write(chain.extend([RECORD] * 3))
    (file,) = (tmp_path / "spool").iterdir()
    file.write_bytes(file.read_bytes()[:-cut] + bytes(cut // 2))
    await housekeeping(inside, spool).ship_audit()
    left = 3 if cut == 1 else 2 if cut == 40 else 1
    assert len(await audit(database_url, "k")) == left
    assert list((tmp_path / "spool").glob("*.log")) == []


async def test_no_record_is_lost_between_writing_and_shipping(
    inside: Inside, database_url: str, tmp_path: Path
) -> None:
    spool, chain = AuditSpool(tmp_path / "spool"), new_chain()
    house = housekeeping(inside, spool)

    async def ship() -> None:
        for _ in range(30):
            await house.ship_audit()

    async def write() -> None:
        for _ in range(60):
            entries = chain.extend([RECORD])
            await spool.write(entries)
            chain.advance(entries)

    await asyncio.gather(ship(), write(), ship())
    await house.ship_audit()
    assert len(await audit(database_url, "k")) == 60


def test_i1_a_file_that_is_just_being_made_is_not_taken_for_an_abandoned_one(tmp_path: Path) -> None:
    made, shipped, finished = 400, list[Entry](), threading.Event()

    def ship() -> None:
        spool = AuditSpool(tmp_path)
        while True:
            last = finished.is_set()
            for segment in spool.segments():
                with segment as entries:
                    shipped.extend(entries)
            if last:
                return

    shipper = threading.Thread(target=ship)
    shipper.start()
    for _ in range(made):
        spool = AuditSpool(tmp_path)
        asyncio.run(spool.write(new_chain().extend([RECORD])))
        spool.close()
    finished.set()
    shipper.join()
    assert len(shipped) == made


async def test_retention_ends_for_all_but_the_secret_that_was_tampered_with(
    inside: Inside, database_url: str, tmp_path: Path
) -> None:
    service = inside.service
    for name in ("bad", "good", "young"):
        await service.set_secret(name, "v")
        await service.delete_secret(name)
    async with inside.database.connection() as connection:
        await connection.execute(
            "UPDATE secrets_vault SET scheduled_purge_at = now() - interval '1 day' WHERE secret_name <> 'young'"
        )
        await connection.execute(
            "UPDATE secrets_vault SET scheduled_purge_at = now() - interval '2 days', attestation = '' "
            "WHERE secret_name = 'bad'"
        )
    await housekeeping(inside, AuditSpool(tmp_path)).end_retention()
    names = await rows(database_url, "SELECT secret_name FROM secrets_vault ORDER BY secret_name")
    assert names == [("bad",), ("young",)]
    assert (await audit(database_url, "good"))[-1] == ("system", "purge", True, None, None, None)
    with pytest.raises(HoldfastError):
        await service.recover_secret("good")


def new_chain(boot: int = 7) -> Chain:
    return Chain(ChainId(uuid4(), boot))


def housekeeping(inside: Inside, spool: AuditSpool) -> Housekeeping:
    parts = inside.parts
    return Housekeeping(
        ledger=parts.ledger,
        guard=parts.guard,
        writer=parts.writer,
        clock=parts.clock,
        local=spool,
        archive=PostgresAuditSink(inside.database),
        take_in=parts.trail.take_in,
        scrubber=PostgresScrubber(inside.database),
    )


WAITING = """
INSERT INTO audit_outbox (record) SELECT jsonb_build_object('timestamp', '2026-01-01T00:00:00Z', 'user_id', 'alice',
    'operation', 'set', 'name', n::text, 'success', true) || $1::text::jsonb FROM generate_series(1, $2) n
"""
ODD = {
    "no record": '{"success": "perhaps"}',
    "a time without a zone": '{"timestamp": "2026-01-01T00:00:00"}',
    "a time that has no partition": '{"timestamp": "9000-01-01T00:00:00Z"}',
    "an identity that does not fit": f'{{"user_id": "{"x" * 300}"}}',
    "a version that does not fit": '{"version": 9223372036854775808}',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_a_record_that_no_chain_takes_is_set_aside_and_those_behind_it_go_on(
    inside: Inside, database_url: str, odd: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await asyncpg.connect(database_url)
    for edit, number in (("{}", 3), (odd, 1), ("{}", 20), (odd, 2), ("{}", 1)):
        await connection.execute(WAITING, edit, number)
    page = await inside.service.audit.search(operation="set")  # anyone who looks meanwhile sees the others
    assert len(page.records) >= 24
    inside.parts.trail.take_in()
    await inside.parts.trail.aclose()
    assert await connection.fetchval("SELECT count(*) FROM audit_outbox") == 0
    assert await connection.fetchval("SELECT count(*) FROM secret_access_logs WHERE operation = 'set'") == 24
    assert await connection.fetchval("SELECT count(*) FROM audit_set_aside") == 3
    told = [each.getMessage() for each in caplog.records if "is set aside" in each.getMessage()]
    assert len(told) == (1 if "(3 in this batch)" in told[0] else 3)
    await connection.close()
    report = await inside.service.get_secret_health()
    assert not report.healthy
    assert [line for line in report.recommendations if "3 audit record(s)" in line and "audit_set_aside" in line]


@contextmanager
def first_in_hand(dsn: str) -> Iterator[None]:
    """While inside, another session holds the record that has waited longest."""

    async def hold() -> None:
        connection = await asyncpg.connect(dsn)
        async with connection.transaction():
            await connection.execute("SELECT 1 FROM audit_outbox ORDER BY id LIMIT 1 FOR UPDATE")
            held.set()
            await asyncio.to_thread(done.wait, 60)
        await connection.close()

    held, done = threading.Event(), threading.Event()
    other = threading.Thread(target=lambda: asyncio.run(hold()))
    other.start()
    try:
        assert held.wait(60)
        yield
    finally:
        done.set()
        other.join()


async def test_no_other_record_is_set_aside_when_another_node_has_the_refused_one_in_hand(
    inside: Inside, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    for edit in (ODD["a version that does not fit"], "{}"):
        await connection.execute(WAITING, edit, 1)
    sink = PostgresAuditSink(inside.database)
    with ExitStack() as elsewhere:
        inside.database.recorded = lambda: elsewhere.enter_context(first_in_hand(database_url))
        assert await sink.take_in(new_chain().extend, 1) == ()
        assert await connection.fetchval("SELECT count(*) FROM audit_set_aside") == 0
        inside.database.recorded = lambda: None
    assert await sink.take_in(new_chain().extend, 1) == ()
    assert [entry.record.version for entry in await sink.take_in(new_chain().extend, 1)] == [None]
    assert await connection.fetchval("SELECT count(*) FROM audit_set_aside") == 1
    await connection.close()


async def test_a_file_with_a_record_that_is_refused_is_set_aside_and_the_rest_is_shipped(
    inside: Inside, database_url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "spool"
    long = record_of(Caller("x" * 300), "get", "k", datetime.now(UTC))
    spool = AuditSpool(folder)
    await spool.write(new_chain().extend([RECORD, RECORD, long, RECORD]))
    other = AuditSpool(folder)
    await other.write(new_chain(8).extend([RECORD] * 2))
    other.close()
    await housekeeping(inside, spool).ship_audit()
    seqs = await rows(database_url, "SELECT boot, seq FROM secret_access_logs WHERE secret_name = 'k' ORDER BY 1, 2")
    assert seqs == [(7, 1), (7, 2), (7, 4), (8, 1), (8, 2)]
    assert len(list(folder.glob("*.damaged"))) == 1
    assert list(folder.glob("*.log")) == []
    await housekeeping(inside, spool).ship_audit()


async def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_shipped(
    inside: Inside, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "spool"
    spool = AuditSpool(folder)
    await spool.write(new_chain().extend([RECORD] * 2))
    (folder / "circle").symlink_to("circle")
    for odd in ("a.log", "b.note", "c.kept"):
        (folder / odd).symlink_to("circle")
    os.mkfifo(folder / "d.log")
    (folder / "e.log").mkdir()
    spool.reopen()
    await housekeeping(inside, spool).ship_audit()
    assert await rows(database_url, "SELECT count(*) FROM secret_access_logs WHERE secret_name = 'k'") == [(2,)]
    assert all(odd in caplog.text for odd in ("a.log", "b.log", "c.log", "d.log", "e.log"))


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """While inside, the system cuts files of this process short, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_notes_that_a_full_disk_cuts_short_damage_none_of_the_others(tmp_path: Path) -> None:
    notes, (first, second, third) = AuditNotes(tmp_path), new_chain().extend([RECORD] * 3)
    notes.add([first])
    (file,) = tmp_path.glob("*.note")
    with files_of_at_most(file.stat().st_size + 10), pytest.raises(OSError, match="short"):
        notes.add([second])
    notes.add([third])
    notes.close()
    assert whole_entries(file.read_bytes()) == ([first, third], False)
