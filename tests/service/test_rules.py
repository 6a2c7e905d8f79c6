"""Roles, groups, and rules that were not made here or whose secret is gone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.audit import record_of
from holdfast.domain.leases import Leases
from holdfast.domain.names import SecretName
from holdfast.domain.policy import MAX_GIVEN, SYSTEM, AccessContext, Caller, Permission
from holdfast.domain.roles import ROLES, Role
from holdfast.errors import AccessDenied, Conflict, InvalidInput
from holdfast.ports import StoredRule
from holdfast.service.access.grants import OWNER, GrantBook
from holdfast.service.manager import SecretsService
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, BOB, Inside, opened, rows, service_on
from tests.support.postgres import execute
from tests.support.rules import SEALER, QuietFeed, RulesInMemory, rule

A_RECORD = record_of(SYSTEM, "grant", "k", datetime.now(UTC))
DEV = Caller("dev-1", groups=frozenset({"devs"}))


def book_of(store: RulesInMemory, clock: VirtualClock | None = None, **more: Any) -> GrantBook:
    return GrantBook(store, SEALER, QuietFeed(), clock or VirtualClock(), Leases(timedelta(days=1)), **more)


async def test_a_role_allows_what_its_table_says_and_nothing_else(service: SecretsService) -> None:
    for role in Role:
        await service.access.assign_role(f"has-{role}", role, "app-*")
        held = {each for each in Permission if await service.check_access("app-db", f"has-{role}", each)}
        assert held == ROLES[role]
        assert not await service.check_access("other", f"has-{role}", "list")
    found = await service.access.list_roles()
    assert [(each.subject, each.role, each.pattern) for each in found] == [(f"has-{r}", r, "app-*") for r in Role]


async def test_roles_stand_beside_grants_and_beside_each_other(service: SecretsService) -> None:
    await service.grant_access("app-*", "alice", ["set"])
    await service.access.assign_role("alice", "reader", "app-*")
    await service.access.assign_role("alice", "auditor", "app-*")
    for permission in ("set", "get", "audit"):
        assert await service.check_access("app-db", "alice", permission)
    assert await service.access.unassign_role("alice", "reader", "app-*") is True
    assert await service.access.unassign_role("alice", "reader", "app-*") is False
    assert not await service.check_access("app-db", "alice", "get")
    assert await service.check_access("app-db", "alice", "set")
    assert await service.check_access("app-db", "alice", "audit")


async def test_only_over_everything_does_an_operator_run_the_installation(service: SecretsService) -> None:
    await service.access.assign_role("alice", "operator", "app-*")
    await service.access.assign_role("bob", "operator", "*")
    for call in (service.get_secret_health, service.invalidate_cache):
        with pytest.raises(AccessDenied):
            await call(context=ALICE)
        await call(context=BOB)


async def test_a_role_ends_with_its_time(service: SecretsService) -> None:
    for wrong in (datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1)):  # noqa: DTZ001
        with pytest.raises(InvalidInput):
            await service.access.assign_role("alice", "reader", "*", expires_at=wrong)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    given = await service.access.assign_role("alice", "reader", "*", expires_at=until)
    assert given.expires_at == until
    clock = VirtualClock()
    book = book_of(RulesInMemory(rule("alice", Role.READER, "*", expires_at=clock.now() + timedelta(hours=1))), clock)
    await book.load()
    clock.move(3599)
    assert book.rule(Caller("alice"), Permission.GET, "k") == "role:reader on *"
    clock.move(1)
    assert book.rule(Caller("alice"), Permission.GET, "k") is None


async def test_i5_nobody_assigns_more_than_they_hold(service: SecretsService) -> None:
    await service.grant_access("team-*", "alice", ["grant", "get", "list"])
    await service.access.assign_role("carol", "reader", "team-a*", context=ALICE)
    for role, pattern in (("auditor", "team-a*"), ("admin", "team-a*"), ("reader", "*"), ("reader", "t*")):
        for subject in ("carol", "alice", "group:devs"):
            with pytest.raises(AccessDenied):
                await service.access.assign_role(subject, role, pattern, context=ALICE)
    with pytest.raises(AccessDenied):
        await service.access.unassign_role("carol", "reader", "*", context=ALICE)
    assert [each.granted_by for each in await service.access.list_roles()] == ["alice"]


async def test_a_visitor_cannot_prolong_the_visit(service: SecretsService) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    await service.access.assign_role("alice", "admin", "*", expires_at=soon)
    for subject in ("alice", "carol", "group:devs"):
        with pytest.raises(AccessDenied, match="for at least as long"):
            await service.grant_access("k", subject, ["get"], context=ALICE)
        with pytest.raises(AccessDenied):
            await service.access.assign_role(subject, "reader", "*", expires_at=soon + timedelta(1), context=ALICE)
    await service.grant_access("k", "carol", ["get"], expires_at=soon, context=ALICE)


async def test_a_group_s_rules_are_its_members_and_no_identity_can_pose_as_one(service: SecretsService) -> None:
    await service.set_secret("app-db", "v")
    await service.grant_access("app-*", "group:devs", ["get"])
    assert (await service.get_secret("app-db", context=DEV)).value == "v"
    for outsider in (Caller("devs"), Caller("dev-2", groups=frozenset({"Devs", "dev"})), AccessContext(user_id="devs")):
        with pytest.raises(AccessDenied):
            await service.get_secret("app-db", context=outsider)
    with pytest.raises(InvalidInput):
        await service.get_secret("app-db", context=AccessContext(user_id="group:devs"))
    await service.revoke_access("app-*", "group:devs")
    with pytest.raises(AccessDenied):
        await service.get_secret("app-db", context=DEV)


async def test_membership_may_be_kept_here_as_well() -> None:
    members = {"alice": frozenset({"devs"})}
    store = RulesInMemory(rule("group:devs", Role.READER, "app-*"))
    book = book_of(store, groups_of=lambda identity: members.get(identity, frozenset()))
    await book.load()
    assert book.rule(Caller("alice"), Permission.GET, "app-db") == "role:reader on app-*"
    members.clear()
    assert book.rule(Caller("alice"), Permission.GET, "app-db") is None


async def test_the_rule_that_decides_is_named(inside: Inside, database_url: str) -> None:
    await inside.service.grant_access("app-*", "alice", ["get"])
    (number,) = [row[0] for row in await rows(database_url, "SELECT id FROM secret_access_control")]
    owner = Caller("system", is_system=True)
    async with inside.parts.guard.operation(Caller("alice"), Permission.GET, SecretName("app-db"), "get") as authorized:
        assert authorized.rule == f"grant:{number}"
    async with inside.parts.guard.operation(owner, Permission.GET, SecretName("a"), "get") as authorized:
        assert authorized.rule == OWNER


FORGERIES = {
    "inserted": "INSERT INTO secret_access_control (secret_name, user_id, permissions, granted_by) "
    "VALUES ('*', 'mallory', '{get}', 'system')",
    "inserted role": "INSERT INTO role_assignments (pattern, subject, role, granted_by) "
    "VALUES ('*', 'mallory', 'admin', 'system')",
    "taken over": "UPDATE secret_access_control SET user_id = 'mallory'",
    "widened": "UPDATE secret_access_control SET user_id = 'mallory', secret_name = '*'",
    "raised": "UPDATE role_assignments SET subject = 'mallory', role = 'admin'",
    "copied": "INSERT INTO secret_access_control "
    "(secret_name, user_id, permissions, granted_by, granted_at, attestation) "
    "SELECT secret_name, 'mallory', permissions, granted_by, granted_at, attestation FROM secret_access_control",
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_rules_that_holdfast_did_not_make_count_for_nothing(
    forgery: str, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("k", "v")
        await service.grant_access("k", "alice", ["get"])
        await service.access.assign_role("bob", "reader", "k")
    await execute(database_url, FORGERIES[forgery])
    async with service_on(database_url, tmp_path) as service:
        assert not any([await service.check_access("k", "mallory", each) for each in Permission])
        everybody = [each.user_id for each in await service.list_grants()]
        assert "mallory" not in everybody + [each.subject for each in await service.access.list_roles()]
        health = await service.get_secret_health()
        assert not health.healthy
        assert any("not made by Holdfast" in advice for advice in health.recommendations)
    assert any("ALARM" in record.message and "mallory" in record.message for record in caplog.records)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("secret_name", "'*'"),
        ("permissions", "'{get,set}'"),
        ("granted_by", "'root'"),
        ("granted_at", "now()"),
        ("expires_at", "NULL"),
        ("incarnation", "NULL"),
        ("attestation", "''"),
    ],
)
async def test_no_column_of_a_rule_can_be_edited(column: str, value: str, database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("k", "v")
        await service.grant_access("k", "alice", ["get"], expires_at=datetime.now(UTC) + timedelta(hours=1))
        assert await service.check_access("k", "alice", "get")
    await execute(database_url, f"UPDATE secret_access_control SET {column} = {value}")
    async with service_on(database_url, tmp_path) as service:
        assert not await service.check_access("k", "alice", "get")


async def test_i15_a_rule_for_a_secret_s_earlier_life_stays_dead_even_if_put_back(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path) as service:
        await service.set_secret("k", "first life")
        await service.grant_access("k", "alice", ["get"])
        await service.access.assign_role("alice", "reader", "k")
        await execute(
            database_url,
            "CREATE TABLE kept AS SELECT * FROM secret_access_control",
            "CREATE TABLE kept_roles AS SELECT * FROM role_assignments",
        )
        await service.delete_secret("k")
        await service.purge_secret("k")
        for table in ("secret_access_control", "role_assignments"):
            assert await rows(database_url, f"SELECT * FROM {table}") == []
        await service.set_secret("k", "second life")
        with pytest.raises(AccessDenied):  # at once on this node, with no announcement to wait for
            await service.get_secret("k", context=ALICE)
    await execute(
        database_url,
        "INSERT INTO secret_access_control OVERRIDING SYSTEM VALUE SELECT * FROM kept",
        "INSERT INTO role_assignments OVERRIDING SYSTEM VALUE SELECT * FROM kept_roles",
    )
    async with service_on(database_url, tmp_path) as service:
        with pytest.raises(AccessDenied):
            await service.get_secret("k", context=ALICE)
        assert await service.list_grants() == []
        await service.grant_access("k", "alice", ["get"])
        assert (await service.get_secret("k", context=ALICE)).value == "second life"


async def test_a_grant_may_wait_for_its_secret(service: SecretsService) -> None:
    await service.grant_access("k", "alice", ["get", "set"])
    await service.set_secret("k", "v", context=ALICE)
    assert (await service.get_secret("k", context=ALICE)).value == "v"


async def test_outlived_rules_are_not_decided_by() -> None:
    was, is_now = uuid4(), uuid4()
    store = RulesInMemory(rule("alice", {Permission.GET}, "k", incarnation=was))
    store.living = {"k": is_now}
    book = book_of(store)
    await book.load()
    assert book.rule(Caller("alice"), Permission.GET, "k") is None
    store.living = {"k": was}
    await book.load()
    assert book.rule(Caller("alice"), Permission.GET, "k") is not None


async def test_a_rule_of_another_key_ring_is_not_believed() -> None:
    made = rule("alice", Role.ADMIN, "*")
    version, key_id, mac = made.attestation.split(".")
    for attestation in (f"{version}.{key_id[::-1]}.{mac}", f"{version}.{key_id}.{mac[::-1]}", mac, ""):
        book = book_of(RulesInMemory(replace(made, attestation=attestation)))
        await book.load()
        assert book.rule(Caller("alice"), Permission.GET, "k") is None


async def test_missed_announcements_are_noticed_by_the_epoch(database_url: str, tmp_path: Path) -> None:
    store = RulesInMemory()
    book = book_of(store)
    await book.load()
    for subject in ("alice", "bob"):
        store.stored.append(rule(subject, Role.READER, "*"))
        store.epoch += 1
    await book.reached(2)  # whatever was announced
    assert book.rule(Caller("alice"), Permission.GET, "k") is not None
    assert book.rule(Caller("bob"), Permission.GET, "k") is not None
    store.stored.clear()
    store.epoch += 1
    await book.reached(3)  # so was the news of this
    assert book.rule(Caller("bob"), Permission.GET, "k") is None
    async with opened(database_url, tmp_path) as inside:
        await inside.service.grant_access("k", "alice", ["get"])
        assert inside.parts.book._epoch == 1


class CountingRules(RulesInMemory):
    """A grant store that counts how often it is read."""

    readings = 0

    async def rules(self, subject: str | None = None) -> tuple[int, list[StoredRule]]:
        self.readings += 1
        return await super().rules(subject)


async def test_many_announcements_of_one_change_are_one_reading() -> None:
    store = CountingRules(*(rule(f"user-{number}", Role.READER, "*") for number in range(5)))
    book = book_of(store)
    await book.load()
    store.stored.clear()
    store.epoch = 100
    for _ in range(100):
        await book.reached(100)
    await book.reached(100)
    assert store.readings == 2
    assert list(book.rules()) == []


async def test_a_database_that_was_set_back_is_followed() -> None:
    store = RulesInMemory(rule("alice", Role.READER, "*"))
    store.epoch = 100
    book = book_of(store)
    await book.load()
    store.stored.clear()
    store.epoch = 50
    await book.reached(50)
    assert book.rule(Caller("alice"), Permission.GET, "k") is None


class CountingSealer:
    """Verifies as the real one does, and counts."""

    def __init__(self) -> None:
        self.verified = 0

    def verify(self, facts: bytes, attestation: str) -> None:
        self.verified += 1
        SEALER.verify(facts, attestation)


async def test_of_many_rules_only_a_new_one_is_verified() -> None:
    counting, store = CountingSealer(), RulesInMemory()
    for number in range(500):
        await store.put(rule("alice", {Permission.GET}, f"k{number}"), lambda _: A_RECORD)
    book = GrantBook(store, counting, QuietFeed(), VirtualClock(), Leases(timedelta(days=1)))  # type: ignore[arg-type]
    await book.load()
    assert counting.verified == 500
    await store.put(rule("alice", {Permission.GET}, "new"), lambda _: A_RECORD)
    await book.committed(store.epoch, "alice")
    await store.put(rule("bob", {Permission.GET}, "new"), lambda _: A_RECORD)
    await book.reached(store.epoch)
    assert counting.verified == 502


async def test_who_may_not_grant_on_everything_gives_one_subject_so_many_rules_and_no_more(
    service: SecretsService,
) -> None:
    await service.grant_access("app-*", "alice", ["get", "list", "grant"])
    for number in range(MAX_GIVEN):
        await service.grant_access(f"app-{number}", "bob", ["get"], context=ALICE)
    with pytest.raises(Conflict, match=f"{MAX_GIVEN} is the most"):
        await service.grant_access("app-more", "bob", ["get"], context=ALICE)
    with pytest.raises(Conflict, match="or revoke some"):
        await service.access.assign_role("bob", "reader", "app-more", context=ALICE)
    await service.grant_access("app-0", "bob", ["get"], context=ALICE)  # which it has, and is replaced
    await service.grant_access("app-more", "carol", ["get"], context=ALICE)
    await service.revoke_access("app-0", "bob", context=ALICE)
    await service.grant_access("app-more", "bob", ["get"], context=ALICE)
    await service.grant_access("app-most", "bob", ["get"])
