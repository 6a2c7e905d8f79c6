"""What is sealed under a draining key comes under the active one, all of it, and then the old key can go."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from holdfast.cli.keys import _rewrap_all
from holdfast.domain.break_glass import RequestState
from holdfast.domain.keys import KeyState, KeyStatus, RewrapReport
from holdfast.domain.policy import AccessContext, Caller
from holdfast.errors import BackendUnavailable, Conflict, IntegrityFailure, InvalidInput, RotationFailed, StartupError
from holdfast.ports import Batch, Damaged
from holdfast.service.keys.rewrapping import BUDGET_S, Rewrapping
from holdfast.service.manager import SecretsService
from tests.break_glass.support import ANN, BEN, ERIN, SECRET, VALUE, asked, granted, prepare
from tests.keys.support import BOTH, NEW, NEW_ID, OLD_ID, node
from tests.rotation.target import Target, TargetHandler
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, audit, opened, rows
from tests.support.postgres import execute

WRITER = AccessContext(user_id="writer")


async def everything(service: SecretsService) -> pyotp.TOTP:
    """Leave something in every column that is sealed or attested; returns the app of Alice's second factor."""
    for number in range(3):
        await service.set_secret("k", f"v{number}")
    await service.set_secret("gone", "g")
    await service.delete_secret("gone")
    await service.grant_access("*", "writer", ["get", "set"])
    await service.access.assign_role("alice", "reader", "*")
    await service.set_secret("once", "o", idempotency_key="key-1", context=WRITER)
    await service.identities.add("alice", "person")
    await service.identities.set_groups("alice", ["staff"])
    enrolment = await service.identities.totp.enrol(context=ALICE)
    app = pyotp.TOTP(parse_qs(urlsplit(enrolment.uri).query)["secret"][0])
    await service.identities.totp.confirm(app.at(service.now()), context=ALICE)
    await service.identities.add("bob", "person")
    await service.identities.totp.enrol("bob")
    await service.audit.public_keys()
    target = Target("first")
    target.faults = ["refuse"] * 3
    await service.set_secret("db-password", "first")
    service.register_rotation_handler("db-password", TargetHandler(target))
    with suppress(RotationFailed):
        await service.rotate_secret("db-password")
    await prepare(service)
    await granted(service)
    waiting = await asked(service, "k")
    await service.break_glass.approve(waiting.id, context=ANN)
    return app


async def rewrapped(service: SecretsService) -> int:
    """Go on until no more can be done; returns how many rows remain."""
    while True:
        report = await service.keys.rewrap()
        if report.complete and not report.renewed:
            return report.remaining


async def test_i16_every_kind_of_row_is_rewrapped_and_the_old_key_can_go(database_url: str, data_folder: Path) -> None:
    async with node(database_url, data_folder) as service:
        app = await everything(service)
        token = await service.tokens.create("alice")
        secret = await service.add_client("writer")
        codes = await service.break_glass.codes.create()
        (status,) = (key for key in (await service.keys.status()).keys if key.key_id == OLD_ID)
        assert all(status.rows.values())
        assert len(status.rows) == 16, "something in every column"
        await service.keys.activate(NEW_ID)
        with pytest.raises(Conflict, match=r"1 in audit_keys.sealed_key.*`holdfast keys rewrap`"):
            await service.keys.retire(OLD_ID)
        assert await rewrapped(service) == 0
        report = await service.keys.retire(OLD_ID)
        assert [(key.key_id, key.state) for key in report.keys] == [
            (NEW_ID, KeyState.ACTIVE),
            (OLD_ID, KeyState.RETIRED),
        ]
    async with node(database_url, data_folder, encryption_key=NEW, decryption_keys=()) as service:
        assert [(await service.get_secret_version("k", number)).value for number in (1, 2, 3)] == ["v0", "v1", "v2"]
        await service.recover_secret("gone")
        assert (await service.get_secret("gone", context=ALICE)).value == "g"
        again = await service.set_secret("once", "o", idempotency_key="key-1", context=WRITER)
        assert again.version == 1, "the answer to the request before"
        code = app.at(service.now().timestamp() + 30)
        await service.identities.verify_totp(code, context=ALICE)
        assert isinstance(await service.authenticate_client("writer", secret), Caller)
        assert await service.tokens.renew(token.record.id)
        assert await service.audit.public_keys()
        assert (await service.get_secret(SECRET, context=ERIN)).value == VALUE, "by break-glass"
        (waiting,) = [each for each in await service.break_glass.list() if each.pattern == "k"]
        assert (await service.break_glass.approve(waiting.id, context=BEN)).state is RequestState.APPROVED
        anew = await asked(service, "once")
        assert (await service.break_glass.redeem(anew.id, codes.codes[:2], context=ERIN)).id == anew.id
        target = Target("first")
        service.register_rotation_handler("db-password", TargetHandler(target))
        await execute(database_url, "UPDATE rotation_runs SET next_attempt_at = now(), lease_until = NULL")
        assert (await service.rotations.resume("db-password")).version == 2
        assert target.accepted[-1] == (await service.get_secret("db-password")).value
    assert ("system", "keys.retire", True, None, None, None) in await audit(database_url, "*")


