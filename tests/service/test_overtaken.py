"""Acting on what was seen before a transaction, when others have changed it in between."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from holdfast.domain.names import SecretName
from holdfast.domain.policy import Permission
from holdfast.errors import Conflict, SecretNotFound
from tests.support.node import Inside, rows
from tests.support.world import SECRET, SYSTEM, World


class Overtaken:
    """A ledger whose callers are overtaken: right after ``call`` has answered for the last of so many ``times``,
    ``meanwhile`` happens, once."""

    def __init__(self, ledger: Any, call: str, meanwhile: Callable[[], Awaitable[object]], *, times: int) -> None:
        self._ledger, self._call, self._meanwhile, self._times = ledger, call, meanwhile, times

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._ledger, name)
        if name != self._call:
            return method

        async def overtaken(*arguments: Any) -> Any:
            answer = await method(*arguments)
            self._times -= 1
            if self._times == 0:
                self._call = ""
                await self._meanwhile()
            return answer

        return overtaken


async def test_i5_a_rollback_does_not_bring_purged_bytes_into_the_next_life_of_the_name(
    inside: Inside, database_url: str
) -> None:
    service = inside.service
    await service.set_secret("k", "of the first life")

    async def begin_another_life() -> None:
        await service.delete_secret("k")
        await service.purge_secret("k")
        await service.set_secret("k", "of the second life")

    inside.parts.writer._ledger = Overtaken(inside.parts.ledger, "version", begin_another_life, times=2)
    with pytest.raises(SecretNotFound):
        await service.rollback_secret("k", 1)
    assert (await service.get_secret("k")).value == "of the second life"
    assert await rows(database_url, "SELECT version FROM secret_versions") == []


async def test_a_retention_time_that_began_anew_is_not_over(inside: Inside, database_url: str) -> None:
    service, parts = inside.service, inside.parts
    await service.set_secret("k", "v")
    await service.delete_secret("k")
    name = SecretName("k")
    with pytest.raises(Conflict, match="not overdue any more"):
        async with parts.guard.operation(SYSTEM, Permission.PURGE, name, "purge") as authorized:
            await parts.writer.purge(authorized, retention_over=True)
    assert await rows(database_url, "SELECT state FROM secrets_vault") == [("deleted",)]
    assert (await service.recover_secret("k")).version == 1


async def test_i2_an_intent_whose_version_is_gone_is_parked_and_not_taken_for_settled(world: World) -> None:
    world.vault.down = True
    await world.set("one")
    await world.set("two")
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM secret_versions")
    await world.settle()
    assert [row[:2] for row in await world.pending()] == [("set", "parked"), ("set", "open")]
    assert world.vault_values(SECRET) == []
