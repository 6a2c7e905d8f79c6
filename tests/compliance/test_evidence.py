"""Every fact of a report is found out: the system is changed, and the fact changes with it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.bootstrap.compliance import verification_of
from holdfast.domain.compliance import Evidence, FrameworkId
from holdfast.domain.frameworks import FRAMEWORKS
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import AccessDenied, HoldfastError, InvalidInput
from holdfast.service.compliance.scope import Scope
from holdfast.stores.postgres.compliance import PostgresQueries
from tests.support.node import ALICE, BOB, Inside, opened, rows


@pytest.fixture
async def inside(database_url: str, tmp_path: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path) as inside:
        yield inside


async def evidence(inside: Inside, id_: str) -> Evidence:
    report = await inside.service.compliance.report()
    (found,) = (each for each in report.evidence if each.id == id_)
    return found


async def shown(inside: Inside, id_: str) -> str:
    found = await evidence(inside, id_)
    return f"{found.statement} {found.attention} {found.rows}"


async def test_there_is_evidence_for_every_control_or_a_word_on_what_is_yours(inside: Inside) -> None:
    report = await inside.service.compliance.report()
    there = {each.id for each in report.evidence}
    for framework in report.frameworks:
        assert len({control.number for control in framework.controls}) == len(framework.controls)
        for control in framework.controls:
            assert set(control.evidence) <= there, control.number
            assert control.evidence or control.yours, control.number
    assert there == {each for f in FRAMEWORKS.values() for control in f.controls for each in control.evidence}
    assert set(FRAMEWORKS) == set(FrameworkId)
    assert all(each.source and each.statement for each in report.evidence)


async def test_only_what_a_framework_asks_for_is_looked_at(inside: Inside) -> None:
    report = await inside.service.compliance.report(["gdpr"])
    assert [each.id for each in report.frameworks] == ["gdpr"]
    assert "tokens" not in {each.id for each in report.evidence}
    for wrong in ("sox", 5):
        with pytest.raises(InvalidInput, match="framework must be one of soc2, iso27001"):
            await inside.service.compliance.report([wrong])  # type: ignore[list-item]  # a caller's mistake
    for days in (0, 367):
        with pytest.raises(InvalidInput, match="days must be a whole number from 1 to 366"):
            await inside.service.compliance.report(days=days)


async def test_it_names_secrets_and_people_so_it_takes_audit_on_everything(inside: Inside) -> None:
    with pytest.raises(AccessDenied):
        await inside.service.compliance.report(context=ALICE)
    await inside.service.grant_access("*", "alice", ["audit"])
    await inside.service.compliance.report(context=ALICE)
    page = await inside.service.audit.search(operation="report", user_id="alice")
    assert [record.success for record in page.records] == [True, False]


async def test_secrets_their_seals_and_their_ends(inside: Inside, database_url: str) -> None:
    service, soon = inside.service, datetime.now(UTC) + timedelta(days=10)
    assert "Secrets kept centrally: 0" in await shown(inside, "secrets")
    assert "AES-256-GCM: 0 of 0." in await shown(inside, "sealed")
    await service.set_secret("a", "1")
    await service.set_secret("a", "2", expires_at=soon, notify_on_expiry=["ops@example.com"])
    await service.set_secret("b", "1")
    await service.set_secret("c", "1")
    await service.delete_secret("c")
    assert "centrally: 2, disabled ones among them: 0. Former versions: 1. Deleted and recoverable: 1." in await shown(
        inside, "secrets"
    )
    assert "AES-256-GCM: 4 of 4 (100 %). Wrapped data keys of their own: 4 of 4 (100 %)." in await shown(
        inside, "sealed"
    )
    found = await evidence(inside, "expiry")
    assert "with an end: 1 of 2 (50 %). Expired: 0. Expiring within 30 days: 1." in found.statement
    assert "somebody to tell before: 1 of 2 (50 %)." in found.statement
    assert [row[0] for row in found.rows] == ["a"]
    assert found.attention == ""
    await rows(database_url, "UPDATE secrets_vault SET expires_at = now() - interval '1 day' WHERE secret_name = 'a'")
    await rows(database_url, "UPDATE secrets_vault SET key_id = NULL WHERE secret_name = 'b'")
    assert "have expired and are still there: 1." in await shown(inside, "expiry")
    assert "AES-256-GCM: 3 of 4 (75 %)" in await shown(inside, "sealed")
    assert "not sealed so: 1." in await shown(inside, "sealed")
    await rows(
        database_url, "UPDATE secrets_vault SET drift = 'missing_in_vault', enabled = false WHERE secret_name = 'b'"
    )
    assert "disabled ones among them: 1" in await shown(inside, "secrets")
    assert "differ from Key Vault: 1" in await shown(inside, "secrets")


async def test_rotation(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.set_secret("plain", "1")
    policy = RotationPolicy(interval_days=90, notify_days_before=14, auto_rotate=True, handler="random")
    await service.set_secret("rotated", "1", rotation_policy=policy)
    found = await evidence(inside, "rotation")
    assert "policy: 1 of 2 (50 %). Rotated without asking: 1. Overdue: 0." in found.statement
    assert "Longest interval in days: 90." in found.statement
    assert found.attention == "Secrets without a rotation policy: 1."
    await rows(database_url, "UPDATE secret_rotation_schedule SET next_rotation_at = now() - interval '1 day'")
    found = await evidence(inside, "rotation")
    assert "Overdue: 1." in found.statement
    assert [row[0] for row in found.rows] == ["rotated"]
    assert "and completed: 0; cancelled: 0; under way: 0." in await shown(inside, "rotations")
    await service.rotate_secret("rotated")
    moved = await shown(inside, "rotations")
    assert "came into use: 0 minutes ago" in moved
    assert "older than 90 days: 0 of 2 (0 %); older than a year: 0." in await shown(inside, "value-ages")
    await rows(database_url, "UPDATE secrets_vault SET created_at = now() - interval '400 days'")
    await rows(database_url, "UPDATE secret_rotation_schedule SET last_rotated_at = now() - interval '500 days'")
    await service.set_secret("rotated", "by hand")
    found = await evidence(inside, "value-ages")
    assert "older than 90 days: 1 of 2 (50 %); older than a year: 1." in found.statement
    assert {row[0] for row in found.rows} == {"plain"}, "those that are counted are named"


async def test_removal(inside: Inside, database_url: str) -> None:
    service = inside.service
    assert "retention: 0." in await shown(inside, "removal")
    for name in ("a", "b"):
        await service.set_secret(name, "1")
        await service.delete_secret(name)
    assert "retention: 2, the next until" in await shown(inside, "removal")
    assert "have left the files" in await shown(inside, "removal")
    await service.purge_secret("a")
    waiting = await shown(inside, "removal")
    assert "retention: 1, the" in waiting
    assert "are still in the files" in waiting
    await rows(database_url, "UPDATE secrets_vault SET scheduled_purge_at = now() - interval '1 day'")
    assert "past the end of their retention: 1." in await shown(inside, "removal")


async def test_who_holds_what_and_uses_it(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.set_secret("k", "1")
    assert "in force: 0, held by 0." in await shown(inside, "access")
    await service.grant_access("k", "alice", ["get"])
    await service.grant_access("k*", "bob", ["get"], expires_at=datetime.now(UTC) + timedelta(days=1))
    found = await evidence(inside, "access")
    assert "records tell: 2." in found.statement
    await service.get_secret("k", context=BOB)
    found = await evidence(inside, "access")
    (bob,) = (row for row in found.rows if row[0] == "bob")
    assert bob[1:4] == ("get", "k*", "system")
    assert bob[6] != "not used"
    assert [row[6] for row in found.rows if row[0] == "alice"] == ["not used"]
    assert "With an end: 1." in found.statement
    assert found.attention == "", "nobody says that what was given a moment ago is not needed"
    await rows(database_url, "UPDATE secret_access_control SET granted_at = now() - interval '100 days'")
    assert "to be taken away: 1." in (await evidence(inside, "access")).attention
    await service.revoke_access("k", "alice")
    assert "alice" not in str((await evidence(inside, "access")).rows)
    await rows(database_url, "UPDATE secret_access_control SET expires_at = now() - interval '1 day'")
    assert "bob" not in str((await evidence(inside, "access")).rows), "what has ended is not held"


async def test_what_was_used_long_ago_is_not_in_use(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.set_secret("k", "1")
    await service.grant_access("k", "bob", ["get"])
    await service.get_secret("k", context=BOB)
    await rows(database_url, "UPDATE secret_access_control SET granted_at = now() - interval '300 days'")
    await rows(database_url, "UPDATE secret_consumers SET last_seen = now() - interval '200 days'")
    await rows(database_url, "UPDATE secret_access_logs SET timestamp = now() - interval '1 day' WHERE user_id = 'bob'")
    assert "records tell: 0." in (await evidence(inside, "access")).statement
    await rows(database_url, "DELETE FROM secret_access_logs WHERE user_id = 'bob'")
    found = await evidence(inside, "access")
    assert "records tell: 1." in found.statement
    assert "to be taken away: 1." in found.attention
    assert found.rows[0][6].startswith("20"), "when it was is told all the same"


async def test_an_issuers_group_is_not_called_unused_since_its_members_are_not_known_here(
    inside: Inside, database_url: str
) -> None:
    service = inside.service
    await service.set_secret("k", "1")
    await service.identities.add("ann", kind="person")
    await service.identities.set_groups("ann", ["here"])
    await service.grant_access("k", "group:entra:ops", ["get"])
    await service.grant_access("k", "group:here", ["get"])
    await rows(database_url, "UPDATE secret_access_control SET granted_at = now() - interval '300 days'")
    found = await evidence(inside, "access")
    assert "to be taken away: 1." in found.attention
    assert "Held by groups none of whose members are registered here, so that their use is not known: 1." in (
        found.statement
    )
    assert {row[0]: row[6] for row in found.rows} == {"group:entra:ops": "not known", "group:here": "not used"}


async def test_identities_tokens_and_second_factors(inside: Inside, database_url: str) -> None:
    service = inside.service
    assert "name of its own: 0." in await shown(inside, "identities")
    await service.identities.add("ann", kind="person")
    await service.add_client("batch")
    assert "name of its own: 2. People: 1; applications: 1." in await shown(inside, "identities")
    found = await evidence(inside, "second-factor")
    assert ": 0 of 1 (0 %)." in found.statement
    assert "a token is good without." in found.statement, "nobody takes it for a login with two factors"
    assert [row[0] for row in found.rows] == ["ann"]
    await rows(database_url, "UPDATE identities SET totp_confirmed_at = now() WHERE name = 'ann'")
    assert ": 1 of 1 (100 %)." in await shown(inside, "second-factor")
    assert "kept as hashes: 0." in await shown(inside, "tokens")
    await service.tokens.create("ann")
    tokens = await shown(inside, "tokens")
    assert "kept as hashes: 1. Never used: 1;" in tokens
    assert "Good from any network: 1." in tokens
    assert "to be revoked" not in tokens, "it was made a moment ago"
    await rows(database_url, "UPDATE api_tokens SET created_at = now() - interval '100 days'")
    assert "to be revoked: 1." in await shown(inside, "tokens")
    await rows(database_url, "UPDATE api_tokens SET last_used_at = now() - interval '100 days'")
    assert "Never used: 0; not in the last 90 days: 1." in await shown(inside, "tokens")
    assert "to be revoked: 1." in await shown(inside, "tokens")
    await rows(database_url, "UPDATE api_tokens SET revoked_at = now()")
    assert "kept as hashes: 0." in await shown(inside, "tokens")


async def test_refusals_changes_and_looks(inside: Inside, database_url: str) -> None:
    service = inside.service
    assert "Nobody has looked" in await shown(inside, "reviews")
    assert "Failed or refused: 0," in await shown(inside, "refusals")
    await service.set_secret("k", "1")
    for _ in range(3):
        with pytest.raises(HoldfastError):
            await service.get_secret("k", context=ALICE)
    await service.grant_access("k", "bob", ["get"])
    await service.identities.list()
    await rows(database_url, "SELECT count(*) FROM secret_access_logs")
    found = await evidence(inside, "refusals")
    assert "Failed or refused: 3, logins among them: 0." in found.statement
    assert [row[:3] for row in found.rows] == [("alice", "access_denied", "3")]
    found = await evidence(inside, "changes")
    assert "Changes: 2, of grants and roles among them: 1." in found.statement
    assert {row[:3] for row in found.rows} == {("set", "1", "1"), ("grant", "1", "1")}
    await service.audit.search()
    found = await evidence(inside, "reviews")
    assert found.attention == ""
    assert "the last: 0 minutes ago" in found.statement


async def test_the_trail_its_checkpoints_and_its_verification(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.set_secret("k", "1")
    assert "Signed checkpoints: 0;" in await shown(inside, "checkpoints")
    assert "whoever can write to it could rewrite both" in await shown(inside, "checkpoints")
    for _ in range(5):
        await service.get_secret("k")
    assert await inside.parts.audit.checkpointer.make()
    assert "Signed checkpoints: 1; the last: 0 minutes ago." in await shown(inside, "checkpoints")
    found = await evidence(inside, "verification")
    assert "no record was altered, removed or moved" in found.statement
    assert found.attention == ""
    assert "Hash chains: 1. Kept for ever." in await shown(inside, "trail")
    await rows(database_url, "UPDATE secret_access_logs SET user_id = 'mallory' WHERE seq = 4")
    found = await evidence(inside, "verification")
    assert found.attention == "The audit trail is not intact."
    assert "seq 4" in found.rows[0][0]


async def test_old_checkpoints_are_old_only_if_something_is_to_be_signed(inside: Inside, database_url: str) -> None:
    await inside.service.set_secret("k", "1")
    await inside.service.get_secret("k")
    assert await inside.parts.audit.checkpointer.make()
    await rows(database_url, "UPDATE audit_checkpoints SET created_at = now() - interval '3 hours 5 minutes'")
    found = await evidence(inside, "checkpoints")
    assert "the last: 3 hours ago" in found.statement
    assert "no node makes them" not in found.attention, "a quiet night is no fault"
    await inside.service.get_secret("k")
    await rows(database_url, "UPDATE secret_access_logs SET timestamp = now() - interval '11 minutes'")
    assert "no node makes them" in (await evidence(inside, "checkpoints")).attention


async def test_no_more_of_the_trail_is_verified_than_takes_seconds(inside: Inside) -> None:
    for number in range(5):
        await inside.service.set_secret(f"k-{number}", "1")
        await inside.service.get_secret(f"k-{number}")
    verification = replace(verification_of(inside.parts.audit), limit=3)
    now = datetime.now(UTC)
    scope = Scope(queries=PostgresQueries(inside.database), now=now, since=now - timedelta(days=1))
    found = await verification.evidence(scope)
    assert "Earlier ones were not: the newest 3 are." in found.statement
    assert "no record was altered" in found.statement


async def test_keys_backups_and_copies(inside: Inside, database_url: str, tmp_path: Path) -> None:
    service = inside.service
    assert "Keys in use: 0; retired: 0." in await shown(inside, "keys")
    await rows(
        database_url,
        "INSERT INTO encryption_keys (key_id, known_answer, state, activated_at) "
        "VALUES ('0123456789abcdef', '', 'active', now() - interval '400 days')",
    )
    keys = await shown(inside, "keys")
    assert "Keys in use: 1;" in keys
    assert "The one that seals, 0123456789abcdef" in keys
    assert "older than a year" in keys
    await rows(database_url, "DELETE FROM encryption_keys")
    assert "No backup was made" in await shown(inside, "backup")
    made = await service.backups.make(tmp_path / "all.backup")
    found = await evidence(inside, "backup")
    assert str(made.header.backup) in found.statement
    assert found.attention == ""
    await rows(database_url, "UPDATE installation SET backed_up_at = now() - interval '8 days', restored_at = now()")
    found = await evidence(inside, "backup")
    assert "no backup of the last 7 days" in found.attention
    assert "was restored from one" in found.statement
    assert "Key Vault: 0; waiting for a person: 0." in await shown(inside, "replication")
    await rows(
        database_url,
        "INSERT INTO secret_intents (id, incarnation, secret_name, display_name, kind, state) "
        "VALUES (gen_random_uuid(), gen_random_uuid(), 'k', 'k', 'set', 'parked')",
    )
    assert "that wait for a person: 1." in await shown(inside, "replication")


async def test_connections(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        found = await shown(inside, "transport")
        assert "has no certificate to serve with. PostgreSQL is reached over a local socket" in found
        assert "Key Vault not at all, Redis not at all" in found


async def test_notices_and_broken_glass(inside: Inside, database_url: str) -> None:
    assert "delivered: 0 of 0;" in await shown(inside, "notices")
    await rows(
        database_url,
        "INSERT INTO notices (event_id, recipient, topic, subject, facts, state, sent_at) VALUES "
        "('1', 'a', 't', 's', '{}', 'sent', now()), ('2', 'a', 't', 's', '{}', 'dead', NULL)",
    )
    told = await shown(inside, "notices")
    assert "delivered: 1 of 2 (50 %); the last: 0 minutes ago. Waiting: 0." in told
    assert "could not be delivered: 1." in told
    assert "days: 0. Granted: 0" in await shown(inside, "break-glass")
    await rows(
        database_url,
        "INSERT INTO break_glass_requests (requester, pattern, permissions, reason, duration, approvers, rotate, "
        "second_factor, state, requested_at, open_until, expires_at) VALUES ('ann', 'k', '{get}', 'the site is down', "
        "'1 h', 1, false, true, 'approved', now(), now(), now() + interval '1 h')",
    )
    found = await evidence(inside, "break-glass")
    assert "days: 1. Granted: 1; refused, withdrawn or run out: 0; in force now: 1." in found.statement
    assert found.attention == "Emergency grants in force: 1."
    assert found.rows[0][:4] == ("ann", "k", "the site is down", "approved")


async def test_a_rule_that_somebody_wrote_into_the_database_is_named_as_such(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        assert "did not make" not in await shown(inside, "access")
    await rows(
        database_url,
        "INSERT INTO secret_access_control (secret_name, user_id, permissions, granted_by) "
        "VALUES ('*', 'mallory', '{get}', 'system')",
    )
    async with opened(database_url, tmp_path) as inside:
        assert "Holdfast did not make, and that give nothing: 1." in (await evidence(inside, "access")).attention
