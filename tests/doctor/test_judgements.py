"""Each fact that is not as it should be is found, with its level, and named with a reason and a mend."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.diagnosis import Finding, Level
from holdfast.ports import BackendHealth, JournalStatus, NodeRecord, SyncStatus
from holdfast.ports.inspection import (
    AuditFacts,
    CertificateFacts,
    FileFacts,
    FolderFacts,
    KeyFacts,
    RedisFacts,
    SchemaFacts,
    ServerFacts,
)
from holdfast.service.doctor.audit import audit_findings
from holdfast.service.doctor.certificates import certificate_findings
from holdfast.service.doctor.clocks import skew_finding
from holdfast.service.doctor.database import host_findings, schema_findings, server_findings
from holdfast.service.doctor.keys import key_findings
from holdfast.service.doctor.local import folder_findings
from holdfast.service.doctor.mirror import mirror_findings
from holdfast.service.doctor.nodes import node_findings, quota_findings
from holdfast.service.doctor.redis import redis_findings

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)
GIB = 1 << 30

SERVER = ServerFacts(
    version="16.4",
    major=16,
    fsync=True,
    synchronous_commit="on",
    full_page_writes=True,
    autovacuum=True,
    track_counts=True,
    data_checksums=True,
    max_connections=100,
    reserved_connections=3,
    connections=5,
    in_recovery=False,
    read_only=False,
    superuser=False,
    may_create=True,
    over_socket=False,
    tls="TLSv1.3",
    now=NOW,
    oldest_transaction_age=1000,
    database_bytes=9 << 20,
)
SCHEMA = SchemaFacts(version=11, newest=11)
AUDIT = AuditFacts(
    outbox=0, outbox_oldest=None, checkpoint_at=NOW, unsigned_since=None, broken=0, streams=1, failing={}
)
REDIS = RedisFacts(
    version="7.2.4",
    maxmemory=GIB,
    policy="allkeys-lru",
    keeps=(),
    encrypted=True,
    authenticated=True,
    over_socket=False,
)
JOURNAL = JournalStatus(open=0, parked=0, oldest_open_at=None)
SYNC = SyncStatus(last_started_at=NOW, last_finished_at=NOW, last_error=None)
FOLDER = FolderFacts(
    root=Path("/data"),
    user=1000,
    files=[
        FileFacts(path=Path("/data"), mode=0o700, allowed=0o710, owner=1000, is_folder=True),
        FileFacts(path=Path("/data/encryption.key"), mode=0o600, allowed=0o600, owner=1000),
    ],
    free_bytes=100 * GIB,
    total_bytes=200 * GIB,
)


def told(findings: list[Finding]) -> list[tuple[Level, str]]:
    """What is not ok; everything of that kind says why it matters and what to do."""
    bad = [each for each in findings if each.level is not Level.OK]
    assert all(each.why and each.fix for each in bad), bad
    assert not any(each.why or each.fix for each in findings if each.level is Level.OK)
    return [(each.level, each.found) for each in bad]


@pytest.mark.parametrize(
    ("change", "level", "text"),
    [
        ({"fsync": False}, Level.FAILURE, "fsync is off."),
        ({"full_page_writes": False}, Level.FAILURE, "full_page_writes is off."),
        ({"synchronous_commit": "off"}, Level.FAILURE, "synchronous_commit is off for this role or server."),
        ({"data_checksums": False}, Level.WARNING, "Data checksums are off."),
        (
            {"max_connections": 22},
            Level.WARNING,
            "2 node process(es) may open 30 connections, and PostgreSQL has 19.",
        ),
        ({"connections": 90}, Level.WARNING, "90 of 97 connections are in use."),
        ({"autovacuum": False}, Level.WARNING, "autovacuum is off."),
        ({"track_counts": False}, Level.WARNING, "autovacuum is off."),
        (
            {"oldest_transaction_age": 1_500_000_000},
            Level.FAILURE,
            "The oldest transaction is 1,500,000,000 transactions old.",
        ),
        ({"slots": {"gone": 6 * GIB}}, Level.WARNING, "The replication slot gone holds back 6.0 GiB of WAL."),
        (
            {"in_recovery": True},
            Level.FAILURE,
            "This PostgreSQL is a read-only replica, or its role's transactions are read-only.",
        ),
        ({"tls": None}, Level.WARNING, "The connection is not encrypted."),
        ({"superuser": True}, Level.WARNING, "Holdfast's role is a superuser."),
    ],
)
def test_a_server(change: dict[str, Any], level: Level, text: str) -> None:
    assert told(server_findings(SERVER, nodes=2)) == []
    assert told(server_findings(replace(SERVER, **change), nodes=2)) == [(level, text)]


def test_a_server_of_our_own_on_a_socket_needs_no_tls() -> None:
    own = replace(SERVER, over_socket=True, tls=None, superuser=True)
    assert told(server_findings(own, nodes=1)) == []


@pytest.mark.parametrize(
    ("change", "may_create", "texts"),
    [
        ({}, False, []),
        ({"version": 9}, True, []),
        ({"version": 0}, False, ["There is no schema yet, and the role may not create tables."]),
        ({"version": 12}, True, ["The database has schema 12, and this release knows 11."]),
        (
            {"foreign_checksum": 4},
            True,
            ["Migration 4 differs from the one that this database was made with."],
        ),
        ({"denied": ["api_tokens", "clients"]}, True, ["The role lacks rights on api_tokens, clients."]),
        ({"swollen": ["secret_intents"]}, True, ["More dead rows than live ones in secret_intents."]),
    ],
)
def test_a_schema(change: dict[str, Any], may_create: bool, texts: list[str]) -> None:
    found = told(schema_findings(replace(SCHEMA, **change), may_create=may_create))
    assert [text for _, text in found] == texts


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"version": "5.0.7"}, ["Redis 5.0.7 is older than 6.2."]),
        ({"keeps": ("snapshots",)}, ["Redis writes its data to disk (snapshots)."]),
        ({"policy": "noeviction"}, ["maxmemory-policy is noeviction."]),
        ({"read_only": True}, ["This Redis is a read-only replica."]),
        ({"maxmemory": 0}, ["maxmemory is not set."]),
        ({"encrypted": False}, ["The connection is not encrypted."]),
        ({"authenticated": False}, ["Redis asks for no password."]),
        ({"policy": "", "maxmemory": 0}, []),
        ({"over_socket": True, "encrypted": False, "authenticated": False}, []),
    ],
)
def test_a_redis(change: dict[str, Any], texts: list[str]) -> None:
    assert told(redis_findings(replace(REDIS, **change))) == [(Level.WARNING, text) for text in texts]


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({"broken": 1, "unsigned_since": NOW}, Level.FAILURE),
        ({"unsigned_since": NOW - timedelta(minutes=11)}, Level.WARNING),
        ({"outbox": 3, "outbox_oldest": NOW - timedelta(minutes=11)}, Level.WARNING),
        ({"failing": {"syslog://siem:514": "refused"}}, Level.WARNING),
    ],
)
def test_an_audit_trail(change: dict[str, Any], level: Level) -> None:
    fresh = replace(AUDIT, unsigned_since=NOW - timedelta(seconds=9), outbox=1, outbox_oldest=NOW)
    assert told(audit_findings(fresh, NOW, exported=True)) == []
    assert [found for found, _ in told(audit_findings(replace(AUDIT, **change), NOW, exported=True))] == [level]


def test_checkpoints_that_stay_in_the_database() -> None:
    ((level, text),) = told(audit_findings(AUDIT, NOW, exported=False))
    assert (level, text.partition(" (")[0]) == (Level.WARNING, "Checkpoints stay in the database")


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, Level.OK), (-5, Level.OK), (-6, Level.WARNING), (30, Level.WARNING), (31, Level.FAILURE)]
)
def test_a_clock(seconds: int, level: Level) -> None:
    assert skew_finding("this machine", NOW + timedelta(seconds=seconds), "PostgreSQL", NOW).level is level


def test_a_clock_that_can_only_be_read_coarsely_has_the_benefit_of_the_doubt() -> None:
    six, coarse = NOW + timedelta(seconds=6), timedelta(seconds=1)
    assert skew_finding("Key Vault", six, "this machine", NOW, resolution=coarse).level is Level.OK


@pytest.mark.parametrize(
    ("days", "level"), [(-1, Level.FAILURE), (0, Level.FAILURE), (29, Level.WARNING), (30, Level.OK), (400, Level.OK)]
)
def test_a_certificate(days: int, level: Level) -> None:
    facts = CertificateFacts(whose="x", starts_at=NOW - timedelta(days=100), expires_at=NOW + timedelta(days=days))
    assert [each.level for each in certificate_findings([facts], NOW)] == [level]


def test_a_certificate_of_tomorrow_or_of_nobody() -> None:
    tomorrow = CertificateFacts(whose="x", starts_at=NOW + timedelta(days=1), expires_at=NOW + timedelta(days=9))
    none = CertificateFacts(whose="x", fault="it holds no PEM certificate")
    found = certificate_findings([tomorrow, none], NOW)
    assert [each.level for each in found] == [Level.FAILURE, Level.FAILURE]
    assert found[1].found == "x: it holds no PEM certificate."


@pytest.mark.parametrize(
    ("file", "change", "levels"),
    [
        (0, {"mode": 0o755}, [Level.WARNING]),
        (0, {"mode": 0o770}, [Level.FAILURE]),
        (0, {"mode": 0o710}, []),
        (1, {"mode": 0o640}, [Level.FAILURE]),
        (1, {"mode": 0o604}, [Level.FAILURE]),
        (1, {"mode": None}, []),
        (1, {"owner": 1001}, [Level.FAILURE]),
        (1, {"owner": 0}, []),
    ],
)
def test_private_files(file: int, change: dict[str, Any], levels: list[Level]) -> None:
    files = [replace(each, **change) if place == file else each for place, each in enumerate(FOLDER.files)]
    assert [level for level, _ in told(folder_findings(replace(FOLDER, files=files)))] == levels


@pytest.mark.parametrize(
    ("change", "levels"),
    [
        ({"free_bytes": 100 << 20}, [Level.FAILURE]),
        ({"free_bytes": 900 << 20}, [Level.WARNING]),
        ({"free_bytes": 9 * GIB}, [Level.WARNING]),
        ({"free_bytes": 11 * GIB}, []),
        ({"damaged": 1}, [Level.WARNING]),
        ({"unshipped": 2}, [Level.WARNING]),
    ],
)
def test_the_data_folder(change: dict[str, Any], levels: list[Level]) -> None:
    assert [level for level, _ in told(folder_findings(replace(FOLDER, **change)))] == levels


@pytest.mark.parametrize(
    ("change", "texts"),
    [
        ({}, []),
        ({"since": NOW - timedelta(days=366)}, ["The key 0a has sealed for 366 days."]),
        ({"sealed": 2**31}, ["The key 0a has sealed 2,147,483,648 times."]),
    ],
)
def test_i16_a_key_that_has_sealed_for_long_or_much(change: dict[str, Any], texts: list[str]) -> None:
    sealing = KeyFacts(key_id="0a", since=NOW, sealing=True, sealed=7)
    former = KeyFacts(key_id="0b", since=NOW - timedelta(days=900), sealing=False, sealed=2**31)
    found = told(key_findings(["0a", "0b"], "", [replace(sealing, **change), former], NOW))
    assert found == [(Level.WARNING, text) for text in texts]


@pytest.mark.parametrize(
    ("journal", "sync", "drifting", "levels"),
    [
        ({}, {}, 0, []),
        ({"parked": 1}, {}, 0, [Level.FAILURE]),
        ({"open": 2, "oldest_open_at": NOW - timedelta(minutes=4)}, {}, 0, []),
        ({"open": 2, "oldest_open_at": NOW - timedelta(minutes=6)}, {}, 0, [Level.WARNING]),
        ({}, {"last_finished_at": NOW - timedelta(minutes=16), "last_error": "X"}, 0, [Level.WARNING]),
        ({}, {"last_finished_at": None}, 0, [Level.WARNING]),
        ({}, {}, 3, [Level.WARNING]),
    ],
)
def test_a_mirror(journal: dict[str, Any], sync: dict[str, Any], drifting: int, levels: list[Level]) -> None:
    found = mirror_findings(replace(JOURNAL, **journal), replace(SYNC, **sync), drifting, timedelta(minutes=5), NOW)
    assert [level for level, _ in told(found)] == levels


@pytest.mark.parametrize(("create", "other", "levels"), [(119, 1599, []), (120, 0, [1]), (0, 1600, [1])])
def test_the_quota_is_used_by_all_nodes_together(create: int, other: int, levels: list[int]) -> None:
    calls = {"create": create, "other": other}
    vault = BackendHealth(name="keyvault", configured=True, healthy=True, calls=calls)
    node = NodeRecord(
        id=uuid4(), name="a:1", release="1", schema_version=1, started_at=NOW, seen_at=NOW, backends=[vault]
    )
    assert len(told(quota_findings([node, node]))) == len(levels)


def test_nodes_that_differ_have_trouble_or_went_silent() -> None:
    down = BackendHealth(name="redis", configured=True, healthy=False)
    first = NodeRecord(
        id=uuid4(), name="a:1", release="1.0", schema_version=11, started_at=NOW, seen_at=NOW, backends=[]
    )
    second = replace(first, name="b:2", release="1.1", backends=[down])
    assert told(node_findings([first], [])) == []
    assert [text for _, text in told(node_findings([first, second], [("c:3", NOW)]))] == [
        "Nodes of different releases serve: 1.0, 1.1.",
        "b:2 has trouble with redis.",
        "c:3 was last heard of at 12:00:00 UTC and did not say goodbye.",
    ]


def test_two_hosts_that_take_changes_are_two_databases() -> None:
    assert host_findings(["a"]) == []
    (found,) = host_findings(["a:5432", "b:5432"])
    assert (found.level, found.found) == (Level.FAILURE, "2 hosts of DATABASE_URL take changes: a:5432, b:5432.")
