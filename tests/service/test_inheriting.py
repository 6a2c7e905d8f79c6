"""A credential or a membership made early does not reach what others hand out later without seeing it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest

from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict
from holdfast.service.manager import SecretsService
from tests.support.node import rows, service_on

ADMIN = AccessContext(user_id="root")
GRANTER = AccessContext(user_id="granter")
"""Holds `grant` on everything, and `get` on nothing."""

TERMS: Final = {"name": "k8s", "issuer": "https://k8s.example", "subject": "a", "audience": "holdfast"}

Act = Callable[[SecretsService], Awaitable[object]]


async def prepared(service: SecretsService) -> None:
    """A vault with an administrator, somebody who may only hand out, and a newcomer without anything."""
    await service.set_secret("payroll", "v")
    await service.access.assign_role("root", "admin", "*")
    await service.grant_access("*", "granter", ["grant"])
    await service.identities.add("granter", "person")
    await service.identities.add("newcomer", context=ADMIN)


EARLY: dict[str, Act] = {
    "a token": lambda s: s.tokens.create("newcomer", context=GRANTER),
    "a client secret": lambda s: s.add_client("newcomer", context=GRANTER),
}
LATER: dict[str, Callable[[SecretsService, bool], Awaitable[object]]] = {
    "a grant": lambda s, yes: s.grant_access(
        "payroll", "newcomer", ["get"], accept_existing_credentials=yes, context=ADMIN
    ),
    "a role": lambda s, yes: s.access.assign_role(
        "newcomer", "reader", "pay*", accept_existing_credentials=yes, context=ADMIN
    ),
    "a group with rules": lambda s, yes: s.identities.set_groups(
        "newcomer", ["readers"], accept_existing_credentials=yes, context=ADMIN
    ),
    "a rule for its group": lambda s, yes: s.access.assign_role(
        "group:staff", "reader", "pay*", accept_existing_credentials=yes, context=ADMIN
    ),
}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("early", EARLY)
async def test_what_is_handed_out_reaches_no_credential_that_somebody_made_early(
    service: SecretsService, database_url: str, early: str, later: str
) -> None:
    await prepared(service)
    await service.access.assign_role("group:readers", "reader", "payroll", context=ADMIN)
    await service.identities.set_groups("newcomer", ["staff"], context=ADMIN)
    await EARLY[early](service)
    with pytest.raises(Conflict) as refused:
        await LATER[later](service, False)
    for said in (early.removeprefix("a "), "newcomer", "granter", "--accept-credentials"):
        assert said in str(refused.value)
    newcomer = AccessContext(user_id="newcomer")
    with pytest.raises(AccessDenied):
        await service.get_secret("payroll", context=newcomer)
    await LATER[later](service, True)
    assert (await service.get_secret("payroll", context=newcomer)).value == "v"
    said = "SELECT record ->> 'detail' AS said FROM audit_outbox UNION ALL SELECT detail FROM secret_access_logs"
    ((told,),) = await rows(database_url, f"SELECT said FROM ({said}) r WHERE said LIKE '%accepted%'")
    assert "made by granter" in told


async def test_a_group_that_somebody_joined_early_is_given_nothing_unseen(service: SecretsService) -> None:
    await prepared(service)
    await service.identities.set_groups("granter", ["payroll-team"], context=GRANTER)
    for given in (
        service.access.assign_role("group:payroll-team", "reader", "payroll", context=ADMIN),
        service.grant_access("payroll", "group:payroll-team", ["get"], context=ADMIN),
    ):
        with pytest.raises(Conflict, match="membership of granter made by granter"):
            await given
    with pytest.raises(AccessDenied):
        await service.get_secret("payroll", context=GRANTER)


async def test_an_identity_removed_and_made_anew_is_mended_for_nobody_else(service: SecretsService) -> None:
    await prepared(service)
    await service.grant_access("payroll", "newcomer", ["get"], context=ADMIN)
    await service.identities.remove("newcomer", context=GRANTER)
    await service.identities.add("newcomer", context=GRANTER)
    await service.tokens.create("newcomer", context=GRANTER)
    with pytest.raises(Conflict, match="granter"):
        await service.grant_access("payroll", "newcomer", ["get"], context=ADMIN)


async def test_nobody_is_asked_about_credentials_of_those_who_may_hand_out_the_same(service: SecretsService) -> None:
    await prepared(service)
    await service.grant_access("pay*", "lead", ["grant", "get"], context=ADMIN)
    lead = AccessContext(user_id="lead")
    await service.add_client("newcomer", context=ADMIN)
    await service.tokens.create("newcomer")
    await service.identities.set_groups("newcomer", ["staff"], context=ADMIN)
    await service.grant_access("payroll", "newcomer", ["get"], context=ADMIN)
    await service.grant_access("pay*", "newcomer", ["get"], context=lead)
    await service.grant_access("pay*", "group:staff", ["get"], context=lead)
    await service.access.assign_role("newcomer", "reader", "*")
    await service.grant_access("other", "granter", ["grant"], context=GRANTER)


async def test_what_has_ended_is_in_nobodys_way(service: SecretsService) -> None:
    await prepared(service)
    new = await service.tokens.create("newcomer", context=GRANTER)
    await service.add_client("newcomer", context=GRANTER)
    await service.tokens.revoke(new.record.id)
    await service.remove_client("newcomer")
    await service.grant_access("payroll", "newcomer", ["get"], context=ADMIN)


async def test_no_order_of_a_token_and_a_grant_slips_through(database_url: str, tmp_path: Path) -> None:
    """On two nodes at the same moment: the second knows of the first."""
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        await prepared(here)
        for number in range(30):
            name = f"newcomer-{number}"
            await here.identities.add(name)

            async def minted(name: str = name) -> bool:
                try:
                    await there.tokens.create(name, context=GRANTER)
                except AccessDenied:
                    return False
                return True

            async def granted(name: str = name) -> bool:
                try:
                    await here.grant_access("payroll", name, ["get"], context=ADMIN)
                except Conflict:
                    return False
                return True

            if number % 2:
                token, rule = await asyncio.gather(minted(), granted())
            else:
                rule, token = await asyncio.gather(granted(), minted())
            assert token != rule
            live = await rows(
                database_url,
                f"SELECT count(*) FROM api_tokens WHERE identity_name = '{name}' AND revoked_at IS NULL",
            )
            assert live == [(int(token),)]


async def test_makers_are_compared_by_name_whoever_had_a_credential_of_theirs(service: SecretsService) -> None:
    """What remains possible, as SECURITY.md says: who holds a token of the maker makes a credential with it."""
    await prepared(service)
    borrowed = await service.tokens.create("granter", context=ADMIN)
    whoever = AccessContext(user_id=service.prove_token(borrowed.token).identity)
    kept = await service.tokens.create("newcomer", context=whoever)
    await service.grant_access("payroll", "granter", ["get"], accept_existing_credentials=True, context=ADMIN)
    await service.grant_access("payroll", "newcomer", ["get"], context=ADMIN)
    assert service.prove_token(kept.token).identity == "newcomer"
    assert (await service.get_secret("payroll", context=AccessContext(user_id="newcomer"))).value == "v"


RACES: dict[str, tuple[Callable[[SecretsService, str], Awaitable[object]], ...]] = {
    "a token, and a membership": (
        lambda s, name: s.tokens.create(name, context=GRANTER),
        lambda s, name: s.identities.set_groups(name, ["readers"], context=ADMIN),
    ),
    "a client secret, and a membership": (
        lambda s, name: s.add_client(name, context=GRANTER),
        lambda s, name: s.identities.set_groups(name, ["readers"], context=ADMIN),
    ),
    "a credential, and a membership": (
        lambda s, name: s.client_credentials.federate(name, **TERMS, context=GRANTER),
        lambda s, name: s.identities.set_groups(name, ["readers"], context=ADMIN),
    ),
    "a membership, and a rule for the group": (
        lambda s, name: s.identities.set_groups(name, [name], context=GRANTER),
        lambda s, name: s.access.assign_role(f"group:{name}", "reader", "payroll", context=ADMIN),
    ),
}


@pytest.mark.parametrize("race", RACES)
async def test_no_order_slips_through_on_a_node_that_has_not_heard_yet(
    database_url: str, tmp_path: Path, race: str
) -> None:
    """No matter which comes first, and where: the second one is refused, also where its news is still on the way."""
    early, later = RACES[race]
    async with service_on(database_url, tmp_path / "1") as here, service_on(database_url, tmp_path / "2") as there:
        await prepared(here)
        await here.access.assign_role("group:readers", "reader", "payroll", context=ADMIN)
        for number in range(10):
            name = f"newcomer-{number}"
            await here.identities.add(name)
            await there.identities.list()
            await later(here, name)
            with pytest.raises(AccessDenied):
                await early(there, name)
            assert there.credentials_of(name) == ()
