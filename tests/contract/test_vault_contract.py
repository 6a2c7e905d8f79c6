"""One contract, every vault."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from holdfast.ports import Vault
from holdfast.testing import VAULT_CONTRACT, check_vault
from tests.support.memory_vault import MemoryVault
from tests.support.scripted_vault import ScriptedVault

LIMBO_S = 0.1


@pytest.fixture(scope="module")
async def scripted() -> AsyncIterator[ScriptedVault]:
    async with ScriptedVault() as vault:
        yield vault


@pytest.fixture(params=["memory", "keyvault", "memory-limbo", "keyvault-limbo"])
async def vault(request: pytest.FixtureRequest, scripted: ScriptedVault) -> AsyncIterator[Vault]:
    kind, _, limbo = request.param.partition("-")
    settle_s = LIMBO_S if limbo else 0.0
    scripted.reset()
    scripted.model.settle_s = settle_s
    made = MemoryVault(settle_s=settle_s) if kind == "memory" else scripted.connect()
    yield made
    await made.aclose()


@pytest.mark.parametrize("check", VAULT_CONTRACT, ids=lambda check: check.__name__)
async def test_contract(check: Callable[[Vault], Awaitable[None]], vault: Vault) -> None:
    await check(vault)


async def test_check_vault_runs_everything_and_closes() -> None:
    closed = []

    class Closing(MemoryVault):
        async def aclose(self) -> None:
            closed.append(True)

    async def make() -> Vault:
        return Closing()

    await check_vault(make)
    assert closed == [True]


async def test_check_vault_finds_a_broken_vault() -> None:
    class Forgetful(MemoryVault):
        async def is_deleted(self, name: str) -> bool:
            return True

    async def make() -> Vault:
        return Forgetful()

    with pytest.raises(AssertionError, match="not deleted"):
        await check_vault(make)
