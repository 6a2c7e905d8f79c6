"""A vault as others fill it: most of it is well, some of it odd, some of it not for us."""

import asyncio
import random
import secrets
from pathlib import Path
from typing import Final

import pytest

from holdfast.domain.secret import Attributes
from holdfast.service.installation.reports import HealthReport
from tests.support.node import Inside, opened, rows, within
from tests.support.oddities import KINDS, forbidden
from tests.support.scripted_vault import ScriptedVault

SECRETS: Final = 1_000
ODD: Final = 20
FORBIDDEN: Final = 10
WRITTEN: Final = 50
"""How many of the good ones are written to in the outage."""


class Filled:
    """A vault of ``SECRETS``; which of them are odd or forbidden, and how, comes from the seed."""

    def __init__(self, vault: ScriptedVault, seed: int) -> None:
        draw = random.Random(seed)
        names = [f"s-{number:04}" for number in range(SECRETS)]
        for name in names:
            vault.model.set(name, f"value of {name}", Attributes())
        chosen = draw.sample(names, ODD + FORBIDDEN)
        kinds = draw.sample(sorted(KINDS), ODD)
        self.odd = dict(zip(chosen, kinds, strict=False))
        self.forbidden = chosen[ODD:]
        vault.oddities |= {name: KINDS[kind](draw) for name, kind in self.odd.items()}
        vault.oddities |= {name: forbidden(draw) for name in self.forbidden}
        self.good = sorted(set(names) - set(chosen))
        self.bad = {"nameless entry 1" if self.odd.get(name) == "no id" else name for name in chosen}
        """As they are named: an entry without an id has no name."""


async def wait_until_written(node: Inside, vault: ScriptedVault, names: list[str], dsn: str) -> None:
    """Replay until these secrets have their new value in the vault; a breaker may have to probe first."""
    assert node.parts.replica is not None
    replicator = node.parts.replica.replicator

    async def written() -> bool:
        await rows(dsn, "UPDATE secret_intents SET next_attempt_at = now() WHERE state = 'open'")
        await replicator.drain()
        await asyncio.sleep(0.1)
        return all(vault.model.history(name)[-1].value == "new" for name in names)

    await within(120, written)


def named(report: HealthReport) -> dict[str, str]:
    return {kept.name: f"{kept.reason}: {kept.detail}" for kept in report.kept_out_names}


@pytest.mark.parametrize("seed", [secrets.randbits(32)], ids=["fresh"])
async def test_i11_one_pass_mirrors_all_but_the_odd_ones_and_names_those(
    database_url: str, tmp_path: Path, scripted: ScriptedVault, seed: int
) -> None:
    print(f"seed: {seed}")
    vault = Filled(scripted, seed)
    async with opened(database_url, tmp_path, scripted) as node:
        report = await node.service.sync()
        health = await node.service.get_secret_health()
        assert set(named(health)) == vault.bad, f"odd: {vault.odd}; named: {named(health)}"
        assert (report.adopted, report.failed, report.incomplete) == (len(vault.good), ODD + FORBIDDEN, None)
        assert not health.healthy
        assert all(backend.healthy for backend in health.backends), "no breaker opened"
        async with scripted.refusing():
            for name in vault.good:
                assert (await node.service.get_secret(name)).value == f"value of {name}"
            for name in [*vault.good[:WRITTEN], *vault.odd, *vault.forbidden]:
                await node.service.set_secret(name, "new")
        await wait_until_written(node, scripted, vault.good[:WRITTEN], database_url)
