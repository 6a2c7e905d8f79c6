"""The same vault there and gone."""

import asyncio
from datetime import timedelta

from azure.keyvault.secrets.aio import SecretClient

from benchmarks.measuring import check, rate
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Vault, fronted, serving
from benchmarks.work import Reads, Sdk, Writes, context_of
from holdfast import SecretsService, Source

READERS = 8


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare reads past the cache and writes: with Key Vault, without it, and by Azure's own client."""
    size, values = run.size, vault.values
    healthy_dsn, outage_dsn = await run.stage.database("healthy"), await run.stage.database("outage")
    people = [context_of("reader"), context_of("writer")]
    never = timedelta()  # is how long an answer counts as fresh, so that none comes from memory
    async with (
        vault.sdk(server) as (client, _),
        serving(vault) as victim,
        fronted(vault.front(server, healthy_dsn, cache_ttl=never), people) as healthy,
        fronted(vault.front(victim, outage_dsn, cache_ttl=never), people) as outage,
    ):
        await victim.kill()
        asking = Reads(healthy, "reader", values, Source.KEYVAULT)
        mirror = Reads(outage, "reader", values, Source.MIRROR)
        here, away = Writes(healthy, "writer"), Writes(outage, "writer")
        sdk = Sdk(client, values)
        await run.compare(
            {
                "read from the mirror, vault dead": mirror.rounds(READERS, size.vault_reads),
                "read from Key Vault": asking.rounds(READERS, size.vault_reads),
                "Azure SDK asking the vault": lambda: rate(READERS, size.vault_reads // READERS, sdk.one),
            },
            ("read from the mirror, vault dead", "read from Key Vault"),
            ("read from Key Vault", "Azure SDK asking the vault"),
        )
        await run.compare(
            {"write, vault dead": away.rounds(size.writes), "write, vault alive": here.rounds(size.writes)}
        )
        down = [each.name for each in outage.backends() if not each.healthy]
        check(down == ["keyvault"], f"of the backends, {down} count as down instead of Key Vault")
        for dsn, read, written in ((healthy_dsn, asking, here), (outage_dsn, mirror, away)):
            await run.check_record(dsn, "reader", "get", read.count)
            await run.check_record(dsn, "writer", "set", written.count)
        await _check_written(here, away, healthy, outage, client)


async def _check_written(
    here: Writes, away: Writes, healthy: SecretsService, outage: SecretsService, client: SecretClient
) -> None:
    late = here.count - here.replicated
    check(late <= here.count // 20, f"{late} of {here.count} writes were answered before Key Vault had them")
    check(away.replicated == 0, "a dead vault took a write")
    await _replayed(healthy)
    for name, value in here.last.items():
        check((await client.get_secret(name)).value == value, "the vault has another value than was written")
        check((await healthy.get_secret(name)).value == value, "another value is read than was written")
    for name, value in away.last.items():
        check((await outage.get_secret(name)).value == value, "another value is read than was written")
    waiting = await _waiting(outage)
    check(waiting == away.count, f"{waiting} changes wait for Key Vault, {away.count} were made")


async def _replayed(service: SecretsService) -> None:
    async with asyncio.timeout(10):
        while await _waiting(service):
            await asyncio.sleep(0.1)


async def _waiting(service: SecretsService) -> int:
    return (await service.get_secret_health()).open_intents
