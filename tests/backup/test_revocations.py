"""I6: what was revoked after a backup is revoked again before a restored installation serves anybody."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from holdfast.bootstrap.backup import RESTORE, UNDO, known_revocations, restore_backup
from holdfast.cli.session import operator
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, IntegrityFailure, Unauthenticated
from holdfast.ports import RestoreSummary
from holdfast.service.manager import SecretsService
from tests.service.test_put_back import ALL, TAKEN, Act, Person, made
from tests.support.node import rows, service_on, settings_for, within

EVE = AccessContext(user_id="eve")


async def exported(service: SecretsService) -> bytes:
    return b"".join([entry.line() + b"\n" async for some in service.audit.export() for entry in some])


class Lost:
    """An installation that was backed up, went on for a while, and is lost; its trail was kept elsewhere."""

    def __init__(self, folder: Path, person: Person) -> None:
        self.file, self.trail, self.person = folder / "all.backup", folder / "trail.jsonl", person

    async def restored(
        self, empty: str, folder: Path, trails: Sequence[Path] | None = None, *, undo: bool = False
    ) -> RestoreSummary:
        settings = settings_for(empty, folder)
        known = known_revocations(settings, self.file, [self.trail] if trails is None else trails)
        return await restore_backup(settings, self.file, caller=operator(), known=known, undo_revocations=undo)


async def lost(
    database_url: str, folder: Path, act: Act, prepare: Act | None = None, *, background: bool = False
) -> Lost:
    """Prepare, back up, and act."""
    async with service_on(database_url, folder / "a", background=background) as service:
        found = Lost(folder, await made(service))
        if prepare is not None:
            await prepare(service, found.person)
        await service.backups.make(found.file)
        await act(service, found.person)

        async def placed() -> bool:
            return await rows(database_url, "SELECT count(*) FROM audit_outbox") == [(0,)]

        await within(60, placed)
        found.trail.write_bytes(await exported(service))
    return found


@pytest.mark.parametrize("taken", TAKEN)
async def test_i6_what_a_trail_tells_is_revoked_again(
    database_url: str, empty: str, tmp_path: Path, taken: str
) -> None:
    act, gone = TAKEN[taken]
    found = await lost(database_url, tmp_path, act)
    summary = await found.restored(empty, tmp_path / "b")
    assert len(summary.revoked) == 1
    assert (summary.undone, summary.known_until >= summary.header.made_at) == ((), True)
    async with service_on(empty, tmp_path / "b") as service:
        assert await found.person.gets(service) == ALL - gone
        (again,) = (await service.audit.search(operation=summary.revoked[0].operation, user_id=operator().id)).records
        assert again.detail == summary.revoked[0].detail
        (restored,) = (await service.audit.search(operation=RESTORE)).records
        assert "not known, which was accepted" in str(restored.detail)
        assert "revoked again: 1" in str(restored.detail)
        assert [each.name for each in await service.identities.list() if each.disabled_at] in ([], ["app"])


@pytest.mark.parametrize("taken", TAKEN)
async def test_what_is_undone_on_purpose_is_named_on_record(
    database_url: str, empty: str, tmp_path: Path, taken: str
) -> None:
    found = await lost(database_url, tmp_path, TAKEN[taken][0])
    summary = await found.restored(empty, tmp_path / "b", undo=True)
    assert (len(summary.undone), summary.revoked) == (1, ())
    async with service_on(empty, tmp_path / "b") as service:
        assert await found.person.gets(service) == ALL
        (undone,) = (await service.audit.search(operation=UNDO)).records
        assert str(undone.detail).startswith(summary.undone[0].operation)


async def test_without_a_trail_nothing_is_known_and_that_is_told(database_url: str, empty: str, tmp_path: Path) -> None:
    found = await lost(database_url, tmp_path, TAKEN["removed"][0])
    summary = await found.restored(empty, tmp_path / "b", [])
    assert (summary.revoked, summary.known_until) == ((), summary.header.made_at)
    async with service_on(empty, tmp_path / "b") as service:
        assert await found.person.gets(service) == ALL
        (restored,) = (await service.audit.search(operation=RESTORE)).records
        assert f"revocations after {summary.header.made_at.isoformat()} are not known" in str(restored.detail)


async def test_the_local_log_of_a_node_that_served_will_do(database_url: str, empty: str, tmp_path: Path) -> None:
    found = await lost(database_url, tmp_path, TAKEN["a token revoked"][0], background=True)
    assert len((await found.restored(empty, tmp_path / "a", [])).revoked) == 1


RULES: dict[str, tuple[Callable[[SecretsService], Awaitable[object]], set[str]]] = {
    "revoked": (lambda s: s.revoke_access("k-*", "eve"), set()),
    "narrowed": (lambda s: s.grant_access("k-*", "eve", ["list", "get"]), {"get"}),
    "widened": (lambda s: s.grant_access("k-*", "eve", ["get", "set", "list"]), {"get", "set"}),
    "revoked and granted again": (lambda s: _again(s, ["set"]), {"set"}),
    "a role of hers": (lambda s: s.access.unassign_role("eve", "auditor", "*"), {"get", "set"}),
}


async def _again(service: SecretsService, permissions: list[str]) -> None:
    await service.revoke_access("k-*", "eve")
    await service.grant_access("k-*", "eve", permissions)


async def _some_rules(service: SecretsService, _person: Person) -> None:
    await service.set_secret("k-1", "v")
    await service.grant_access("k-*", "eve", ["get", "set"])
    await service.access.assign_role("eve", "auditor", "*")


@pytest.mark.parametrize("what", RULES)
async def test_i6_rules_are_taken_away_again_as_far_as_they_were(
    database_url: str, empty: str, tmp_path: Path, what: str
) -> None:
    act, left = RULES[what]
    found = await lost(database_url, tmp_path, lambda service, _: act(service), _some_rules)
    summary = await found.restored(empty, tmp_path / "b")
    assert len(summary.revoked) == (what != "widened")
    async with service_on(empty, tmp_path / "b") as service:
        assert {each for each in ("get", "set") if await service.check_access("k-1", "eve", each)} == left
        assert len(await service.access.list_roles()) == ("role" not in what)


async def _made_anew(service: SecretsService, _person: Person) -> None:
    await service.remove_client("app")
    await service.identities.remove("app")
    await service.identities.add("app")


async def test_what_was_made_anew_before_the_backup_is_not_what_was_removed(
    database_url: str, empty: str, tmp_path: Path
) -> None:
    found = await lost(database_url, tmp_path, _nothing, _made_anew)
    assert (await found.restored(empty, tmp_path / "b")).revoked == ()
    async with service_on(empty, tmp_path / "b") as service:
        assert "app" in [each.name for each in await service.identities.list()]


async def _nothing(_service: SecretsService, _person: Person) -> None:
    """Nothing is revoked."""


async def test_the_admin_that_was_reset_is_let_in_by_nothing_of_before(
    database_url: str, empty: str, tmp_path: Path
) -> None:
    tokens: list[str] = []

    async def prepare(service: SecretsService, _: Person) -> None:
        tokens.append((await service.identities.reset_admin()).token)

    async def act(service: SecretsService, _: Person) -> None:
        await service.identities.reset_admin()

    found = await lost(database_url, tmp_path, act, prepare)
    assert len((await found.restored(empty, tmp_path / "b")).revoked) == 1
    async with service_on(empty, tmp_path / "b") as service:
        with pytest.raises(Unauthenticated):
            service.prove_token(tokens[0])
        assert service.prove_token((await service.identities.reset_admin()).token).identity == "admin"


async def test_a_trail_that_was_altered_or_is_of_another_installation_is_refused(
    database_url: str, empty: str, other_empty: str, tmp_path: Path
) -> None:
    found = await lost(database_url, tmp_path, TAKEN["a token revoked"][0])
    whole = found.trail.read_bytes()
    found.trail.write_bytes(whole.replace(b'"token.revoke"', b'"token.review"'))
    with pytest.raises(IntegrityFailure, match="altered"):
        await found.restored(empty, tmp_path / "b")
    async with service_on(other_empty, tmp_path / "c") as service:
        await service.set_secret("k", "v")
        found.trail.write_bytes(await exported(service))
    with pytest.raises(IntegrityFailure, match="another installation"):
        await found.restored(empty, tmp_path / "b")
    found.trail.write_bytes(b"".join(whole.splitlines(keepends=True)[-2:]))
    with pytest.raises(IntegrityFailure, match="does not go on"):
        await found.restored(empty, tmp_path / "b")


async def test_what_a_stream_wrote_will_do_and_a_gap_is_told(database_url: str, empty: str, tmp_path: Path) -> None:
    """Streams repeat lines, and a crash cuts one short."""
    found = await lost(database_url, tmp_path, TAKEN["a token revoked"][0])
    lines = found.trail.read_bytes().splitlines(keepends=True)
    assert len(lines) > 10
    found.trail.write_bytes(b"".join([*lines[:6], lines[6][:40] + b"\n", *lines[3:], lines[-1][:20]]))
    settings = settings_for(empty, tmp_path / "b")
    assert known_revocations(settings, found.file, [found.trail]).gaps == ()
    found.trail.write_bytes(b"".join([*lines[:-3], *lines[-2:]]))
    (gap,) = known_revocations(settings, found.file, [found.trail]).gaps
    assert f"records {len(lines) - 2} to {len(lines) - 2}" in gap


async def test_a_reader_of_a_taken_secret_stays_refused(database_url: str, empty: str, tmp_path: Path) -> None:
    found = await lost(database_url, tmp_path, lambda s, _: s.revoke_access("k-*", "eve"), _some_rules)
    await found.restored(empty, tmp_path / "b")
    async with service_on(empty, tmp_path / "b") as service:
        with pytest.raises(AccessDenied):
            await service.get_secret("k-1", context=EVE)
