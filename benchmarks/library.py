"""Reads through the library: from memory and on record, against the ways around it."""

from benchmarks.measuring import rate
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import Inserting, Nowhere, Vault, fronted, logging_to
from benchmarks.work import Reads, Remembered, Sdk, context_of
from holdfast import SecretsService, Source

MANY = 64
"""Readers at the same time."""


async def measure(run: Run, vault: Vault, server: Server) -> None:
    """Compare cached reads with a vault asked each time, with a bare dictionary, unrecorded and recorded singly."""
    dsn, size, values = await run.stage.database("library"), run.size, vault.values
    settings = vault.front(server, dsn)
    people = ("many", "single", "nowhere", "inserting")
    async with (
        vault.sdk(server) as (client, _),
        fronted(settings, map(context_of, people)) as service,
        logging_to(settings, Nowhere) as silent,
        logging_to(settings, Inserting) as inserting,
    ):
        for one in (service, silent, inserting):
            await one.warm_cache(list(values))

        def reads(by: SecretsService, user_id: str) -> Reads:
            return Reads(by, user_id, values, Source.CACHE)

        many, single = reads(service, "many"), reads(service, "single")
        unrecorded, inserted = reads(silent, "nowhere"), reads(inserting, "inserting")
        sdk, remembered = Sdk(client, values), Remembered(values)
        await run.compare(
            {
                f"cached read on record, {MANY} readers": many.rounds(MANY, size.cached_reads),
                "Azure SDK asking the vault": lambda: rate(16, size.vault_reads // 16, sdk.one),
                "the same, unrecorded": unrecorded.rounds(MANY, size.cached_reads),
                "the same, one INSERT per read": inserted.rounds(MANY, size.inserts),
                "a dictionary of plain values": lambda: rate(MANY, size.cached_reads // MANY, remembered.one),
            }
        )
        await run.compare(
            {
                "cached read on record, 1 reader": single.rounds(1, size.single_reads),
                "the same, unrecorded": unrecorded.rounds(1, size.single_reads),
            }
        )
        for each in (many, single, inserted):
            await run.check_record(dsn, each.user_id, "get", each.count)
        await run.check_record(dsn, unrecorded.user_id, "get", 0)
