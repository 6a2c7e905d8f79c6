"""Short forms of what ``make overload`` measures."""

from pathlib import Path

from tests.proof.overload.queueing import busiest, in_a_day, in_real_time
from tests.proof.overload.stampedes import stampede
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import make_world


async def test_i12_a_crowd_costs_key_vault_one_call_per_node(database_url: str, tmp_path: Path) -> None:
    async with ScriptedVault() as vault:
        calls = await stampede(database_url, tmp_path, vault, nodes=2, readers=100)
    assert calls["get"] <= 2


async def test_i2_i12_what_was_queued_arrives_in_order_and_costs_what_it_would_in_health(
    database_url: str, tmp_path: Path
) -> None:
    seen = await in_real_time(database_url, tmp_path, writes=60, secrets=12)
    assert seen.well
    assert seen.calls_in_outage == 0  # it refused connections
    assert seen.calls <= 1.2 * 2 * seen.writes  # a look and a change each
    assert seen.busiest <= 210


async def test_i2_i12_a_day_without_key_vault_is_made_up_for(database_url: str) -> None:
    async with make_world(database_url) as world:
        seen = await in_a_day(world, writes=60, secrets=12)
    assert seen.well
    assert seen.calls_in_outage <= 24 * 60 + 10, "a probe a minute"
    assert seen.calls <= 1.2 * 2 * seen.writes


def test_the_busiest_window_is_found() -> None:
    assert busiest([]) == 0
    assert busiest([0.0, 1.0, 2.0, 10.5, 11.5], 10.0) == 3
