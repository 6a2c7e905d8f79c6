"""``make overload``: what Key Vault is asked in stampedes, storms and after outages, with a verdict on each."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import msgspec

from tests.proof.history.__main__ import postgres
from tests.proof.history.verdicts import FOLDER, commit_of
from tests.proof.overload.queueing import Queued, in_a_day, in_real_time
from tests.proof.overload.stampedes import stampede
from tests.proof.overload.storms import BEGINS_S, ENDS_S, Storm, storm
from tests.proof.overload.weather import WeatherVault
from tests.support.folders import short_folder
from tests.support.postgres import fresh_database
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import make_world

PARTS: Final = ("storms", "stampede", "queue", "day")
SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
CLIENTS: Final = (5, 20, 100, 300)
MOST: Final = 1.2
"""Calls for each one that the same load needs in health."""

READERS, NODES = 1000, 3
_FROM_S: Final = BEGINS_S + 10.0
"""When the attempts have timed out that were under way as a vault began to hang."""


class Figure(msgspec.Struct, kw_only=True):
    """Something that was counted, and whether that is within its bound."""

    what: str
    well: bool
    found: dict[str, Any]
    commit: str = ""


def storms() -> Iterator[Figure]:
    """Failing, throttling and hanging vaults, in virtual time."""
    for clients in CLIENTS:
        for share in SHARES:
            seen = storm(clients, 1, partial(_fails, share))
            ratio = round(seen.ratio(), 3)
            what = f"{clients} clients, {share:.0%} of calls fail"
            yield Figure(what=what, well=ratio <= MOST, found={"ratio": ratio, "recovered_s": _recovered(seen)})

    def throttles(vault: WeatherVault) -> None:
        vault.retry_after_s = 5.0

    def hangs(vault: WeatherVault) -> None:
        vault.hanging = True

    seen = storm(300, 1, throttles)
    ratio = round(seen.ratio(), 3)
    found = {"ratio": ratio, "recovered_s": _recovered(seen)}
    yield Figure(what="300 clients, 429 with Retry-After: 5 for 30 s", well=ratio <= 0.1, found=found)
    seen = storm(300, 1, hangs)
    probes = seen.vault.calls_in(_FROM_S, ENDS_S)
    found = {"probes": probes, "recovered_s": _recovered(seen)}
    yield Figure(what="300 clients, every call hangs for 30 s", well=probes <= 5, found=found)


def _fails(share: float, vault: WeatherVault) -> None:
    vault.failing_share = share


def _recovered(seen: Storm) -> float:
    return round(seen.recovered_s(), 1)


@asynccontextmanager
async def _database() -> Any:
    async with postgres() as server, fresh_database(server.dsn) as dsn:
        yield dsn


async def _stampede() -> Figure:
    async with _database() as dsn, ScriptedVault() as vault:
        with short_folder() as folder:
            calls = await stampede(dsn, folder, vault, nodes=NODES, readers=READERS)
    what = f"{READERS} readers of one cold name at each of {NODES} nodes"
    return Figure(what=what, well=calls["get"] <= NODES, found=dict(calls))


async def _queue(writes: int, secrets: int) -> Figure:
    async with _database() as dsn:
        with short_folder() as folder:
            seen = await in_real_time(dsn, folder, writes, secrets)
    return _figure(f"{writes:,} writes of {secrets:,} secrets, in real time", seen, 0)


async def _day(writes: int, secrets: int) -> Figure:
    async with _database() as dsn, make_world(dsn) as world:
        seen = await in_a_day(world, writes, secrets)
    return _figure(f"{writes:,} writes of {secrets:,} secrets, a day of virtual time", seen, 24 * 60 + 10)


def _figure(what: str, seen: Queued, most_in_outage: int) -> Figure:
    little = seen.calls <= MOST * 2 * seen.writes and seen.calls_in_outage <= most_in_outage
    return Figure(what=what, well=seen.well and little, found=msgspec.to_builtins(seen))


def main(parts: list[str], writes: int, day: int, secrets: int) -> bool:
    """Measure, tell, and keep what was told; returns whether all is well."""
    figures: list[Figure] = []
    found: dict[str, Callable[[], Iterable[Figure]]] = {
        "storms": storms,
        "stampede": lambda: [asyncio.run(_stampede())],
        "queue": lambda: [asyncio.run(_queue(writes, secrets))],
        "day": lambda: [asyncio.run(_day(day, secrets))],
    }
    FOLDER.mkdir(exist_ok=True)
    for part in parts or PARTS:
        for figure in found[part]():
            figure.commit = commit_of()
            figures.append(figure)
            with (FOLDER / "overload.jsonl").open("ab") as file:
                file.write(msgspec.json.encode(figure) + b"\n")
            print(f"{'holds' if figure.well else 'FAILS'}: {figure.what}: {figure.found}", flush=True)
    return all(figure.well for figure in figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make overload", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--writes", type=int, default=20_000)
    parser.add_argument("--day", type=int, default=50_000)
    parser.add_argument("--secrets", type=int, default=2_000)
    asked = parser.parse_args()
    sys.exit(not main(asked.parts, asked.writes, asked.day, asked.secrets))
