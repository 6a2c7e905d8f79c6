"""A crowd that asks for one secret that no memory holds."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

from tests.support.node import opened
from tests.support.scripted_vault import ScriptedVault


async def stampede(dsn: str, folder: Path, vault: ScriptedVault, *, nodes: int, readers: int) -> Counter[str]:
    """So many readers at each node ask for the same cold name at the same time; returns what Key Vault was asked."""
    async with AsyncExitStack() as stack:
        made = [await stack.enter_async_context(opened(dsn, folder / str(each), vault)) for each in range(nodes)]
        await made[0].service.set_secret("hot", "v")
        await asyncio.gather(*(node.service.invalidate_cache() for node in made))
        vault.calls.clear()
        services = [node.service for node in made] * readers
        values = Counter(each.value for each in await asyncio.gather(*(each.get_secret("hot") for each in services)))
        assert values == {"v": nodes * readers}
        return Counter(vault.calls)