async def test_i16_what_is_not_genuine_is_not_blessed(database_url: str, tmp_path: Path) -> None:
    """Edited rows keep the seal that shows it, are named, and keep the old key from going."""
    async with node(database_url, tmp_path) as service:
        await everything(service)
        await service.keys.activate(NEW_ID)
        await execute(
            database_url,
            "UPDATE secret_access_control SET permissions = '{get,set,delete,purge}'",
            "UPDATE role_assignments SET subject = 'mallory' WHERE role = 'reader'",
            "UPDATE break_glass_requests SET requester = 'mallory' WHERE pattern = 'k'",
            "UPDATE identities SET disabled_at = now() WHERE name = 'alice'",
            "UPDATE secrets_vault SET version_id = repeat('0', 32) WHERE secret_name = 'k'",
            "UPDATE rotation_runs SET from_version = 7",
            "UPDATE secret_versions SET wrapped_key = overlay(wrapped_key placing 'AAAA' FROM 5) WHERE version = 2",
        )
        sealed = (
            "SELECT attestation FROM secret_access_control UNION ALL "
            "SELECT attestation FROM role_assignments WHERE role = 'reader'"
        )
        before = await rows(database_url, sealed)
        report = await service.keys.rewrap()
        places = sorted({each.partition(" ")[0] for each in report.damaged})
        assert places == [
            "break_glass_requests.attestation",
            "identities.attestation",
            "role_assignments.attestation",
            "rotation_runs.candidate",
            "secret_access_control.attestation",
            "secret_versions.wrapped_key",
            "secrets_vault.attestation",
        ]
        assert await rows(database_url, sealed) == before
        with pytest.raises(Conflict, match="still sealed under"):
            await service.keys.retire(OLD_ID)
        await service.invalidate_cache()  # memory holds what was written before the edit
        with pytest.raises(IntegrityFailure):
            await service.get_secret("k")


async def test_i16_a_straggler_is_found_before_the_key_goes(database_url: str, tmp_path: Path) -> None:
    """A node that has not heard yet seals under the old key, even while that is being retired."""
    async with node(database_url, tmp_path / "1") as service, opened(database_url, tmp_path / "2", **BOTH) as inside:
        late = inside.service
        await inside.parts.feed.stop()
        await service.keys.activate(NEW_ID)
        assert await rewrapped(service) == 0
        await late.set_secret("straggler", "v")
        with pytest.raises(Conflict, match=r"1 in secrets_vault\.attestation, 1 in secrets_vault\.wrapped_key"):
            await service.keys.retire(OLD_ID)
        assert await rewrapped(service) == 0
        writes = [asyncio.create_task(late.set_secret(f"race-{number}", "v")) for number in range(20)]
        while True:
            try:
                await service.keys.retire(OLD_ID)
                break
            except Conflict:
                await rewrapped(service)
        outcomes = await asyncio.gather(*writes, return_exceptions=True)
        with pytest.raises(BackendUnavailable):
            await late.set_secret("too-late", "v")
    assert {type(outcome) for outcome in outcomes if isinstance(outcome, Exception)} <= {BackendUnavailable}
    async with node(database_url, tmp_path / "1", encryption_key=NEW, decryption_keys=()) as service:
        for number, outcome in enumerate(outcomes):
            if not isinstance(outcome, BaseException):
                assert (await service.get_secret(f"race-{number}")).value == "v"


