"""I11, I12: whatever ails Key Vault, mirrored secrets are read; what it says in health is honoured."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.secret import Attributes, Source
from holdfast.errors import BackendUnavailable, Conflict, InvalidInput, SecretDisabled, SecretNotFound, VaultRefusal
from holdfast.ports import CacheEntry
from tests.support.node import Inside, audit, opened, within
from tests.support.scripted_vault import ScriptedVault

FAULTS: dict[str, dict[str, Any]] = {
    "hang": {"hang": True},
    "drop": {"drop": True},
    "cut": {"cut_after": 20},
    "drip": {"drip": 0.05},
    "400": {"status": 400},
    "401": {"status": 401},
    "403": {"status": 403, "code": "Forbidden"},
    "408": {"status": 408},
    "429": {"status": 429, "headers": {"Retry-After": "86400"}},
    "429, a date long past": {"status": 429, "headers": {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}},
    "500": {"status": 500},
    "503": {"status": 503, "headers": {"Retry-After": "-1"}},
    "html": {"body": b"<html>sign in</html>", "content_type": "text/html"},
    "empty": {"body": b""},
    "a list": {"body": b"[]"},
    "another secret": {"answer": lambda body: {**body, "id": body["id"].replace("/secrets/", "/secrets/other-")}},
    "no value": {"answer": lambda body: {key: value for key, value in body.items() if key != "value"}},
}


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    async with opened(database_url, tmp_path, scripted, read_patience=timedelta(milliseconds=200)) as node:
        yield node


async def test_in_health_key_vault_answers_once_per_ttl(node: Inside, scripted: ScriptedVault) -> None:
    made = await node.service.set_secret("k", "v", tags={"a": "b"}, content_type="c")
    assert made.replicated
    await node.service.invalidate_cache()
    scripted.calls.clear()
    readers = await asyncio.gather(*(node.service.get_secret("k") for _ in range(100)))
    assert {(secret.value, secret.version, secret.stale) for secret in readers} == {("v", 1, False)}
    assert scripted.calls == {"get": 1}
    assert readers[0].source is Source.KEYVAULT
    assert (dict(readers[0].tags), readers[0].content_type) == ({"a": "b"}, "c")
    assert (await node.service.get_secret("k")).source is Source.CACHE
    assert scripted.calls == {"get": 1}


async def test_i11_every_fault_is_answered_by_the_mirror_in_one_attempt(
    node: Inside, scripted: ScriptedVault, database_url: str
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    await node.service.set_secret("k", "v")
    for name, fault in FAULTS.items():
        await node.service.invalidate_cache()
        scripted.calls.clear()
        scripted.fail("get", **fault)
        secret = await node.service.get_secret("k")
        assert (secret.value, secret.version, secret.source) == ("v", 1, Source.MIRROR), name
        assert before <= secret.as_of <= datetime.now(UTC), name
        assert not secret.stale
        assert scripted.calls["get"] == 1, name
        scripted.heal()
        await node.service.invalidate_cache()
        assert (await node.service.get_secret("k")).source is Source.KEYVAULT, name
    failures = [row for row in await audit(database_url, "k") if not row[2]]
    assert failures == []


async def test_i11_a_dead_vault_costs_five_attempts_and_then_none(node: Inside, scripted: ScriptedVault) -> None:
    names = [f"k{number}" for number in range(8)]
    for name in names:
        await node.service.set_secret(name, f"value of {name}")
    await node.service.invalidate_cache()
    async with scripted.refusing():
        for name in names:
            secret = await node.service.get_secret(name)
            assert (secret.value, secret.source) == (f"value of {name}", Source.MIRROR)
        told = node.parts.backends()[-1]
        assert told.breakers == {"read": "open", "write": "closed"}
        assert told.detail == "reads: circuit breaker open (the connection fails (ConnectionRefusedError))"
    scripted.calls.clear()
    await node.service.invalidate_cache()
    assert (await node.service.get_secret("k0")).source is Source.MIRROR
    assert scripted.calls == {}


async def test_an_old_answer_says_so(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> None:
    async with opened(database_url, tmp_path, scripted, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("k", "v")
        async with scripted.refusing():

            async def stale() -> bool:
                return (await node.service.get_secret("k")).stale

            await within(3, stale)
            assert ("system", "get", True, None, 1, "mirror") in await audit(database_url, "k")


async def test_an_answer_from_the_mirror_is_asked_again_within_the_ttl(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path, scripted, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("k", "v")
        await node.service.invalidate_cache()
        scripted.fail("get", status=500)
        assert (await node.service.get_secret("k")).source is Source.MIRROR

        async def back() -> bool:
            return (await node.service.get_secret("k")).source is Source.KEYVAULT

        await within(2, back)


async def test_a_new_version_in_key_vault_is_taken_over_by_the_read(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "ours")
    scripted.model.set("k", "theirs", Attributes(tags={"by": "portal"}))
    await node.service.invalidate_cache()
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.version, secret.source) == ("theirs", 0, Source.KEYVAULT)
    assert (await node.service.get_secret_version("k", 2)).value == "theirs"
    assert (await node.service.get_secret_version("k", 1)).value == "ours"


async def test_what_needs_a_look_at_the_history_and_cannot_have_it_is_answered_by_the_mirror(
    node: Inside, scripted: ScriptedVault
) -> None:
    await node.service.set_secret("k", "old")
    await node.service.set_secret("k", "new")
    current = next(iter(scripted.model)).versions.pop()  # Key Vault is behind
    await node.service.invalidate_cache()
    scripted.fail("versions", status=500, times=9)
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.version_id, secret.source) == ("new", current.id, Source.MIRROR)


@pytest.mark.parametrize("take_over", ["works", "fails"])
async def test_i7_what_is_disabled_in_key_vault_is_refused(
    node: Inside, scripted: ScriptedVault, take_over: str
) -> None:
    await node.service.set_secret("k", "v")
    await node.service.get_secret("k")
    scripted.model.update("k", None, lambda _: Attributes(enabled=False))
    await node.service.invalidate_cache("k")
    if take_over == "fails":
        scripted.fail("versions", status=500, times=9)
    with pytest.raises(SecretDisabled):
        await node.service.get_secret("k")
    if take_over == "works":

        async def taken_over() -> bool:
            return not (await node.service.list_secrets())[0].current.attributes.enabled

        await within(20, taken_over)
        async with scripted.refusing():
            with pytest.raises(SecretDisabled):
                await node.service.get_secret("k")


async def test_i5_what_is_soft_deleted_in_key_vault_is_gone(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "v")
    await node.service.invalidate_cache()
    scripted.model.delete("k")
    with pytest.raises(SecretNotFound):
        await node.service.get_secret("k")
    assert [found.name for found in await node.service.list_deleted_secrets()] == ["k"]


async def test_i5_what_is_soft_deleted_in_key_vault_is_gone_while_postgresql_is_away_too(
    node: Inside, scripted: ScriptedVault
) -> None:
    await node.service.set_secret("k", "v")
    await node.service.get_secret("k")
    await node.look()
    node.parts.tiers.ttl = timedelta(0)
    node.parts.reader._mirror = Away()  # type: ignore[assignment]  # all that a read asks of it
    assert (await node.service.get_secret("k")).value == "v"
    scripted.model.delete("k")
    with pytest.raises(SecretNotFound):
        await node.service.get_secret("k")
    scripted.model.reset()
    assert (await node.service.get_secret("k")).source is Source.CACHE


async def test_what_key_vault_merely_lacks_is_kept_and_reported(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "v")
    scripted.model.reset()
    for _ in range(2):
        await node.service.invalidate_cache()
        secret = await node.service.get_secret("k")
        assert (secret.value, secret.source) == ("v", Source.MIRROR)
    report = await node.service.get_secret_health()
    assert (report.drifting, report.healthy) == (1, False)


async def test_a_secret_that_key_vault_waits_for_is_never_read_there(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "old")
    scripted.model.read_only = True
    made = await node.service.set_secret("k", "new")
    assert (made.version, made.replicated) == (2, False)
    scripted.calls.clear()
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.source, secret.stale) == ("new", Source.CACHE, False)
    await node.service.invalidate_cache()
    secret = await node.service.get_secret("k")
    assert (secret.value, secret.source, secret.stale) == ("new", Source.MIRROR, False)
    assert scripted.calls["get"] == 0
    health = await node.service.get_secret_health()
    assert (health.open_intents, health.parked_intents) == (1, 0)


async def test_a_backup_does_not_replace_what_key_vault_has(node: Inside, scripted: ScriptedVault) -> None:
    await node.service.set_secret("k", "ours")
    blob = await node.service.backup_secret("k")
    await node.service.delete_secret("k")
    await node.service.purge_secret("k")
    scripted.model.set("k", "theirs", Attributes())
    with pytest.raises(Conflict):
        await node.service.restore_secret(blob)
    assert [version.value for version in scripted.model.history("k")] == ["theirs"]
    assert (await node.service.get_secret("k")).value == "theirs"


async def test_a_restored_version_is_still_known_by_the_id_that_was_told(node: Inside) -> None:
    told = [(await node.service.set_secret("k", value)).version_id for value in ("first", "second")]
    blob = await node.service.backup_secret("k")
    await node.service.delete_secret("k")
    await node.service.purge_secret("k")
    await node.service.restore_secret(blob)
    assert [(await node.service.get_secret_version("k", each)).value for each in told] == ["first", "second"]


async def test_as_many_tags_as_key_vault_takes_come_through_everything(node: Inside, scripted: ScriptedVault) -> None:
    full = {str(number): "" for number in range(15)}
    scripted.model.set("k", "theirs", Attributes(tags=full))
    assert (await node.service.get_secret("k")).value == "theirs"
    await node.service.set_secret("k", "ours")
    assert (await node.service.rollback_secret("k", 1)).replicated
    await node.service.set_secret("k", "ours", tags=full)
    blob = await node.service.backup_secret("k")
    await node.service.delete_secret("k")
    await node.service.purge_secret("k")
    await node.service.restore_secret(blob)
    assert dict(scripted.model.history("k")[-1].attributes.tags) == full
    assert (await node.service.get_secret_health()).parked_intents == 0


async def test_a_secret_of_dates_that_make_no_sense_can_be_disabled(node: Inside, scripted: ScriptedVault) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    scripted.model.set("k", "theirs", Attributes(not_before=moment, expires_at=moment))
    await node.service.get_secret("k")
    await node.service.update_secret("k", enabled=False)
    with pytest.raises(SecretDisabled):
        await node.service.get_secret("k")
    with pytest.raises(InvalidInput, match="later than not_before"):
        await node.service.update_secret("k", expires_at=moment)


async def test_deleted_here_while_key_vault_is_away_is_gone_when_it_is_back(
    node: Inside, scripted: ScriptedVault
) -> None:
    await node.service.set_secret("k", "v")
    scripted.model.read_only = True
    await node.service.delete_secret("k")
    with pytest.raises(SecretNotFound):
        await node.service.get_secret("k")
    await node.service.purge_secret("k")
    with pytest.raises(SecretNotFound):
        await node.service.get_secret("k")
    assert scripted.model.history("k")


async def test_what_no_tier_holds_is_fetched_with_patience_and_by_one(node: Inside, scripted: ScriptedVault) -> None:
    scripted.model.set("Foreign", "v", Attributes())
    scripted.fail("get", status=503, headers={"Retry-After": "0"})
    readers = await asyncio.gather(*(node.service.get_secret("foreign") for _ in range(100)))
    assert {secret.value for secret in readers} == {"v"}
    assert scripted.calls["get"] <= 5  # refused, told, adopted with its only version, answered
    assert readers[0].display_name == "Foreign"


async def test_what_nobody_has_is_not_found_and_not_asked_for_again_at_once(
    node: Inside, scripted: ScriptedVault
) -> None:
    for _ in range(20):
        with pytest.raises(SecretNotFound):
            await node.service.get_secret("nobody")
    assert scripted.calls["get"] <= 2


async def test_a_token_endpoint_that_is_dead_is_an_outage_like_any_other(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path / "1", scripted) as node:
        await node.service.set_secret("k", "v")
    scripted.fail("token", status=503, times=9)
    async with opened(database_url, tmp_path / "2", scripted) as node:
        assert (await node.service.get_secret("k")).source is Source.MIRROR


async def test_a_vault_that_hung_is_asked_again_soon_after_it_is_back(node: Inside, scripted: ScriptedVault) -> None:
    replica = node.parts.replica
    assert replica is not None
    replica.primary._attempt_timeout_s = 0.2
    for operation in ("get", "list"):
        scripted.fail(operation, times=99, hang=True)
    reads = [asyncio.create_task(node.service.get_secret(f"unknown-{number}")) for number in range(11)]

    async def opened() -> bool:
        return replica.primary.breakers["read"] == "open"

    async def answered() -> bool:
        try:
            await node.service.get_secret("unknown-0")
        except SecretNotFound:
            return True
        except BackendUnavailable:
            return False
        raise AssertionError("nobody has it")

    await within(20, opened)
    scripted.heal()
    await within(20, answered)  # after the first or second probe, and not after a minute
    ended = await asyncio.gather(*reads, return_exceptions=True)
    assert all(isinstance(each, BackendUnavailable | SecretNotFound) for each in ended)


async def test_one_secret_that_hangs_costs_the_others_nothing(node: Inside, scripted: ScriptedVault) -> None:
    for name in ("odd", "fine"):
        await node.service.set_secret(name, "v")
    for _ in range(4):
        await node.service.invalidate_cache()
        assert (await node.service.get_secret("fine")).source is Source.KEYVAULT
        scripted.fail("get", hang=True)
        assert (await node.service.get_secret("odd")).source is Source.MIRROR
        scripted.heal()
    assert node.parts.replica is not None
    assert node.parts.replica.primary.breakers == {"read": "closed", "write": "closed"}


async def test_a_change_that_is_refused_stops_no_other(node: Inside, scripted: ScriptedVault) -> None:
    for number in range(6):
        scripted.fail("set", status=403, code="Forbidden", inner="ForbiddenByPolicy")
        with suppress(VaultRefusal):
            assert not (await node.service.set_secret(f"refused-{number}", "v")).replicated
    assert (await node.service.set_secret("allowed", "v")).replicated
    assert node.parts.replica is not None
    assert node.parts.replica.primary.breakers["write"] == "closed"


# --- Redis is a hint


async def test_redis_that_lies_changes_nothing(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> None:
    async with opened(database_url, tmp_path / "1", scripted) as node:
        await node.service.set_secret("k", "v")
        await node.service.set_secret("other", "of the other")
        other = await node.service.get_secret("other")
        stolen = await node.parts.local.get(other.name)
        head = await node.parts.ledger.head((await node.service.get_secret("k")).name)
        assert stolen is not None
        assert head is not None
        for entry in (
            CacheEntry(revision=head.revision, sealed=stolen.sealed),
            CacheEntry(revision=head.revision, sealed=b"garbage"),
            CacheEntry(revision=head.revision, sealed=b""),
            CacheEntry(revision=head.revision + 9, sealed=stolen.sealed),
        ):
            await node.service.invalidate_cache()
            node.parts.tiers._shared = Lying(entry)
            assert (await node.service.get_secret("k")).value == "v"


async def test_redis_that_is_not_there_changes_nothing(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    absent = f"unix://{tmp_path}/no.sock"
    async with opened(database_url, tmp_path, scripted, redis_url=absent) as node:
        await node.service.set_secret("k", "v")
        await node.service.invalidate_cache()
        assert (await node.service.get_secret("k")).source is Source.KEYVAULT
        await node.service.set_secret("k", "w")
        assert (await node.service.get_secret("k")).value == "w"
        assert [backend.healthy for backend in node.parts.backends() if backend.name == "redis"] == [False]


async def test_an_unmirrored_secret_and_a_dead_vault_is_unavailable(
    database_url: str, tmp_path: Path, scripted: ScriptedVault
) -> None:
    async with opened(database_url, tmp_path, scripted) as node:
        for number in range(5):
            await node.service.set_secret(f"k{number}", "v")
        async with scripted.refusing():
            for number in range(5):
                await node.service.get_secret(f"k{number}")
            with pytest.raises(BackendUnavailable):
                await node.service.get_secret("nobody-knows")


class Lying:
    """A shared cache that answers everything with the same entry."""

    def __init__(self, entry: CacheEntry) -> None:
        self.entry = entry

    async def get(self, name: object) -> CacheEntry:
        return self.entry

    async def put(self, *_: object) -> None: ...

    async def invalidate(self, *_: object) -> None: ...

    async def clear(self) -> None: ...

    def healthy(self) -> bool:
        return True

    async def aclose(self) -> None: ...


class Away:
    """A mirror whose database does not answer."""

    async def found(self, name: object, *, at_least: int, brief: bool) -> object:
        raise BackendUnavailable("PostgreSQL did not answer")


async def test_a_cache_is_invalidated_once_key_vault_has_answered(
    node: Inside, scripted: ScriptedVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    await node.service.set_secret("k", "one")
    asked, answer = asyncio.Event(), asyncio.Event()
    vault = node.parts.replica.vault if node.parts.replica else None
    assert vault is not None
    put = vault.set

    async def slow(*arguments: Any) -> Any:
        asked.set()
        await answer.wait()
        return await put(*arguments)

    monkeypatch.setattr(vault, "set", slow)
    writing = asyncio.create_task(node.service.set_secret("k", "two"))
    await asyncio.wait_for(asked.wait(), 30)
    invalidating = asyncio.create_task(node.service.invalidate_cache("k"))
    await asyncio.wait({invalidating}, timeout=0.2)
    answer.set()
    await asyncio.wait_for(asyncio.gather(writing, invalidating), 30)
    assert (await node.service.get_secret("k")).value == "two"
