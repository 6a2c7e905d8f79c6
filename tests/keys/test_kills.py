"""Whoever rewraps may be killed at any moment, and there may be two of them: the next one goes on."""

import asyncio
import random
from pathlib import Path

from tests.keys.killed import begin
from tests.keys.support import BOTH, NEW, NEW_ID, OLD_ID, node
from tests.support.node import rows, settings_for

KILLS = 5
SECRETS = 100
UNDER_OLD = "SELECT count(*) FROM secrets_vault WHERE key_id = $1"


async def test_i16_a_rewrap_that_is_killed_again_and_again_ends_complete(database_url: str, tmp_path: Path) -> None:
    async with node(database_url, tmp_path) as service:
        await asyncio.gather(*(service.set_secret(f"k{number}", "v") for number in range(SECRETS)))
        await service.keys.activate(NEW_ID)
        settings, seed = settings_for(database_url, tmp_path, **BOTH), random.randrange(2**32)
        dice, left = random.Random(seed), [SECRETS]
        for _ in range(KILLS):
            process, said = begin(settings)
            assert await asyncio.to_thread(said.recv) == "begun"
            await asyncio.sleep(dice.uniform(0, 0.1))
            process.kill()
            await asyncio.to_thread(process.join)
            left += [count for (count,) in await rows(database_url, UNDER_OLD, OLD_ID)]
        assert left == sorted(left, reverse=True), f"nothing is undone (seed {seed})"
        assert left[-1] < left[0], f"what was done counts (seed {seed})"
        both = [begin(settings) for _ in range(2)]
        for process, said in both:
            assert [await asyncio.to_thread(said.recv) for _ in range(2)] == ["begun", "done"]
            await asyncio.to_thread(process.join)
        await service.keys.retire(OLD_ID)
    async with node(database_url, tmp_path, encryption_key=NEW, decryption_keys=()) as service:
        assert {(await service.get_secret(f"k{number}")).value for number in range(SECRETS)} == {"v"}
