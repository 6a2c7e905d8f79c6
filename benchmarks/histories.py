"""The first read of a secret with a long history, beside one bare call."""

import time

from azure.keyvault.secrets.aio import SecretClient

from benchmarks.measuring import check
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault, make_vault, serving
from benchmarks.work import value_of
from holdfast import create_secrets_service


async def measure(run: Run, _vault: Vault, _server: Server) -> None:
    """Read secrets that nothing here knows, one after the other, counting only what their readers wait for."""
    secrets, versions = run.size.histories
    run.told(f"filling a vault with {secrets} secrets of {versions:,} versions")
    names = [f"long-{number}" for number in range(secrets)]
    vault = await make_vault(run.stage, "vault-histories", {name: value_of("version 1") for name in names})
    async with create_secrets_service(run.stage.alone(vault.dsn), background=False) as service:
        for number in range(2, versions + 1):
            for name in names:
                await service.set_secret(name, value_of(f"version {number}"))
    newest = value_of(f"version {versions}")
    async with serving(vault) as server, vault.sdk(server) as (client, _):
        ours = _FirstReads(run, vault, server, names, newest)
        await run.compare(
            {
                f"first read of a secret of {versions:,} versions": ours.once,
                "Azure SDK reading the same": lambda: _bare(client, names, newest),
            }
        )


class _FirstReads:
    """First reads, each time from a new database."""

    def __init__(self, run: Run, vault: Vault, server: Server, names: list[str], newest: str) -> None:
        self._run, self._vault, self._server, self._names, self._newest = run, vault, server, names, newest
        self._times = 0

    async def once(self) -> float:
        """Read all once, and return the rate."""
        self._times += 1
        dsn, waited_s = await self._run.stage.database(f"histories-{self._times}"), 0.0
        async with create_secrets_service(self._vault.front(self._server, dsn), background=False) as service:
            await service.get_secret(self._names[0])  # which fetches the token
            for name in self._names[1:]:
                began = time.perf_counter()
                secret = await service.get_secret(name)
                waited_s += time.perf_counter() - began
                check(secret.value == self._newest, "a first read gave another value")
                await service.list_secret_versions(name)  # so that nothing goes on behind the next one
        return (len(self._names) - 1) / waited_s


async def _bare(client: SecretClient, names: list[str], newest: str) -> float:
    began = time.perf_counter()
    for name in names[1:]:
        check((await client.get_secret(name)).value == newest, "the SDK read another value")
    return (len(names) - 1) / (time.perf_counter() - began)
