"""Writes that queue up while Key Vault is away, and the drain when it is back: in real time, or a day in a moment."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.domain.names import SecretName
from holdfast.errors import BackendUnavailable
from holdfast.resilience.quota import WINDOW_S
from tests.support.node import Inside, opened, rows
from tests.support.scripted_vault import ScriptedVault
from tests.support.world import World

WRITERS: Final = 16
SAMPLES: Final = 10
DAY_S: Final = 86_400.0
_LOOKS: Final = 288
"""How often the replay looks for Key Vault within the day."""

_PAGE_MIB: Final = 4096 / 2**20


class Queued(msgspec.Struct, kw_only=True):
    """What was seen. ``rss_mib``: by how many writes waited. ``busiest``: changes sent in the busiest ten seconds.

    ``refused``: writes that PostgreSQL was too busy for, and that were asked for again.
    """

    writes: int
    secrets: int
    rss_mib: dict[int, float] = {}
    calls_in_outage: int = 0
    calls: int = 0
    creates: int = 0
    busiest: int = 0
    refused: int = 0
    queued_s: float = 0.0
    drained_s: float = 0.0
    out_of_order: tuple[str, ...] = ()
    left: int = 0

    @property
    def well(self) -> bool:
        """Whether all of it arrived, in order, each once."""
        return not self.out_of_order and not self.left and self.creates == self.writes


class TimedVault(ScriptedVault):
    """Notes when each version was made."""

    def __init__(self) -> None:
        super().__init__()
        self.made_at: list[float] = []

    async def _answer(self, request: Any, operation: str, run: Callable[[], Any]) -> Any:
        if operation == "set":
            self.made_at.append(time.monotonic())
        return await super()._answer(request, operation, run)


def busiest(moments: list[float], window_s: float = WINDOW_S) -> int:
    """The most that fell within a window."""
    most = first = 0
    for place, at in enumerate(moments):
        while moments[first] <= at - window_s:
            first += 1
        most = max(most, place - first + 1)
    return most


def rss_mib() -> float:
    """What this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_MIB


async def in_real_time(dsn: str, folder: Path, writes: int, secrets: int) -> Queued:
    """Queue writes at a real node while its vault refuses connections, open it, and wait for the last one."""
    seen = Queued(writes=writes, secrets=secrets)
    async with TimedVault() as vault, opened(dsn, folder, vault) as node:
        async with vault.refusing():
            vault.calls.clear()
            began = time.monotonic()
            await _queue(node, seen)
            seen.queued_s = time.monotonic() - began
            seen.calls_in_outage = vault.calls.total()
        began = time.monotonic()
        async with _replaying(node):
            while await _open(dsn):
                await asyncio.sleep(0.5)
        seen.drained_s = time.monotonic() - began
        seen.calls, seen.creates = vault.calls.total(), vault.calls["set"]
        seen.busiest, seen.left = busiest(vault.made_at), await _open(dsn)
        seen.out_of_order = _out_of_order(seen, lambda name: [each.value for each in vault.model.history(name)])
    return seen


async def _queue(node: Inside, seen: Queued) -> None:
    done, every = 0, max(1, seen.writes // SAMPLES)
    seen.rss_mib[0] = rss_mib()

    async def write(writer: int) -> None:
        nonlocal done
        for version in range(seen.writes // seen.secrets):
            for number in range(writer, seen.secrets, WRITERS):
                await _written(node, _name(number), str(version), seen)
                done += 1
                if done % every == 0:
                    seen.rss_mib[done] = rss_mib()

    await asyncio.gather(*map(write, range(WRITERS)))


async def _written(node: Inside, name: str, value: str, seen: Queued) -> None:
    """Write until it is acknowledged, as a client does whom a busy PostgreSQL refuses."""
    while True:
        try:
            made = await node.service.set_secret(name, value, idempotency_key=f"{name}.{value}")
        except BackendUnavailable:
            seen.refused += 1
            await asyncio.sleep(0.1)
        else:
            assert not made.replicated
            return


@asynccontextmanager
async def _replaying(node: Inside) -> AsyncIterator[None]:
    assert node.parts.replica is not None
    replay = asyncio.create_task(node.parts.replica.replicator.run())
    try:
        yield
    finally:
        replay.cancel()
        await asyncio.wait({replay})


async def in_a_day(world: World, writes: int, secrets: int) -> Queued:
    """Queue writes over a day of virtual time, with the replay looking now and then; then let Key Vault be back."""
    seen = Queued(writes=writes, secrets=secrets)
    began, begins = time.monotonic(), world.clock.monotonic()
    world.vault.down = True
    seen.rss_mib[0] = rss_mib()
    for done in range(1, writes + 1):
        at = begins + DAY_S * done / writes
        world.clock.move(max(0.0, at - world.clock.monotonic()))
        await world.set(str((done - 1) // secrets), name=SecretName(_name((done - 1) % secrets)))
        if done % max(1, writes // _LOOKS) == 0:
            await world.replicator.drain()
        if done % max(1, writes // SAMPLES) == 0:
            seen.rss_mib[done] = rss_mib()
    seen.queued_s, seen.calls_in_outage = time.monotonic() - began, world.vault.calls.total()
    world.vault.down = False
    world.vault.calls.clear()
    began_at = world.clock.monotonic()
    while seen.left != (left := await _open_in(world)) or not seen.left:
        seen.left = left
        if not left:
            break
        await world.replay()
    seen.drained_s = world.clock.monotonic() - began_at
    seen.calls, seen.creates = world.vault.calls.total(), world.vault.calls["set"]
    seen.out_of_order = _out_of_order(seen, lambda name: world.vault_values(SecretName(name)))
    return seen


def _out_of_order(seen: Queued, values: Callable[[str], list[str]]) -> tuple[str, ...]:
    wanted = [str(version) for version in range(seen.writes // seen.secrets)]
    return tuple(name for name in map(_name, range(seen.secrets)) if values(name) != wanted)


async def _open(dsn: str) -> int:
    ((count,),) = await rows(dsn, "SELECT count(*) FROM secret_intents WHERE state IN ('open', 'parked')")
    return int(count)


async def _open_in(world: World) -> int:
    async with world.database.connection() as connection:
        query = "SELECT count(*) FROM secret_intents WHERE state IN ('open', 'parked')"
        return int(await connection.fetchval(query))


def _name(number: int) -> str:
    return f"name-{number:05}"
