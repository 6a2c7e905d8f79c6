"""I6: rows of identities that were in force once, and are put back, give nothing back on any node."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from holdfast.domain.assertions import ClientCredential
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, IntegrityFailure, Unauthenticated
from holdfast.service.access.tokens import NewToken
from holdfast.service.manager import SecretsService
from tests.support.node import Inside, opened, rows, within
from tests.support.postgres import execute

ROWS = ("identities", "identity_groups", "clients", "client_credentials", "api_tokens")
"""What an identity consists of, in an order in which none refers to a later one."""

MARKS = ("identity_marks",)
EVERYTHING = (*ROWS, *MARKS, "identity_epoch")


async def stash(dsn: str) -> None:
    """Keep a copy of everything about identities, as a database administrator might."""
    await execute(dsn, *(f"CREATE TABLE old_{table} AS TABLE {table}" for table in EVERYTHING))


async def put_back(dsn: str, *tables: str) -> None:
    """Put the copies of some tables in the place of what is there, and let every node look."""
    columns = {
        table: ", ".join(
            name
            for (name,) in await rows(
                dsn,
                "SELECT attname::text FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped "
                f"AND attrelid = '{table}'::regclass",
            )
        )
        for table in tables
    }
    await execute(
        dsn,
        "SET session_replication_role = replica",
        *(f"DELETE FROM {table}" for table in reversed(tables)),
        *(
            f"INSERT INTO {table} ({columns[table]}) OVERRIDING SYSTEM VALUE SELECT {columns[table]} FROM old_{table}"
            for table in tables
        ),
        f"UPDATE identity_epoch SET epoch = epoch + {random.randrange(10**6, 10**9)}",
    )


class Person:
    """An identity with everything that it may have."""

    def __init__(self, token: NewToken, secret: str) -> None:
        self.token, self.secret = token, secret

    async def gets(self, service: SecretsService) -> set[str]:
        """What it gets at a node: by its token, by client secret and assertion, through its group."""
        found = set()
        try:
            proven = service.prove_token(self.token.token)
            found.add("token")
            await service.get_secret("k", context=AccessContext(user_id=proven.identity))
            found.add("group")
        except (Unauthenticated, AccessDenied):
            found.discard("group")
        with suppress(Unauthenticated):
            await service.authenticate_client("app", self.secret)
            found.add("client")
        with suppress(Unauthenticated):
            await service.authenticate_asserted("app", shown)
            found.add("credential")
        return found


ALL = {"token", "group", "client", "credential"}


async def shown(credentials: Sequence[ClientCredential]) -> ClientCredential:
    """The credential of an assertion that is good for any."""
    for each in credentials:
        return each
    raise Unauthenticated("It has none.")


async def made(service: SecretsService) -> Person:
    """That identity, and others that have nothing to do with it."""
    await service.set_secret("k", "v")
    await service.grant_access("k", "group:ops", ["get"])
    for other in ("before", "zz-after"):
        await service.identities.add(other)
        await service.tokens.create(other)
    await service.identities.add("app")
    person = Person(await service.tokens.create("app"), await service.add_client("app"))
    await service.client_credentials.federate(
        "app", name="k8s", issuer="https://k8s.example", subject="system:serviceaccount:a:b", audience="holdfast"
    )
    await service.identities.set_groups("app", ["ops"])
    assert await person.gets(service) == ALL
    return person


Act = Callable[[SecretsService, Person], Awaitable[object]]

TAKEN: dict[str, tuple[Act, set[str]]] = {
    "a token revoked": (lambda s, p: s.tokens.revoke(p.token.record.id), {"token", "group"}),
    "disabled": (lambda s, p: s.identities.disable("app"), ALL),
    "taken out of a group": (lambda s, p: s.identities.set_groups("app", []), {"group"}),
    "a client removed": (lambda s, p: s.remove_client("app"), {"client", "credential"}),
    "a credential withdrawn": (lambda s, p: s.client_credentials.remove("app", "k8s"), {"credential"}),
    "removed": (lambda s, p: s.identities.remove("app"), ALL),
}


@asynccontextmanager
async def attacked(database_url: str, folder: Path, taken: str) -> AsyncIterator[tuple[Inside, Person, set[str]]]:
    """A node on which something was taken from an identity, and a copy of the rows of before."""
    act, lost = TAKEN[taken]
    async with opened(database_url, folder) as inside:
        person = await made(inside.service)
        await stash(database_url)
        await act(inside.service, person)
        assert await person.gets(inside.service) == ALL - lost
        yield inside, person, lost


async def looked(inside: Inside, database_url: str) -> None:
    """Wait until a node has seen what is in the database now."""
    ((epoch,),) = await rows(database_url, "SELECT epoch FROM identity_epoch")

    async def seen() -> bool:
        return bool(inside.parts.directory._epoch == epoch)

    await within(10, seen)


PARTS = [ROWS, ("identities",), ("api_tokens",), ("identities", "api_tokens"), ("identities", "identity_groups")]


@pytest.mark.parametrize("taken", TAKEN)
async def test_i6_what_was_taken_is_not_given_back_by_rows_put_back(
    database_url: str, tmp_path: Path, taken: str
) -> None:
    async with (
        attacked(database_url, tmp_path / "1", taken) as (here, person, lost),
        opened(database_url, tmp_path / "2") as there,
    ):
        await execute(database_url, *(f"CREATE TABLE new_{table} AS TABLE {table}" for table in EVERYTHING))
        for tables in PARTS:
            await put_back(database_url, *tables)
            for inside in (here, there):
                await looked(inside, database_url)
                assert not await person.gets(inside.service) & lost, (tables, inside is here)
            async with opened(database_url, tmp_path / "3") as later:
                assert not await person.gets(later.service) & lost, (tables, "a node that starts now")
            await execute(
                database_url,
                "SET session_replication_role = replica",
                *(f"DELETE FROM {table}" for table in EVERYTHING),
                *(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE new_{table}" for table in EVERYTHING),
            )


@pytest.mark.parametrize("taken", TAKEN)
async def test_i6_the_marks_put_back_too_give_nothing_back(database_url: str, tmp_path: Path, taken: str) -> None:
    """A node that runs has known better; one that starts sees that the marks do not belong together."""
    async with attacked(database_url, tmp_path / "1", taken) as (here, person, lost):
        await put_back(database_url, *ROWS, *MARKS)
        await looked(here, database_url)
        assert not await person.gets(here.service) & lost
        async with opened(database_url, tmp_path / "2") as there:
            assert await person.gets(there.service) == set()
            new = await there.service.identities.reset_admin()
            assert there.service.prove_token(new.token).identity == "admin"
            await there.service.identities.remove("app")
            assert await person.gets(there.service) == set()


async def test_others_are_let_in_while_rows_of_one_are_put_back(database_url: str, tmp_path: Path) -> None:
    async with attacked(database_url, tmp_path / "1", "disabled") as (here, _, _):
        other = await here.service.tokens.create("before")
        await put_back(database_url, "identities")
        for folder in ("2", "3"):
            async with opened(database_url, tmp_path / folder) as there:
                with pytest.raises(Unauthenticated):
                    there.service.prove_token("hf_none")
                health = await there.service.get_secret_health()
                assert not health.healthy
                assert any(advice.startswith("2 identity(s) are not as") for advice in health.recommendations)
                assert there.service.is_disabled("app")
                assert not there.service.is_disabled("zz-after")
                with pytest.raises(IntegrityFailure, match="put back"):
                    await there.service.identities.enable("app")
                assert other.record.identity == "before"


GONE = {
    "edited": ("UPDATE identities SET disabled_at = NULL WHERE name = 'app'",),
    "deleted": ("DELETE FROM identities WHERE name = 'app'",),
    "deleted with its mark": (
        "DELETE FROM identities WHERE name = 'app'",
        "DELETE FROM identity_marks WHERE name = 'app'",
    ),
    "deleted with all marks": (
        "DELETE FROM identities WHERE name = 'app'",
        "DELETE FROM identity_marks",
        "UPDATE identity_epoch SET revision = 0, attestation = ''",
    ),
}


@pytest.mark.parametrize("how", GONE)
async def test_i6_who_was_disabled_stays_so_whatever_becomes_of_the_row(
    database_url: str, tmp_path: Path, how: str
) -> None:
    """Issuers vouch for people that need no row here: for them, only the row says that they are disabled."""
    async with attacked(database_url, tmp_path / "1", "disabled") as (here, _, _):
        await execute(database_url, *GONE[how])
        for folder in ("2", "3"):
            async with opened(database_url, tmp_path / folder) as there:
                await looked(here, database_url)
                assert here.service.is_disabled("app")
                assert there.service.is_disabled("app")
            await execute(database_url, "UPDATE identity_epoch SET epoch = epoch + 1")


async def test_who_was_removed_is_not_taken_for_disabled(database_url: str, tmp_path: Path) -> None:
    async with attacked(database_url, tmp_path / "1", "disabled") as (here, _, _):
        await here.service.identities.remove("app")
        async with opened(database_url, tmp_path / "2") as there:
            for inside in (here, there):
                await looked(inside, database_url)
                assert not inside.service.is_disabled("app")
                assert not inside.service.is_disabled("somebody")


async def test_i6_while_the_marks_are_broken_revocations_count_and_new_identities_too(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path / "1") as here, opened(database_url, tmp_path / "2") as there:
        person = await made(here.service)
        await execute(database_url, "UPDATE identity_marks SET revision = revision + 1 WHERE name = 'before'")
        await here.service.tokens.revoke(person.token.record.id)
        await here.service.identities.add("late")
        late = await here.service.tokens.create("late")
        await looked(there, database_url)
        for inside in (here, there):
            assert await person.gets(inside.service) == {"client", "credential"}
            assert inside.service.prove_token(late.token).identity == "late"


async def test_what_everything_put_back_gives_a_node_that_starts_afterwards(database_url: str, tmp_path: Path) -> None:
    """What remains possible for a database administrator, as SECURITY.md says; nodes that run are not taken in."""
    async with attacked(database_url, tmp_path / "1", "disabled") as (here, person, _):
        await put_back(database_url, *EVERYTHING)
        await looked(here, database_url)
        assert await person.gets(here.service) == set()
        async with opened(database_url, tmp_path / "2") as there:
            assert await person.gets(there.service) == ALL


async def test_what_an_identity_deleted_with_sql_and_put_back_gives_a_node_that_starts_afterwards(
    database_url: str, tmp_path: Path
) -> None:
    """What remains possible likewise: its mark stands. Nodes that run know better."""
    async with opened(database_url, tmp_path / "1") as here:
        person = await made(here.service)
        await stash(database_url)
        await execute(
            database_url, "DELETE FROM identities WHERE name = 'app'", "UPDATE identity_epoch SET epoch = epoch + 1"
        )
        await looked(here, database_url)
        assert await person.gets(here.service) == set()
        await put_back(database_url, *ROWS)
        await looked(here, database_url)
        assert await person.gets(here.service) == set()
        async with opened(database_url, tmp_path / "2") as there:
            assert await person.gets(there.service) == ALL


async def test_i6_a_revocation_that_a_failover_lost_counts_on_until_the_identity_is_changed(
    database_url: str, tmp_path: Path
) -> None:
    async with attacked(database_url, tmp_path / "1", "a token revoked") as (here, person, lost):
        await put_back(database_url, *EVERYTHING)
        await looked(here, database_url)
        assert not await person.gets(here.service) & lost
        await here.service.identities.set_groups("app", ["dev"])
        assert here.service.groups_of("app") == {"dev"}


async def test_changes_of_many_identities_at_once_leave_marks_that_hold(inside: Inside) -> None:
    service = inside.service

    async def lives(name: str) -> None:
        await service.identities.add(name)
        token = await service.tokens.create(name)
        await service.identities.set_groups(name, ["ops"])
        await service.tokens.renew(token.record.id)
        await service.tokens.revoke(token.record.id)
        if name.endswith("3"):
            await service.identities.remove(name)

    await asyncio.gather(*(lives(f"app-{number}") for number in range(12)))
    found = await inside.parts.directory._store.snapshot()
    found.marks.verify(inside.parts.sealer)
    assert len(found.marks.names) == len(found.standings) == 11
