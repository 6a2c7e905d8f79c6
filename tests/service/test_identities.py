"""Identities and their tokens: no escalation, no eternity, and out at once when told so."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from holdfast.domain.policy import AccessContext, AuthMethod, Caller, Permission
from holdfast.errors import (
    AccessDenied,
    Conflict,
    IdentityNotFound,
    IntegrityFailure,
    InvalidInput,
    LeaseExpired,
    TokenNotFound,
    Unauthenticated,
)
from holdfast.service.access.tokens import NewToken
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.tokens import insert_token
from tests.support.node import Inside, opened, rows, service_on, within
from tests.support.postgres import execute

ROOT = AccessContext(user_id="root")
EVERYTHING = list(Permission)


async def made(service: SecretsService, name: str, **grants: list[str]) -> NewToken:
    """A new identity with grants (``x_`` stands for ``x-*``, ``all`` for everything) and a token."""
    await service.identities.add(name)
    for pattern, permissions in grants.items():
        glob = "*" if pattern == "all" else pattern.replace("_", "-*")
        await service.grant_access(glob, name, permissions)
    return await service.tokens.create(name)


def bearer(service: SecretsService, new: NewToken) -> Caller:
    """The caller that a token proves."""
    proven = service.prove_token(new.token)
    return Caller(proven.identity, method=AuthMethod.TOKEN, credential=str(proven.id))


CALLS: dict[str, Callable[[SecretsService, AccessContext], Awaitable[object]]] = {
    "identity.add": lambda s, c: s.identities.add("x", context=c),
    "identity.list": lambda s, c: s.identities.list(context=c),
    "identity.disable": lambda s, c: s.identities.disable("app", context=c),
    "identity.enable": lambda s, c: s.identities.enable("app", context=c),
    "identity.remove": lambda s, c: s.identities.remove("app", context=c),
    "identity.groups": lambda s, c: s.identities.set_groups("app", ["ops"], context=c),
    "admin.reset": lambda s, c: s.identities.reset_admin(context=c),
    "token.create": lambda s, c: s.tokens.create("app", context=c),
    "token.list": lambda s, c: s.tokens.list(context=c),
    "token.revoke": lambda s, c: s.tokens.revoke(uuid4(), context=c),
    "token.renew": lambda s, c: s.tokens.renew(uuid4(), context=c),
    "client.add": lambda s, c: s.add_client("app", context=c),
}


async def test_i1_everything_about_identities_is_denied_by_default_and_on_record(
    service: SecretsService, database_url: str
) -> None:
    await service.identities.add("app")
    await service.grant_access("*", "nearly", [each for each in EVERYTHING if each != "grant"])
    await service.grant_access("a*", "nearly", ["grant"])
    for call in CALLS.values():
        with pytest.raises(AccessDenied):
            await call(service, AccessContext(user_id="nearly"))
    denials = await rows(
        database_url, "SELECT operation FROM secret_access_logs WHERE user_id = 'nearly' AND NOT success ORDER BY id"
    )
    assert [operation for (operation,) in denials] == list(CALLS)
    assert [each.name for each in await service.identities.list()] == ["app"]


async def test_every_change_is_on_record_and_no_token_is(service: SecretsService, database_url: str) -> None:
    new = await made(service, "app")
    await service.tokens.renew(new.record.id)
    await service.tokens.revoke(new.record.id)
    await service.identities.set_groups("app", ["ops"])
    await service.identities.disable("app")
    await service.identities.enable("app")
    await service.identities.remove("app")
    operations = [operation for (operation,) in await rows(database_url, "SELECT operation FROM secret_access_logs")]
    for operation in ("identity.add", "token.create", "token.renew", "token.revoke", "identity.groups"):
        assert operations.count(operation) == 1
    for operation in ("identity.disable", "identity.enable", "identity.remove"):
        assert operations.count(operation) == 1


async def test_i13_a_token_is_shown_once_and_kept_as_a_hash(service: SecretsService, database_url: str) -> None:
    new = await made(service, "app")
    assert new.token not in repr(new)
    (dump,) = await rows(
        database_url,
        "SELECT (SELECT string_agg(t::text, ',') FROM api_tokens t), "
        "(SELECT string_agg(l::text, ',') FROM secret_access_logs l)",
    )
    assert new.token[3:] not in "".join(dump)
    assert new.hash.hex() in dump[0]
    listed = await service.tokens.list("app")
    assert [each.id for each in listed] == [new.record.id]
    assert "token" not in {field.name for field in dataclasses.fields(listed[0])}


async def test_a_token_proves_its_identity_and_only_as_it_is(service: SecretsService) -> None:
    new = await made(service, "app")
    assert service.prove_token(new.token).identity == "app"
    middle = len(new.token) // 2
    flipped = new.token[:middle] + ("A" if new.token[middle] != "A" else "B") + new.token[middle + 1 :]
    texts = set()
    for wrong in (flipped, new.token[:-1], "", "hf_", "x" * 100_000, "hf_\u00e9", "hf_\x00", new.token + " ", "\udcff"):
        with pytest.raises(Unauthenticated) as refused:
            service.prove_token(wrong)
        texts.add(str(refused.value))
    assert len(texts) == 1


async def test_networks_are_held_to(service: SecretsService) -> None:
    await service.identities.add("app")
    new = await service.tokens.create("app", networks=["10.0.0.0/8"])
    assert service.prove_token(new.token, ip_address="10.1.2.3").identity == "app"
    for address in ("11.0.0.1", None, "nonsense"):
        with pytest.raises(Unauthenticated):
            service.prove_token(new.token, ip_address=address)


async def test_what_a_token_may_not_be(service: SecretsService) -> None:
    await service.identities.add("app")
    wrong: list[dict[str, Any]] = [
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=400)},
        {"max_lifetime": timedelta(seconds=-1)},
        {"networks": ["10.0.0.1/8"]},
        {"description": "a\nb"},
    ]
    for options in wrong:
        with pytest.raises(InvalidInput):
            await service.tokens.create("app", **options)
    with pytest.raises(IdentityNotFound):
        await service.tokens.create("nobody")
    await service.identities.disable("app")
    with pytest.raises(Conflict, match="disabled"):
        await service.tokens.create("app")
    assert await service.tokens.list() == []


async def test_nobody_mints_what_they_do_not_hold(service: SecretsService) -> None:
    await service.grant_access("*", "root", ["grant", "get"])
    await made(service, "reader", a_=["get"])
    await made(service, "writer", a_=["get", "set"])
    await service.grant_access("*", "group:ops", ["set"])
    await service.tokens.create("reader", context=ROOT)
    await service.add_client("reader", context=ROOT)
    with pytest.raises(AccessDenied):
        await service.tokens.create("writer", context=ROOT)
    with pytest.raises(AccessDenied):
        await service.add_client("writer", context=ROOT)
    with pytest.raises(AccessDenied):
        await service.identities.set_groups("reader", ["ops"], context=ROOT)
    await service.identities.set_groups("reader", ["ops"], accept_existing_credentials=True)
    with pytest.raises(AccessDenied):
        await service.tokens.create("reader", context=ROOT)
    with pytest.raises(AccessDenied):
        await service.identities.reset_admin(context=ROOT)
    await service.identities.disable("writer", context=ROOT)
    with pytest.raises(AccessDenied):
        await service.identities.enable("writer", context=ROOT)


async def test_owners_look_after_their_own_tokens_and_no_others(service: SecretsService) -> None:
    mine, other = await made(service, "app"), await made(service, "other")
    me = bearer(service, mine)
    assert [each.id for each in await service.tokens.list("app", context=me)] == [mine.record.id]
    for call in (
        service.tokens.list("other", context=me),
        service.tokens.list(context=me),
        service.tokens.revoke(other.record.id, context=me),
        service.tokens.renew(other.record.id, context=me),
        service.tokens.create("app", context=me),
    ):
        with pytest.raises(AccessDenied):
            await call
    sibling = await service.tokens.create("app")
    with pytest.raises(AccessDenied):  # renewing takes the very token
        await service.tokens.renew(sibling.record.id, context=me)
    assert (await service.tokens.renew(mine.record.id, context=me)).renewals == 1
    assert await service.tokens.revoke(sibling.record.id, context=me) is True
    assert await service.tokens.revoke(mine.record.id, context=me) is True
    assert service.prove_token(other.token).identity == "other"


async def test_renewal_never_outlives_the_end(service: SecretsService) -> None:
    await service.identities.add("app")
    new = await service.tokens.create("app", lifetime=timedelta(days=2), max_lifetime=timedelta(days=3))
    assert new.record.expires_at - new.record.created_at == timedelta(days=2)
    for _ in range(3):
        renewed = await service.tokens.renew(new.record.id)
    assert new.record.expires_at < renewed.expires_at < renewed.max_expires_at
    short = await service.tokens.create("app", lifetime=timedelta(days=5), max_lifetime=timedelta(days=1))
    assert (await service.tokens.renew(short.record.id)).expires_at == short.record.max_expires_at
    with pytest.raises(TokenNotFound):
        await service.tokens.renew(uuid4())
    await service.tokens.revoke(new.record.id)
    with pytest.raises(Conflict):
        await service.tokens.renew(new.record.id)
    assert await service.tokens.revoke(new.record.id) is False


async def test_an_expired_token_is_neither_good_nor_renewable_and_no_clock_revives_it(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, database = inside.service, inside.database
    new = await made(service, "app")
    soon = dataclasses.replace(new.record, expires_at=service.now() + timedelta(seconds=1))
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM api_tokens")
        (known,) = inside.parts.directory._known.values()
        await insert_token(connection, inside.parts.sealer, soon, new.hash, known.standing.incarnation)
    await inside.parts.directory.load("app")
    assert service.prove_token(new.token).identity == "app"
    await asyncio.sleep(1.1)
    with pytest.raises(Unauthenticated):
        service.prove_token(new.token)
    monkeypatch.setattr(inside.parts.clock, "now", lambda: soon.expires_at - timedelta(hours=1))
    with pytest.raises(Unauthenticated):
        service.prove_token(new.token)
    with pytest.raises(Conflict):
        await service.tokens.renew(new.record.id)


async def test_i6_disabled_and_revoked_is_out_here_at_once_and_elsewhere_within_a_second(
    database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        new, other = await made(here, "app"), await made(here, "other")
        secret = await here.add_client("app")

        async def good_there() -> bool:
            try:
                return there.prove_token(new.token).identity == "app"
            except Unauthenticated:
                return False

        async def bad_there() -> bool:
            return not await good_there()

        await within(1, good_there)
        await here.identities.disable("app")
        with pytest.raises(Unauthenticated):
            here.prove_token(new.token)
        with pytest.raises(Unauthenticated):
            await here.authenticate_client("app", secret)
        await within(1, bad_there)
        assert there.client_registration("app") is None
        assert there.is_disabled("app")
        await here.identities.enable("app")
        await within(1, good_there)
        await here.authenticate_client("app", secret)
        await here.tokens.revoke(new.record.id)
        with pytest.raises(Unauthenticated):
            here.prove_token(new.token)
        await within(1, bad_there)
        assert there.prove_token(other.token).identity == "other"


async def test_i6_a_node_without_its_database_proves_nothing_beyond_the_lease(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path, grant_lease=timedelta(seconds=1)) as inside:
        new = await made(inside.service, "app")
        secret = await inside.service.add_client("app")
        caller = bearer(inside.service, new)
        await inside.parts.feed.stop()
        assert [each.id for each in await inside.service.tokens.list("app", context=caller)] == [new.record.id]
        inside.parts.feed._contact -= 2
        with pytest.raises(LeaseExpired):
            await inside.service.tokens.list("app", context=caller)
        with pytest.raises(LeaseExpired):
            await inside.service.get_secret("k", context=caller)
        with pytest.raises(LeaseExpired):
            await inside.service.authenticate_client("app", secret)


async def test_i15_a_removed_identity_leaves_nothing_to_its_successor(
    service: SecretsService, database_url: str
) -> None:
    await service.set_secret("k", "v")
    new = await made(service, "app", k=["get"])
    await service.identities.set_groups("app", ["ops"])
    await service.add_client("app")
    await service.get_secret("k", context=AccessContext(user_id="app"))
    assert await service.identities.remove("app") is True
    assert await service.identities.remove("app") is False
    await service.identities.add("app")
    with pytest.raises(Unauthenticated):
        service.prove_token(new.token)
    with pytest.raises(AccessDenied):
        await service.get_secret("k", context=AccessContext(user_id="app"))
    assert service.groups_of("app") == frozenset()
    assert service.client_registration("app") is None
    (found,) = await service.identities.list()
    assert (found.groups, found.tokens, found.has_client_secret) == ((), 0, False)


async def test_names_are_told_apart_and_not_confused(service: SecretsService) -> None:
    await service.identities.add("alice", "person")
    for other in ("alice", "Alice", "ALICE"):
        with pytest.raises(Conflict):
            await service.identities.add(other)
        if other != "alice":
            with pytest.raises(Conflict):
                await service.add_client(other)
    for wrong in (" alice", "al\u0456ce", "operator:root", "system", "group:ops"):
        with pytest.raises(InvalidInput):
            await service.identities.add(wrong)
    assert [(each.name, each.kind.value) for each in await service.identities.list()] == [("alice", "person")]


async def test_groups(service: SecretsService) -> None:
    await service.identities.add("app")
    assert await service.identities.set_groups("app", ["ops", "dev"]) == {"ops", "dev"}
    assert service.groups_of("app") == {"ops", "dev"}
    await service.identities.set_groups("app", ["dev"])
    assert service.groups_of("app") == {"dev"}
    assert service.groups_of("nobody") == frozenset()
    with pytest.raises(IdentityNotFound):
        await service.identities.set_groups("nobody", ["dev"])
    for name in ("disable", "enable"):
        with pytest.raises(IdentityNotFound):
            await getattr(service.identities, name)("nobody")


async def test_the_first_start_makes_one_admin_however_many_nodes_start(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "1") as one, service_on(database_url, tmp_path / "2") as two:
        made = await asyncio.gather(*(service.identities.bootstrap() for service in (one, two, one, two)))
        (first,) = [each for each in made if each is not None]
        assert first.record.identity == "admin"
        assert await one.identities.bootstrap() is None

        async def known() -> bool:
            try:
                return one.prove_token(first.token).identity == two.prove_token(first.token).identity
            except Unauthenticated:
                return False

        await within(1, known)
        caller = bearer(one, first)
        await one.set_secret("k", "v", context=caller)
        await one.identities.add("app", context=caller)
        await one.tokens.create("app", context=caller)


async def test_an_installation_with_identities_gets_no_admin(service: SecretsService) -> None:
    await service.add_client("app")
    assert await service.identities.bootstrap() is None
    assert [each.name for each in await service.identities.list()] == ["app"]
    assert await service.list_grants() == []


async def test_a_lost_admin_token_is_replaced_from_the_machine(service: SecretsService, database_url: str) -> None:
    first = await service.identities.bootstrap()
    assert first is not None
    secret = await service.add_client("admin")
    await service.identities.disable("admin")
    await service.revoke_access("*", "admin")
    second = await service.identities.reset_admin()
    with pytest.raises(Unauthenticated):
        service.prove_token(first.token)
    with pytest.raises(Unauthenticated):
        await service.authenticate_client("admin", secret)
    await service.set_secret("k", "v", context=bearer(service, second))
    assert await rows(
        database_url, "SELECT user_id, success FROM secret_access_logs WHERE operation = 'admin.reset'"
    ) == [("system", True)]
    again = await service.identities.reset_admin(context=bearer(service, second))
    await service.identities.remove("admin")
    assert (await service.identities.reset_admin()).record.identity == "admin"
    with pytest.raises(Unauthenticated):
        service.prove_token(again.token)


async def test_last_uses_are_noted_lazily_and_once_each(inside: Inside, database_url: str) -> None:
    service = inside.service
    new = await made(service, "app")
    for _ in range(100):
        service.prove_token(new.token)
    assert [each.last_used_at for each in await service.tokens.list()] == [None]
    await service.tokens.flush_uses()
    (listed,) = await service.tokens.list()
    assert listed.last_used_at is not None
    assert inside.parts.directory.take_used() == {}


async def test_reloading_everything_and_one_gives_the_same(inside: Inside) -> None:
    service, directory = inside.service, inside.parts.directory
    tokens = [await made(service, f"app-{number}") for number in range(5)]
    await service.identities.disable("app-1")
    await service.tokens.revoke(tokens[2].record.id)
    await service.identities.remove("app-3")
    one_by_one = (dict(directory._known), dict(directory._tokens))
    await directory.load()
    assert (directory._known, directory._tokens) == one_by_one
    assert {token.record.identity for token in tokens if token.hash in directory._tokens} == {"app-0", "app-4"}


TAMPERING = {
    "another hash": "UPDATE api_tokens SET token_hash = sha256('x')",
    "no end": "UPDATE api_tokens SET expires_at = now() + interval '300 days', "
    "max_expires_at = now() + interval '300 days'",
    "no networks": "UPDATE api_tokens SET networks = '{}'",
    "a stranger's token": "UPDATE api_tokens SET identity_name = 'admin'",
    "a group": "INSERT INTO identity_groups (identity_name, group_name, added_by) VALUES ('app', 'ops', 'x')",
    "a client secret": "INSERT INTO clients (client_id, secret_hash, created_by) VALUES ('app', sha256('x'), 'x')",
    "another life": "UPDATE identities SET incarnation = gen_random_uuid()",
    "enabled": "UPDATE identities SET disabled_at = NULL",
}


@pytest.mark.parametrize("change", TAMPERING.values(), ids=TAMPERING)
async def test_i8_rows_that_were_edited_let_nobody_in(inside: Inside, database_url: str, change: str) -> None:
    service = inside.service
    await service.identities.add("admin")
    await service.identities.add("app")
    new = await service.tokens.create("app", networks=["10.0.0.0/8"])
    if "disabled_at" in change:
        await service.identities.disable("app")
    await execute(database_url, change)
    await inside.parts.directory.load()
    with pytest.raises(Unauthenticated):
        service.prove_token(new.token, ip_address="10.0.0.1")
    assert service.groups_of("app") == frozenset()
    assert service.client_registration("app") is None
    if "api_tokens" not in change:
        with pytest.raises(IntegrityFailure):
            await service.identities.set_groups("app", ["dev"])
    assert await service.identities.remove("app") is True


async def test_i8_a_revoked_token_is_not_revived_by_an_edit(inside: Inside, database_url: str) -> None:
    service = inside.service
    new = await made(service, "app")
    await service.tokens.revoke(new.record.id)
    await execute(database_url, "UPDATE api_tokens SET revoked_at = NULL")
    await inside.parts.directory.load()
    with pytest.raises(Unauthenticated):
        service.prove_token(new.token)
    with pytest.raises(IntegrityFailure):
        await service.tokens.renew(new.record.id)


async def test_tokens_that_ended_long_ago_are_forgotten(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.identities.add("app")
    ended, good = await service.tokens.create("app"), await service.tokens.create("app")
    await service.tokens.revoke(ended.record.id)
    await execute(database_url, "UPDATE api_tokens SET revoked_at = revoked_at - interval '31 days'")
    await PostgresAuditSink(inside.database).forget(timedelta(days=30))
    assert [each.id for each in await service.tokens.list()] == [good.record.id]


async def test_what_was_not_done_is_on_record_as_refused_only(service: SecretsService, database_url: str) -> None:
    for attempt in (
        service.identities.disable("nobody"),
        service.identities.enable("nobody"),
        service.identities.set_groups("nobody", ["ops"]),
    ):
        with pytest.raises(IdentityNotFound):
            await attempt
    found = await rows(database_url, "SELECT operation, success FROM secret_access_logs WHERE operation ~ 'identity'")
    assert sorted(map(tuple, found)) == [
        ("identity.disable", False),
        ("identity.enable", False),
        ("identity.groups", False),
    ]
