"""Mirroring a whole vault: how fast beside the bare SDK, and in how much memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks import processes
from benchmarks.measuring import check
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault, make_vault, serving
from benchmarks.work import value_of
from holdfast import create_secrets_service


async def measure(run: Run, _vault: Vault, _server: Server) -> None:
    """Mirror a small vault again and again beside the SDK getting the same, then a large one once."""
    small, large = run.size.synced
    run.told(f"filling vaults with {small:,} and {large:,} secrets")
    async with _bulk(run, small) as little, _bulk(run, large) as much:
        ours = _Mirroring(run, little)
        await run.compare(
            {
                f"mirroring {small:,} secrets, 8 at a time": ours.once,
                "Azure SDK listing and getting the same": lambda: _listed(little),
            }
        )
        run.told(f"mirroring {large:,} secrets")
        theirs = _Mirroring(run, much)
        await theirs.once()
    run.notes.append(_memory((small, ours.grown), (large, theirs.grown)))


_Bulk = tuple[Vault, Server]


@asynccontextmanager
async def _bulk(run: Run, size: int) -> AsyncIterator[_Bulk]:
    values = {f"bulk-{number:05}": value_of(f"value {number}") for number in range(size)}
    vault = await make_vault(run.stage, f"vault-{size}", values)
    async with serving(vault) as server:
        yield vault, server


class _Mirroring:
    """Mirrors a vault, each time into a new database. ``grown``: bytes by which memory grew at most, the last time."""

    def __init__(self, run: Run, bulk: _Bulk) -> None:
        self._run, (self._vault, self._server) = run, bulk
        self._times = self.grown = 0

    async def once(self) -> float:
        """Mirror, look into the mirror, and return the rate."""
        self._times += 1
        dsn, size = (
            await self._run.stage.database(f"{urlsplit(self._vault.dsn).path[1:]}-{self._times}"),
            len(self._vault.values),
        )
        done = await processes.result_of("mirror", self._vault.front_environ(self._server, dsn))
        check(done["secrets"] == size, f"{done['secrets']} of {size} secrets were mirrored")
        await _check_mirror(self._vault, dsn)
        self.grown = done["grown_kb"] * 1024
        return _rate(done)


async def _listed(bulk: _Bulk) -> float:
    vault, server = bulk
    done = await processes.result_of("get", vault.front_environ(server, vault.dsn))
    size = len(vault.values)
    check(done["secrets"] == size, f"the SDK got {done['secrets']} of {size} secrets")
    return _rate(done)


def _memory(one: tuple[int, int], other: tuple[int, int]) -> str:
    (small, little), (large, much) = one, other
    return (
        f"Mirroring {large:,} secrets grows memory by {much / 2**20:.1f} MiB at most, {much / little:.2f} times what "
        f"{small:,} do: {(much - little) / (large - small):,.0f} bytes for each secret more."
    )


def _rate(done: dict[str, Any]) -> float:
    return float(done["secrets"] / done["seconds"])


async def _check_mirror(vault: Vault, dsn: str) -> None:
    names = list(vault.values)
    async with create_secrets_service(vault.stage.alone(dsn), background=False) as service:
        for name in names[:: max(1, len(names) // 100)]:
            check((await service.get_secret(name)).value == vault.values[name], "the mirror holds another value")
