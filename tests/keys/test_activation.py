"""Which key seals is decided once, in the database, and every node follows within a second."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from holdfast.domain.keys import SEAL_ALARM, KeyState
from holdfast.errors import Conflict, InvalidInput, KeyUnavailable, StartupError
from tests.keys.support import NEW, NEW_ID, OLD_ID, key_of, node
from tests.support.node import audit, rows, within
from tests.support.postgres import execute
from tests.support.world import KEY


async def test_i16_every_node_seals_with_the_active_key_within_a_second(database_url: str, tmp_path: Path) -> None:
    async with (
        node(database_url, tmp_path / "1", background=True) as one,
        node(database_url, tmp_path / "2", background=True, encryption_key=NEW, decryption_keys=(KEY,)) as two,
    ):
        await two.set_secret("before", "v")
        assert await key_of(database_url, "before") == OLD_ID, "not the first of its own settings"
        report = await one.keys.activate(NEW_ID)
        assert [(key.key_id, key.state) for key in report.keys] == [
            (NEW_ID, KeyState.ACTIVE),
            (OLD_ID, KeyState.DRAINING),
        ]
        await one.set_secret("after", "v")
        assert await key_of(database_url, "after") == NEW_ID

        async def follows() -> bool:
            await two.set_secret("after-2", "v")
            return await key_of(database_url, "after-2") == NEW_ID

        await within(1.0, follows)
        assert (await two.get_secret("before")).value == "v"
    assert ("system", "keys.activate", True, None, None, None) in await audit(database_url, "*")


async def test_i16_a_key_that_a_node_lacks_is_not_activated(database_url: str, tmp_path: Path) -> None:
    async with (
        node(database_url, tmp_path / "1", background=True) as one,
        node(database_url, tmp_path / "2", background=True, decryption_keys=()),
    ):
        with pytest.raises(Conflict, match=r"do not hold it: \S+:\d+\. Give it"):
            await one.keys.activate(NEW_ID)
        report = await one.keys.status()
        assert [(key.key_id, key.state, len(key.missing_on)) for key in report.keys] == [
            (OLD_ID, KeyState.ACTIVE, 0),
            (NEW_ID, KeyState.PRESENT, 1),
        ]
        assert report.nodes == 2
    async with node(database_url, tmp_path / "1") as one:
        assert (await one.keys.activate(NEW_ID)).keys[0].key_id == NEW_ID, "the node without it is gone"


async def test_a_node_of_an_older_release_reports_no_keys_and_is_waited_for(database_url: str, tmp_path: Path) -> None:
    async with node(database_url, tmp_path) as one:
        older = "INSERT INTO nodes (id, name, release, schema_version, started_at) VALUES (gen_random_uuid(), %s)"
        await execute(database_url, older % "'db-1:4711', '0.0.9', 13, now()")
        with pytest.raises(Conflict, match="db-1:4711"):
            await one.keys.activate(NEW_ID)


async def test_a_node_without_the_active_key_is_not_ready_and_cannot_start(database_url: str, tmp_path: Path) -> None:
    """It was away from PostgreSQL for so long that nobody waited for it, or started at the very moment."""
    async with node(database_url, tmp_path / "1", background=True, decryption_keys=()) as lonely:
        lonely.check_ready()
        async with node(database_url, tmp_path / "2") as two:

            async def unheard_of() -> bool:
                await execute(database_url, "DELETE FROM nodes")
                with suppress(Conflict):
                    return (await two.keys.activate(NEW_ID)).keys[0].key_id == NEW_ID
                return False

            await within(5.0, unheard_of)

        async def knows() -> bool:
            try:
                lonely.check_ready()
            except KeyUnavailable as refusal:
                return NEW_ID in str(refusal)
            return False

        await within(1.5, knows)
    with pytest.raises(StartupError, match=NEW_ID):
        await node(database_url, tmp_path / "1", decryption_keys=()).initialize()


async def test_i16_a_key_is_followed_although_postgresqls_clock_was_set_back(database_url: str, tmp_path: Path) -> None:
    """A standby that takes over may be late. No node may go on with the former key for as long as it is."""
    async with node(database_url, tmp_path, background=True) as one:
        await execute(database_url, "UPDATE encryption_keys SET activated_at = activated_at + interval '1 hour'")
        await one.keys.activate(OLD_ID)
        await one.keys.activate(NEW_ID)
        await one.set_secret("after", "v")
        assert await key_of(database_url, "after") == NEW_ID


async def test_what_anybody_announces_on_the_channel_makes_no_key_seal(database_url: str, tmp_path: Path) -> None:
    """NOTIFY takes no privilege in PostgreSQL."""
    async with node(database_url, tmp_path, background=True) as one:
        for key_id in ("f" * 16, NEW_ID):
            await execute(database_url, f"NOTIFY holdfast, 'key:{2**62}:{key_id}'")
        await asyncio.sleep(1.2)  # two beats
        one.check_ready()
        await one.set_secret("after", "v")
        assert await key_of(database_url, "after") == OLD_ID
        await one.keys.activate(NEW_ID)
        await one.set_secret("activated", "v")
        assert await key_of(database_url, "activated") == NEW_ID


async def test_keys_are_named_by_their_ids_and_must_be_at_hand(database_url: str, tmp_path: Path) -> None:
    async with node(database_url, tmp_path) as one:
        with pytest.raises(Conflict, match="ffffffffffffffff is not active yet, for this very node"):
            await one.keys.activate("f" * 16)
        with pytest.raises(InvalidInput, match="never the key itself") as refusal:
            await one.keys.activate(NEW)
        assert NEW not in str(refusal.value)


async def test_i16_what_a_key_sealed_is_counted_and_the_limit_comes_with_an_alarm(
    database_url: str, tmp_path: Path
) -> None:
    async with node(database_url, tmp_path, background=True) as one:
        for number in range(3):
            await one.set_secret(f"k{number}", "v")
        await one.aclose()
        ((counted,),) = await rows(database_url, "SELECT sealed FROM encryption_keys")
        assert counted >= 3
        await execute(database_url, f"UPDATE encryption_keys SET sealed = {SEAL_ALARM}")
    async with node(database_url, tmp_path) as two:
        (advice,) = (await two.keys.status()).recommendations
        assert "activate a new one" in advice