async def test_what_is_outside_the_database_needs_no_rewrap_or_says_so(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    """Entries of Redis under a former key are misses; a backup of a secret names the key that it takes."""
    async with node(database_url, tmp_path, redis_url=redis_url) as service:
        await service.set_secret("k", "v")
        assert (await service.get_secret("k")).value == "v"
        backup = await service.backup_secret("k")
        await service.keys.activate(NEW_ID)
        assert await rewrapped(service) == 0
        await service.keys.retire(OLD_ID)
        assert (await service.get_secret("k")).value == "v"
    alone = node(database_url, tmp_path, redis_url=redis_url, encryption_key=NEW, decryption_keys=())
    async with alone as service:
        assert (await service.get_secret("k")).value == "v"
        with pytest.raises(InvalidInput, match=f"not at hand.*{OLD_ID}.*make a new one"):
            await service.restore_secret(backup)


async def test_only_a_key_that_drains_is_retired(database_url: str, tmp_path: Path) -> None:
    async with node(database_url, tmp_path) as service:
        for key_id, why in ((OLD_ID, "Activate another one first"), (NEW_ID, "Nothing was ever sealed")):
            with pytest.raises(Conflict, match=why):
                await service.keys.retire(key_id)
        await service.keys.activate(NEW_ID)
        assert await rewrapped(service) == 0
        await service.keys.retire(OLD_ID)
        with pytest.raises(Conflict, match="is retired, and never seals again"):
            await service.keys.activate(OLD_ID)
    with pytest.raises(StartupError, match=NEW_ID):
        await node(database_url, tmp_path, decryption_keys=()).initialize()


async def test_a_key_becomes_active_again_as_long_as_it_is_not_retired(database_url: str, tmp_path: Path) -> None:
    async with node(database_url, tmp_path) as service:
        await service.set_secret("k", "v")
        for key_id in (NEW_ID, OLD_ID):
            await service.keys.activate(key_id)
            assert await rewrapped(service) == 0
        assert (await service.keys.retire(NEW_ID)).keys[0].key_id == OLD_ID
    async with node(database_url, tmp_path, decryption_keys=()) as service:
        assert (await service.get_secret("k")).value == "v"


class SlowRows:
    """Damaged rows, at each of which a call may look and no more, for each look takes longer than a call."""

    def __init__(self, clock: VirtualClock, rows: int) -> None:
        self.clock, self.rows, self.looked = clock, rows, list[int]()

    async def keys(self) -> list[KeyStatus]:
        return [KeyStatus(key_id=OLD_ID, state=KeyState.DRAINING)]

    async def sealed_under(self, key_ids: Sequence[str]) -> dict[str, dict[str, int]]:
        return {OLD_ID: {"place": self.rows}}

    async def rewrap(
        self, key_ids: Sequence[str], position: tuple[int, tuple[object, ...]] | None, limit: int
    ) -> Batch:
        row = position[0] if position else 0
        self.looked.append(row)
        self.clock.move(BUDGET_S)
        after = (row + 1, ()) if row + 1 < self.rows else None
        return Batch(renewed=0, damaged=[Damaged("place", str(row))], position=after)


async def test_a_call_goes_on_where_the_one_before_ended_and_so_it_comes_to_an_end() -> None:
    """A call that began anew each time would never come past what takes longer to look at than a call may take."""
    clock = VirtualClock(auto=True)
    rows = SlowRows(clock, 4)
    rewrapping = Rewrapping(rows, clock)  # type: ignore[arg-type]  # what it needs of a store
    reports = [await rewrapping.run() for _ in range(4)]
    assert rows.looked == [0, 1, 2, 3]
    assert [report.complete for report in reports] == [False, False, False, True]
    assert [report.damaged for report in reports] == [[f"place {row}"] for row in range(4)]
    await rewrapping.run()
    assert rows.looked[4:] == [0], "after the last one from the first one on again"


async def test_the_command_ends_when_a_whole_pass_found_nothing_more_to_do_and_names_all_that_is_damaged() -> None:
    given = iter(
        [
            RewrapReport(renewed=1, remaining=2, damaged=["a"], complete=False),
            RewrapReport(renewed=0, remaining=2, damaged=["b"], complete=True),
            RewrapReport(renewed=0, remaining=2, damaged=["a"], complete=False),
            RewrapReport(renewed=0, remaining=2, damaged=["b"], complete=True),
        ]
    )

    class Calls:
        async def rewrap(self, *, context: object) -> RewrapReport:
            return next(given)

    keys = cast("Any", Calls())
    report = await _rewrap_all(keys, Caller("admin"), lambda _: None)
    assert (report.renewed, report.remaining, report.damaged) == (1, 2, ["a", "b"])
    assert list(given) == []
