"""The commit that notes Key Vault's answer is not confirmed: the caller is told what became of the change (I2, I4)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from holdfast.errors import OutcomeUnknown, VaultRefusal
from tests.service.test_proposals import keyed
from tests.support.world import SECRET, World

POLICY = VaultRefusal("A policy refuses it.", status=403, vault_code="ForbiddenByPolicy")


class Unheard:
    """A ledger that commits and is lost before it can say so, once."""

    def __init__(self, ledger: Any) -> None:
        self._ledger, self._lost = ledger, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        async with self._ledger.transaction() as tx:
            yield tx
        if not self._lost:
            self._lost = True
            raise OutcomeUnknown("PostgreSQL was lost")


async def test_i2_a_refusal_is_told_though_its_commit_was_not_confirmed(world: World) -> None:
    world.proposals._ledger = Unheard(world.ledger)
    world.vault.fail("set", POLICY)
    with pytest.raises(VaultRefusal):
        await world.set("refused")
    assert await world.ledger.head(SECRET) is None
    assert await world.pending() == []


async def test_i4_a_success_is_told_with_key_vaults_id_though_its_commit_was_not_confirmed(world: World) -> None:
    world.proposals._ledger = Unheard(world.ledger)
    made = await keyed(world, "one", "key")
    assert (made.replicated, made.version_id) == (True, world.vault.model.history(SECRET)[0].id)
    again = await keyed(world, "one", "key")
    assert (again.version, again.version_id) == (made.version, made.version_id)
    assert (await world.values(), world.vault_values()) == (["one"], ["one"])
    assert await world.audited("set") == 1
