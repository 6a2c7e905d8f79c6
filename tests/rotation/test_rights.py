"""What a rotation carries off and whom it acts as: who may say so, and whose word stands."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import structs

from holdfast import AccessContext, RotationPolicy
from holdfast.domain.diagnosis import Level
from holdfast.domain.names import SecretName
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import PolicyAuthor
from holdfast.errors import AccessDenied, InvalidInput
from tests.rotation.target import Target, TargetHandler
from tests.rotation.test_rotation import let_pass, make_due
from tests.support.node import Inside, opened
from tests.support.postgres import execute

MALLORY = AccessContext(user_id="mallory")
TRENT = AccessContext(user_id="trent")
RANDOM = RotationPolicy(handler="random")
OPEN = RotationPolicy(handler="webhook", options={"url": "https://hooks.example/", "signing_secret": "hook-key"})


@pytest.fixture
async def inside(database_url: str, data_folder: Path) -> AsyncIterator[Inside]:
    async with opened(database_url, data_folder, cache_ttl=timedelta(seconds=1)) as node:
        await node.service.set_secret("hook-key", "whsec_" + "a" * 44)
        await node.service.set_secret("app", "live")
        yield node


async def grant(inside: Inside, who: str, name: str, *permissions: str) -> None:
    await inside.service.grant_access(name, who, permissions, granted_by="owner")


@pytest.mark.parametrize("held", [("set",), ("set", "rotate"), ("set", "get")], ids="+".join)
@pytest.mark.parametrize(
    "policy",
    [OPEN, RANDOM, RotationPolicy(options={"url": "x"}), structs.replace(RANDOM, auto_rotate=True)],
    ids=["webhook", "random", "options alone", "by itself"],
)
async def test_handler_and_options_take_get_and_rotate(
    inside: Inside, held: tuple[str, ...], policy: RotationPolicy
) -> None:
    service = inside.service
    await grant(inside, "mallory", "hook-key", "get", "set")
    await grant(inside, "mallory", "app", *held)
    await grant(inside, "mallory", "fresh", *held)
    with pytest.raises(AccessDenied):
        await service.update_secret("app", rotation_policy=policy, context=MALLORY)
    with pytest.raises(AccessDenied):
        await service.set_secret("app", "x", rotation_policy=policy, context=MALLORY)
    with pytest.raises(AccessDenied):
        await service.set_secret("fresh", "x", rotation_policy=policy, context=MALLORY)
    await grant(inside, "mallory", "app", "get", "rotate", "set")
    await service.update_secret("app", rotation_policy=policy, context=MALLORY)


async def test_what_an_option_borrows_takes_get_too(inside: Inside) -> None:
    await grant(inside, "mallory", "app", "get", "rotate", "set")
    with pytest.raises(AccessDenied, match="hook-key"):
        await inside.service.update_secret("app", rotation_policy=OPEN, context=MALLORY)


async def test_no_set_makes_a_secret_rotate_by_itself(inside: Inside) -> None:
    service = inside.service
    await grant(inside, "mallory", "app", "set", "get")
    asks = RotationPolicy(interval_days=30)
    await service.update_secret("app", rotation_policy=asks, context=MALLORY)
    with pytest.raises(AccessDenied, match="rotate"):
        await service.update_secret("app", rotation_policy=structs.replace(asks, auto_rotate=True), context=MALLORY)
    by_itself = structs.replace(RANDOM, auto_rotate=True)
    await service.update_secret("app", rotation_policy=by_itself)
    with pytest.raises(AccessDenied, match="rotate"):
        await service.update_secret(
            "app", rotation_policy=structs.replace(by_itself, interval_days=30), context=MALLORY
        )
    await service.update_secret("app", rotation_policy=structs.replace(by_itself, auto_rotate=False), context=MALLORY)


async def test_a_schedule_without_a_handler_takes_rotate_alone(inside: Inside) -> None:
    await grant(inside, "mallory", "app", "rotate")
    await inside.service.schedule_rotation("app", 30, auto_rotate=True, context=MALLORY)


async def test_a_blob_brings_no_policy_back_that_its_restorer_may_not_give(inside: Inside) -> None:
    service = inside.service
    await service.update_secret("app", rotation_policy=OPEN)
    blob = await service.backup_secret("app")
    await service.delete_secret("app")
    await service.purge_secret("app")
    await grant(inside, "mallory", "*", "set")
    with pytest.raises(AccessDenied, match="get"):
        await service.restore_secret(blob, context=MALLORY)
    await grant(inside, "trent", "*", "set", "get", "rotate")
    await service.restore_secret(blob, context=TRENT)


async def test_a_rollback_keeps_whose_word_the_policy_is(inside: Inside) -> None:
    service = inside.service
    await service.set_secret("app", "second", rotation_policy=RANDOM)
    await grant(inside, "mallory", "app", "set")
    await service.rollback_secret("app", 1, context=MALLORY)
    head = await inside.parts.ledger.head(SecretName("app"))
    assert head is not None
    assert head.settings.rotation_author == PolicyAuthor(id="system", system=True)


class Noting(TargetHandler):
    """A registered handler that borrows, and sends to where an option says."""

    borrows: ClassVar[frozenset[str]] = frozenset({"login"})
    sends: ClassVar[Mapping[str, str]] = {"place": "the candidate"}


async def test_a_registered_handler_is_judged_by_what_it_declares(inside: Inside) -> None:
    inside.service.register_rotation_handler("app", Noting(Target("live")))
    await grant(inside, "mallory", "app", "get", "rotate", "set")
    policy = RotationPolicy(options={"login": "hook-key"})
    with pytest.raises(AccessDenied, match="hook-key"):
        await inside.service.update_secret("app", rotation_policy=policy, context=MALLORY)


@pytest.mark.parametrize(("borrows", "sends"), [("login", {}), ({1}, {}), (frozenset(), ["url"])])
async def test_declarations_that_are_none_are_refused(inside: Inside, borrows: Any, sends: Any) -> None:
    handler = type("Odd", (TargetHandler,), {"borrows": borrows, "sends": sends})(Target("live"))
    with pytest.raises(InvalidInput, match="borrows must be"):
        inside.service.register_rotation_handler("app", handler)


async def written_by(inside: Inside, who: AccessContext, policy: RotationPolicy) -> Target:
    """A secret whose policy somebody wrote who held everything then, and holds nothing but `rotate` and `set` now."""
    target = Target("live")
    inside.service.register_rotation_handler("app", Noting(target))
    await grant(inside, who.user_id, "hook-key", "get")
    await grant(inside, who.user_id, "app", "get", "rotate", "set")
    await inside.service.update_secret("app", rotation_policy=policy, context=who)
    await inside.service.revoke_access("app", who.user_id)
    await grant(inside, who.user_id, "app", "rotate", "set")
    return target


BY_ITSELF = RotationPolicy(auto_rotate=True, options={"place": "somewhere"})


async def test_no_policy_outlives_the_rights_of_its_author(inside: Inside, database_url: str) -> None:
    target = await written_by(inside, MALLORY, BY_ITSELF)
    await make_due(database_url)
    (result,) = await inside.service.execute_scheduled_rotations()
    assert (result.success, "mallory" in str(result.error_message)) == (False, True)
    with pytest.raises(AccessDenied, match="has to be confirmed"):
        await inside.service.rotate_secret("app", context=MALLORY)
    with pytest.raises(AccessDenied, match="has to be confirmed"):
        await inside.service.rollback_secret("app", 1, context=MALLORY)
    assert target.calls == []


async def test_whoever_may_confirms_by_giving_the_same_again(inside: Inside, database_url: str) -> None:
    target = await written_by(inside, MALLORY, BY_ITSELF)
    await grant(inside, "trent", "app", "get", "rotate", "set")
    await inside.service.update_secret("app", rotation_policy=BY_ITSELF, context=TRENT)
    await make_due(database_url)
    (result,) = await inside.service.execute_scheduled_rotations()
    assert (result.success, target.accepted) == (True, ["live", "candidate-1"])


async def test_whoever_may_rotates_at_once_and_retires_nothing_by_that(inside: Inside, database_url: str) -> None:
    await written_by(inside, MALLORY, BY_ITSELF)
    assert (await inside.service.rotate_secret("app")).phase is Phase.CURRENT


async def test_a_run_of_before_retires_nothing_on_the_word_of_who_lost_the_rights(
    inside: Inside, database_url: str
) -> None:
    target = Target("live")
    inside.service.register_rotation_handler("app", Noting(target))
    await grant(inside, "mallory", "app", "get", "rotate", "set")
    await inside.service.update_secret("app", rotation_policy=BY_ITSELF, context=MALLORY)
    await make_due(database_url)
    await inside.service.execute_scheduled_rotations()
    await inside.service.revoke_access("app", "mallory")
    await let_pass(database_url)
    (result,) = await inside.service.execute_scheduled_rotations()
    assert "has to be confirmed" in str(result.error_message)
    assert target.accepted == ["live", "candidate-1"]


async def forget_authors(dsn: str, inside: Inside) -> None:
    """As it was stored before authors were kept."""
    head = await inside.parts.ledger.head(SecretName("app"))
    assert head is not None
    plain = replace(head, settings=structs.replace(head.settings, rotation_author=None))
    await execute(
        dsn,
        "UPDATE secrets_vault SET metadata = metadata - 'rotation_author', "
        f"attestation = '{inside.parts.sealer.attest(plain.facts())}' WHERE secret_name = 'app'",
    )


async def test_policies_of_before_go_on_where_no_option_says_where_to(inside: Inside, database_url: str) -> None:
    service = inside.service
    await service.update_secret("app", rotation_policy=structs.replace(RANDOM, auto_rotate=True))
    await forget_authors(database_url, inside)
    await make_due(database_url)
    (result,) = await service.execute_scheduled_rotations()
    assert result.success
    await service.update_secret("app", rotation_policy=structs.replace(OPEN, auto_rotate=True))
    await forget_authors(database_url, inside)
    await make_due(database_url)
    (result,) = await service.execute_scheduled_rotations()
    assert "nobody knows who wrote it" in str(result.error_message)


async def test_an_edited_author_is_an_integrity_failure(inside: Inside, database_url: str) -> None:
    await written_by(inside, MALLORY, BY_ITSELF)
    await execute(
        database_url,
        """UPDATE secrets_vault SET metadata = jsonb_set(metadata, '{rotation_author}',
           '{"id": "system", "groups": [], "system": true}') WHERE secret_name = 'app'""",
    )
    await make_due(database_url)
    (result,) = await inside.service.execute_scheduled_rotations()
    assert not result.success


async def test_the_doctor_names_policies_that_have_to_be_confirmed(inside: Inside, database_url: str) -> None:
    await written_by(inside, MALLORY, BY_ITSELF)

    async def told() -> list[str]:
        found = (await inside.service.doctor.diagnose()).findings
        return [each.found for each in found if each.check == "rotation" and each.level is Level.WARNING]

    assert await told() == ["The rotation policy of 'app' has to be confirmed: its author 'mallory' may not get 'app'."]
    await inside.service.update_secret("app", rotation_policy=BY_ITSELF)
    assert await told() == []
