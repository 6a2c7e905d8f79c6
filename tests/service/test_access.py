"""Who may do what: grants, delegation, reserved names, and how fast a change of mind counts."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.audit import record_of
from holdfast.domain.leases import Leases
from holdfast.domain.policy import AccessContext, Caller, Permission
from holdfast.errors import AccessDenied, HoldfastError, InvalidInput, VersionNotFound
from holdfast.ports import RuleKind, StoredRule
from holdfast.service.access.grants import GrantBook
from holdfast.service.manager import SecretsService
from tests.support.clock import VirtualClock
from tests.support.node import ALICE, BOB, audit, opened, rows, service_on, within
from tests.support.postgres import execute
from tests.support.rules import SEALER, QuietFeed, RulesInMemory, rule

NOW = datetime.now(UTC)
ALSO = {"get_access_history": {"grant"}}
"""Permissions that open a call as well as the first one."""

CALLS: dict[str, tuple[str | None, Callable[[SecretsService, AccessContext], Awaitable[object]]]] = {
    "get_secret": ("get", lambda s, c: s.get_secret("k", context=c)),
    "get_secret_version": ("get", lambda s, c: s.get_secret_version("k", 1, context=c)),
    "list_secret_versions": ("list", lambda s, c: s.list_secret_versions("k", context=c)),
    "set_secret": ("set", lambda s, c: s.set_secret("k", "v", context=c)),
    "update_secret": ("set", lambda s, c: s.update_secret("k", tags={}, context=c)),
    "rollback_secret": ("set", lambda s, c: s.rollback_secret("k", 1, context=c)),
    "backup_secret": ("get", lambda s, c: s.backup_secret("k", context=c)),
    "delete_secret": ("delete", lambda s, c: s.delete_secret("k", context=c)),
    "get_deleted_secret": ("list", lambda s, c: s.get_deleted_secret("k", context=c)),
    "recover_secret": ("recover", lambda s, c: s.recover_secret("k", context=c)),
    "get_access_history": ("audit", lambda s, c: s.get_access_history("k", context=c)),
    "invalidate_cache": ("list", lambda s, c: s.invalidate_cache("k", context=c)),
    "assign_role": (None, lambda s, c: s.access.assign_role("carol", "reader", "k", context=c)),
    "unassign_role": ("grant", lambda s, c: s.access.unassign_role("carol", "reader", "k", context=c)),
    "list_roles": (None, lambda s, c: s.access.list_roles(context=c)),
    "grant_access": ("grant", lambda s, c: s.grant_access("k", "carol", ["grant"], context=c)),
    "revoke_access": ("grant", lambda s, c: s.revoke_access("k", "carol", context=c)),
    "check_access": ("grant", lambda s, c: s.check_access("k", "carol", "get", context=c)),
    "purge_secret": ("purge", lambda s, c: s.purge_secret("k", context=c)),
    "list_grants": (None, lambda s, c: s.list_grants(context=c)),
    "add_client": (None, lambda s, c: s.add_client("app", context=c)),
    "remove_client": (None, lambda s, c: s.remove_client("app", context=c)),
    "list_clients": (None, lambda s, c: s.list_clients(context=c)),
    "get_secret_health": (None, lambda s, c: s.get_secret_health(context=c)),
    "clear_cache": (None, lambda s, c: s.invalidate_cache(context=c)),
    "sync": (None, lambda s, c: s.sync(context=c)),
    "list_nodes": (None, lambda s, c: s.list_nodes(context=c)),
    "reconcile": (None, lambda s, c: s.reconcile(context=c)),
}


async def test_i1_everything_is_denied_by_default_and_on_record(service: SecretsService, database_url: str) -> None:
    await service.set_secret("k", "v")
    blob = await service.backup_secret("k")
    for _, call in CALLS.values():
        with pytest.raises(AccessDenied, match="Permission denied"):
            await call(service, ALICE)
    with pytest.raises(AccessDenied):
        await service.restore_secret(blob, context=ALICE)
    denials = await rows(
        database_url,
        "SELECT ip_address, user_agent, request_id FROM secret_access_logs "
        "WHERE user_id = 'alice' AND NOT success AND error_code = 'access_denied'",
    )
    assert denials == [("10.0.0.5", "app/1.0", "req-1")] * (len(CALLS) + 1)
    assert (await service.get_secret("k")).version == 1


async def test_each_verb_opens_its_own_calls_and_no_other(service: SecretsService) -> None:
    for permission in Permission:
        await service.grant_access("k", f"only-{permission}", [permission])
    for name, (needed, call) in CALLS.items():
        if needed in (None, "purge"):
            continue
        for permission in set(Permission) - {needed} - ALSO.get(name, set()):
            with pytest.raises(AccessDenied):
                await call(service, AccessContext(user_id=f"only-{permission}"))
    await service.set_secret("k", "v")
    for name, (needed, call) in CALLS.items():
        if needed is not None:
            allowed = AccessContext(user_id=f"only-{needed}")
            if name == "purge_secret":
                await service.delete_secret("k")
            await call(service, allowed)


async def test_the_owning_application_needs_no_grant(service: SecretsService, database_url: str) -> None:
    await service.set_secret("k", "v")
    await service.get_secret("k")
    assert [(user, operation) for user, operation, *_ in await audit(database_url, "k")] == [
        ("system", "set"),
        ("system", "get"),
    ]


async def test_reserved_and_malformed_identities_are_nobody(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    reserved = ["system", "SYSTEM", "anonymous", "group:ops", "Group:ops", "*"]
    wrong: list[Any] = [*reserved, "", " alice", "al\nice", "al\u0456ce", "x" * 256, None]
    for user in wrong:
        with pytest.raises(InvalidInput):
            await service.get_secret("k", context=AccessContext(user_id=user))
        if user != "group:ops":
            with pytest.raises(InvalidInput):
                await service.grant_access("k", user, ["get"])


async def test_a_context_of_the_wrong_kind_is_refused(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    await service.grant_access("k", "alice", ["get"])
    address: Any = ip_address("10.0.0.5")
    wrong: list[Any] = ["alice", {"user_id": "alice"}, {}, False, AccessContext(user_id="alice", ip_address=address)]
    for context in wrong:
        with pytest.raises(InvalidInput, match="context"):
            await service.get_secret("k", context=context)


async def test_identities_are_compared_exactly(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    await service.grant_access("k", "alice", ["get"])
    for other in ("Alice", "ALICE", "alice2", "alic"):
        with pytest.raises(AccessDenied):
            await service.get_secret("k", context=AccessContext(user_id=other))


@pytest.mark.parametrize(
    ("pattern", "name", "allowed"),
    [
        ("payments-*", "payments-db", True),
        ("payments-*", "PAYMENTS-db", True),
        ("payments-*", "payments", False),
        ("*-prod", "db-prod", True),
        ("a*b", "ab", True),
        ("a*a", "a", False),
        ("*", "anything", True),
        ("db", "db2", False),
    ],
)
async def test_globs(service: SecretsService, pattern: str, name: str, allowed: bool) -> None:
    await service.grant_access(pattern, "alice", ["get"])
    assert await service.check_access(name, "alice", "get") is allowed
    assert await service.check_access(name, "alice", "get", context=ALICE) is allowed
    assert await service.check_access(name, "alice", "set") is False


async def test_no_other_patterns(service: SecretsService) -> None:
    wrong: list[Any] = ["a**", "a*b*c", "a.b", "", "[a]*", "?", None]
    for pattern in wrong:
        with pytest.raises(InvalidInput):
            await service.grant_access(pattern, "alice", ["get"])


async def test_unknown_permissions_are_refused(service: SecretsService) -> None:
    many = [["get"] * 10_000, itertools.repeat("get")]
    wrong: list[Any] = [[], ["GET"], [" get"], ["get", "fly"], None, 7, [None], [["get"]], "fly", *many]
    for permissions in wrong:
        with pytest.raises(InvalidInput) as refused:
            await service.grant_access("k", "alice", permissions)
        assert refused.value.field == "permissions"


@pytest.mark.parametrize("moment", [datetime(2020, 1, 1, tzinfo=UTC), datetime(2099, 1, 1)])  # noqa: DTZ001
async def test_a_grant_ends_in_the_future_and_says_in_which_zone(service: SecretsService, moment: datetime) -> None:
    with pytest.raises(InvalidInput):
        await service.grant_access("k", "alice", ["get"], expires_at=moment)


async def test_an_expired_grant_allows_nothing(service: SecretsService, database_url: str) -> None:
    await service.set_secret("k", "v")
    await service.grant_access("k", "alice", ["get"], expires_at=datetime.now(UTC) + timedelta(seconds=2))
    await service.get_secret("k", context=ALICE)

    async def refused() -> bool:
        return not await service.check_access("k", "alice", "get")

    await within(3, refused)
    with pytest.raises(AccessDenied):
        await service.get_secret("k", context=ALICE)


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        ({"team-*": ["grant", "get"]}, ("team-*", ["get"]), True),
        ({"team-*": ["grant", "get"]}, ("team-a*", ["get"]), True),
        ({"team-*": ["grant", "get"]}, ("team-db", ["get"]), True),
        ({"team-*": ["grant", "get"]}, ("team-db", ["get", "grant"]), True),
        ({"team-*": ["grant", "get"]}, ("team-db", ["set"]), False),
        ({"team-*": ["grant", "get"]}, ("*", ["get"]), False),
        ({"team-*": ["grant", "get"]}, ("t*", ["get"]), False),
        ({"team-*": ["grant", "get"]}, ("other", ["get"]), False),
        ({"team-*": ["get"]}, ("team-db", ["get"]), False),
        ({"team-db": ["grant"], "team-*": ["get"]}, ("team-db", ["get"]), True),
        ({"team-db": ["grant"], "team-*": ["get"]}, ("team-*", ["get"]), False),
    ],
)
async def test_nobody_grants_more_than_they_hold(
    service: SecretsService, held: dict[str, list[str]], wanted: tuple[str, list[str]], allowed: bool
) -> None:
    for pattern, permissions in held.items():
        await service.grant_access(pattern, "alice", permissions)
    if allowed:
        grant = await service.grant_access(wanted[0], "carol", wanted[1], granted_by="root", context=ALICE)
        assert grant.granted_by == "alice"
    else:
        with pytest.raises(AccessDenied):
            await service.grant_access(wanted[0], "carol", wanted[1], context=ALICE)
        assert {grant.user_id for grant in await service.list_grants()} == {"alice"}


async def test_a_new_grant_replaces_the_one_on_the_same_pattern_only(service: SecretsService) -> None:
    await service.grant_access("k", "alice", ["get"])
    await service.grant_access("k*", "alice", ["list"])
    await service.grant_access("K", "alice", ["set"], granted_by="root")
    found = {grant.pattern: (set(grant.permissions), grant.granted_by) for grant in await service.list_grants()}
    assert found == {"k": ({"set"}, "root"), "k*": ({"list"}, "system")}
    assert await service.revoke_access("k", "alice") is True
    assert await service.revoke_access("k", "alice") is False


async def test_listings_show_only_what_may_be_listed(service: SecretsService) -> None:
    await asyncio.gather(*(service.set_secret(f"{team}-{n}", "v") for team in ("a", "b") for n in range(60)))
    await service.grant_access("b-*", "bob", ["list"])
    await service.grant_access("a-7", "bob", ["get", "list"])
    names = [found.name for found in await service.list_secrets(context=BOB)]
    assert names == sorted(["a-7", *(f"b-{n}" for n in range(60))])
    first = await service.list_secrets(limit=5, context=BOB)
    rest = await service.list_secrets(after=first[-1].name, context=BOB)
    assert [found.name for found in (*first, *rest)] == names
    assert await service.list_secrets(context=ALICE) == []
    await service.delete_secret("a-1")
    await service.delete_secret("b-1")
    assert [found.name for found in await service.list_deleted_secrets(context=BOB)] == ["b-1"]


async def test_a_strict_listing_refuses_whoever_may_list_nothing(service: SecretsService) -> None:
    await service.set_secret("k", "v")
    await service.grant_access("*", "alice", ["get", "set"])
    with pytest.raises(AccessDenied, match="may not list any secret"):
        await service.list_secrets(strict=True, context=ALICE)
    with pytest.raises(AccessDenied, match="may not list any secret"):
        await service.list_deleted_secrets(strict=True, context=ALICE)
    assert [found.name for found in await service.list_secrets(strict=True)] == ["k"]
    await service.grant_access("none-there-*", "alice", ["list"], expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert await service.list_secrets(strict=True, context=ALICE) == []
    await service.revoke_access("none-there-*", "alice")
    await service.identities.add("alice")
    await service.identities.set_groups("alice", ["listers"])
    await service.grant_access("none-there-*", "group:listers", ["list"])
    assert await service.list_secrets(strict=True, context=ALICE) == []


async def test_i15_grants_die_with_the_purge_and_globs_stay(service: SecretsService, database_url: str) -> None:
    await service.set_secret("k", "first life")
    await service.grant_access("k", "alice", ["get"])
    await service.grant_access("k*", "bob", ["get"])
    await service.delete_secret("k")
    await service.recover_secret("k")
    assert (await service.get_secret("k", context=ALICE)).value == "first life"
    await service.delete_secret("k")
    await service.purge_secret("k")
    await service.set_secret("k", "second life")

    async def denied() -> bool:
        return not await service.check_access("k", "alice", "get")

    await within(1, denied)
    with pytest.raises(AccessDenied):
        await service.get_secret("k", context=ALICE)
    assert (await service.get_secret("k", context=BOB)).value == "second life"


async def test_i6_a_revoked_grant_ends_here_at_once_and_elsewhere_within_a_second(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        await here.set_secret("k", "v")
        for _ in range(3):
            await here.grant_access("k", "alice", ["get"])
            assert (await here.get_secret("k", context=ALICE)).value == "v"

            async def allowed_there() -> bool:
                return await there.check_access("k", "alice", "get")

            async def denied_there() -> bool:
                return not await allowed_there()

            await within(1, allowed_there)
            await there.get_secret("k", context=ALICE)
            await here.revoke_access("k", "alice")
            with pytest.raises(AccessDenied):
                await here.get_secret("k", context=ALICE)
            await within(1, denied_there)
            with pytest.raises(AccessDenied):
                await there.get_secret("k", context=ALICE)


async def test_a_version_of_another_secret_is_none_of_this_one(service: SecretsService) -> None:
    await service.set_secret("mine", "v")
    other = await service.set_secret("theirs", "secret")
    await service.grant_access("mine", "alice", ["get"])
    with pytest.raises(VersionNotFound):
        await service.get_secret_version("mine", other.version_id, context=ALICE)


async def test_who_may_set_or_rotate_is_shown_no_value(service: SecretsService) -> None:
    await service.set_secret("k", "v4lue")
    await service.grant_access("k", "alice", ["set", "rotate", "list"])
    written = await service.set_secret("k", "n3w", context=ALICE)
    back = await service.rollback_secret("k", 1, context=ALICE)
    listed = await service.list_secret_versions("k", context=ALICE)
    assert not any(value in repr((written, back, listed)) for value in ("v4lue", "n3w"))
    for call in (service.get_secret, service.backup_secret):
        with pytest.raises(AccessDenied):
            await call("k", context=ALICE)


async def test_unknown_and_forbidden_look_alike(service: SecretsService) -> None:
    await service.set_secret("exists", "v")
    texts = []
    for name in ("exists", "absent"):
        with pytest.raises(HoldfastError) as refused:
            await service.get_secret(name, context=ALICE)
        texts.append(f"{type(refused.value).__name__} {refused.value}".replace(name, "NAME"))
    assert texts[0] == texts[1]


async def test_clients(service: SecretsService, database_url: str) -> None:
    secret = await service.add_client("app")
    assert (await service.authenticate_client("app", secret, ip_address="10.1.1.1")).id == "app"
    for client_id, given in (("app", "wrong"), ("nobody", secret), ("sys\ntem", secret), ("system", secret)):
        with pytest.raises(HoldfastError) as refused:
            await service.authenticate_client(client_id, given)
        assert refused.value.code == "unauthenticated"
    assert [client.client_id for client in await service.list_clients()] == ["app"]
    assert await service.remove_client("app") is True
    assert await service.remove_client("app") is False
    logins = await rows(
        database_url, "SELECT user_id, success FROM secret_access_logs WHERE operation = 'login' ORDER BY id"
    )
    assert logins == [("app", True), ("app", False), ("nobody", False), ("anonymous", False), ("anonymous", False)]


async def test_rules_of_a_newer_release_give_what_is_known_here(database_url: str, tmp_path: Path) -> None:
    newer = [
        StoredRule(kind=kind, subject="alice", pattern="k", terms=terms, granted_by="root", granted_at=NOW)
        for kind, terms in ((RuleKind.GRANT, ("get", "levitate")), (RuleKind.ROLE, ("wizard",)))
    ]
    async with opened(database_url, tmp_path / "newer") as inside:
        await inside.service.set_secret("k", "v")
        for each in newer:
            signed = replace(each, attestation=inside.parts.sealer.attest(each.facts()))
            await inside.parts.grants.put(signed, lambda _: record_of(Caller("root"), "grant", "k", NOW))
    async with service_on(database_url, tmp_path / "older") as service:
        assert (await service.get_secret("k", context=ALICE)).value == "v"
        assert [grant.permissions for grant in await service.list_grants()] == [{"get"}]
        assert await service.access.list_roles() == []


async def test_nonsense_on_the_channel_does_not_end_the_feed(
    service: SecretsService, database_url: str, tmp_path: Path
) -> None:
    await service.set_secret("k", "v")
    for nonsense in ("secret:k:many", "secret", "", "what:ever", "rules:", "rules:soon:alice"):
        await execute(database_url, f"NOTIFY holdfast, '{nonsense}'")
    async with service_on(database_url, tmp_path / "2") as other:
        await other.grant_access("k", "alice", ["get"])

    async def allowed() -> bool:
        return await service.check_access("k", "alice", "get")

    await within(3, allowed)
    await within(3, lambda: live(service))


async def live(service: SecretsService) -> bool:
    return all(backend.healthy for backend in service.backends())


class SlowRules(RulesInMemory):
    """A grant store whose first reading of all rules arrives late."""

    def __init__(self, *stored: StoredRule) -> None:
        super().__init__(*stored)
        self.asked, self.answer = asyncio.Event(), asyncio.Event()

    async def rules(self, subject: str | None = None) -> tuple[int, list[StoredRule]]:
        found = await super().rules(subject)
        if not self.answer.is_set():
            self.asked.set()
            await self.answer.wait()
        return found


async def test_i6_a_late_reading_of_all_rules_does_not_bring_a_revoked_one_back() -> None:
    store = SlowRules(rule("alice", {Permission.GET}, "k"))
    book = GrantBook(store, SEALER, QuietFeed(), VirtualClock(), Leases(timedelta(days=1)))
    everything = asyncio.create_task(book.load())
    await store.asked.wait()
    store.stored, store.epoch = [], 1  # the revocation commits
    revoked = asyncio.create_task(book.committed(1, "alice"))
    await asyncio.sleep(0)
    store.answer.set()
    await asyncio.gather(everything, revoked)
    assert book.rule(Caller("alice"), Permission.GET, "k") is None
