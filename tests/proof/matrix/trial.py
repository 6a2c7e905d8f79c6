"""All cells of one fault, tried on real processes."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from tests.proof.history.installation import Installation, until_ready
from tests.proof.matrix.asking import Asker, Violation
from tests.proof.matrix.cells import Cell, Fault, Op, Outcome, Start, asked_of
from tests.proof.matrix.expecting import expected
from tests.proof.matrix.inflicting import inflicted, strike_soon
from tests.proof.matrix.settling import healed, on_record, settled, trail_of
from tests.support.https import Client

COMES_UP_S: Final = 60.0
"""Seconds for a node that was started under a fault to serve, or to answer that it does not yet."""


OLD_S: Final = 1.2
"""Seconds after which no cache may answer unasked; the TTL is one second here."""


@dataclass
class Tried:
    """What came of a fault's cells. ``violations``: in words, about a cell or about the whole."""

    fault: Fault
    outcomes: dict[Start, dict[Op, Outcome]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    healed_s: float = 0.0


async def tried(made: Installation, fault: Fault) -> Tried:
    """Let it go wrong, ask a node that ran before and one that starts meanwhile for everything, and look afterwards."""
    found = Tried(fault)
    askers = [Asker(made, fault, start, node) for node, start in enumerate(Start)]
    await asyncio.gather(*(asker.prepare() for asker in askers))
    await asyncio.sleep(OLD_S)
    async with inflicted(made, fault) as strike:
        for asker in askers:
            if asker.start is Start.COLD:
                await _start_again(made, fault, asker.node)
            asking = asyncio.gather(*(_asked(found, asker, op) for op in asked_of(asker.start)))
            await strike_soon(strike)
            found.outcomes[asker.start] = {op: outcome for op, outcome in await asking if outcome is not None}
    began = time.monotonic()
    found.violations += [f"not healed: {left}" for left in await healed(made)]
    found.healed_s = time.monotonic() - began
    await asyncio.gather(*(_settle(found, asker) for asker in askers))
    found.violations += [f"the trail: {problem}" for problem in await trail_of(made)]
    found.slowest_s = max(asker.slowest_s for asker in askers)
    return found


async def _asked(found: Tried, asker: Asker, op: Op) -> tuple[Op, Outcome | None]:
    try:
        return op, await asker.ask(op)
    except (Violation, OSError, EOFError, TimeoutError) as violation:
        found.violations.append(f"{asker.start}: {op}: {violation!r}")
        return op, None


async def _settle(found: Tried, asker: Asker) -> None:
    for op, outcome in found.outcomes[asker.start].items():
        try:
            await settled(asker, op, outcome)
        except (Violation, OSError, EOFError, TimeoutError) as violation:
            found.violations.append(f"{asker.start}: {op}, {outcome}: afterwards {violation!r}")
    found.violations += [f"{asker.start}: {each}" for each in await on_record(asker.made, asker.acknowledged)]


async def _start_again(made: Installation, fault: Fault, number: int) -> None:
    """Start a node while something is wrong: until it serves, or says that it waits, where that is expected."""
    node = made.nodes[number]
    await node.end()
    await node.start()
    if expected(Cell(fault, Start.COLD, Op.FIRST_READ)) - {Outcome.REFUSED}:
        await until_ready(node, COMES_UP_S)
        return
    async with asyncio.timeout(COMES_UP_S):
        while not await _lives(Client(node.port, node.ca_file)):
            await asyncio.sleep(0.2)


async def _lives(client: Client) -> bool:
    try:
        return (await client.request("GET", "/healthz")).status == 200
    except (OSError, EOFError, TimeoutError):
        return False
