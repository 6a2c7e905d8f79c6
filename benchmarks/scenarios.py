"""The scenarios: each measures one pair, and checks what was done before it says how fast."""

from collections.abc import Callable
from dataclasses import dataclass

from azure.keyvault.secrets.aio import SecretClient

from benchmarks import processes
from benchmarks.load import answer_to, loading
from benchmarks.measuring import Comparison, Round, alternate, check, rate
from benchmarks.processes import Server
from benchmarks.stage import Stage, Vault, fronted, make_vault, serving, unaudited
from benchmarks.work import Reads, Remembered, Sdk, Writes, context_of, value_of
from holdfast import SecretsService, Settings, Source, create_secrets_service
from holdfast.resilience.quota import BACKGROUND_SHARE, KEY_VAULT_LIMITS, WINDOW_S, QuotaKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done. ``vault_reads`` and ``writes`` are per round, and few enough for Key Vault's quota.

    ``secrets`` is at least twice the number of workers that read past the cache, and a multiple of it.
    """

    rounds: int = 7
    secrets: int = 64
    cached_reads: int = 4096
    single_reads: int = 512
    vault_reads: int = 192
    writes: int = 24
    requests: int = 6400
    connections: int = 64
    synced: int = 500


SMOKE = Size(
    rounds=2,
    secrets=16,
    cached_reads=128,
    single_reads=16,
    vault_reads=16,
    writes=8,
    requests=64,
    connections=8,
    synced=30,
)

FULL_SYNC = 10_000
"""Secrets in the vault of a full run."""


class Play:
    """All scenarios on one stage. ``told`` hears what goes on."""

    def __init__(self, stage: Stage, size: Size, told: Callable[[str], None]) -> None:
        self._stage, self._size, self._told = stage, size, told
        self._values = {f"secret-{n:03}": value_of(f"value {n}") for n in range(size.secrets)}

    async def run(self) -> list[Comparison]:
        """Run them all."""
        self._told("starting a vault")
        vault = await make_vault(self._stage, "vault", self._values)
        async with serving(vault) as server:
            return [
                *await self._cached(vault, server),
                *await self._outage(vault, server),
                *await self._server(vault, server),
                await self._sync(),
            ]

    # --- reads from memory

    async def _cached(self, vault: Vault, server: Server) -> list[Comparison]:
        dsn, size = await self._stage.database("cached"), self._size
        settings = vault.front(server, dsn)
        users = [context_of(user) for user in ("cached", "audited", "single")]
        async with (
            vault.sdk(server) as (client, _),
            fronted(settings, [*users, context_of("unaudited")]) as service,
            unaudited(settings) as silent,
        ):
            await service.warm_cache(list(self._values))
            for name in self._values:
                await silent.get_secret(name)
            sdk, remembered = Sdk(client, self._values), Remembered(self._values)

            def reads(by: SecretsService, user_id: str) -> Reads:
                return Reads(by, user_id, self._values, Source.CACHE)

            cached, audited, single = (reads(service, user.user_id) for user in users)
            bare = reads(silent, "unaudited")
            results = [
                await self._compare(
                    "read from memory, on record",
                    "Azure SDK asking the vault",
                    cached.rounds(16, size.cached_reads),
                    lambda: rate(16, size.vault_reads // 16, sdk.one),
                    "reads/s",
                ),
                await self._compare(
                    "read from memory, on record",
                    "a dictionary: no authorisation, no record",
                    cached.rounds(16, size.cached_reads),
                    lambda: rate(16, size.cached_reads // 16, remembered.one),
                    "reads/s",
                ),
                await self._compare(
                    "audited read, 64 readers",
                    "the same, unrecorded",
                    audited.rounds(64, size.cached_reads),
                    bare.rounds(64, size.cached_reads),
                    "reads/s",
                ),
                await self._compare(
                    "audited read, 1 reader",
                    "the same, unrecorded",
                    single.rounds(1, size.single_reads),
                    bare.rounds(1, size.single_reads),
                    "reads/s",
                ),
            ]
            for each in (cached, audited, single):
                await self._check_record(dsn, each.user_id, "get", each.count)
            await self._check_record(dsn, bare.user_id, "get", 0)
        return results

    # --- the vault, there and gone

    async def _outage(self, vault: Vault, server: Server) -> list[Comparison]:
        size, stage = self._size, self._stage
        healthy_dsn, outage_dsn = await stage.database("healthy"), await stage.database("outage")
        users = [context_of("reader"), context_of("writer")]
        # One entry of cache, so that no read is answered from memory.
        async with (
            vault.sdk(server) as (client, _),
            serving(vault) as victim,
            fronted(vault.front(server, healthy_dsn, cache_entries=1), users) as healthy,
            fronted(vault.front(victim, outage_dsn, cache_entries=1), users) as outage,
        ):
            asking = Reads(healthy, "reader", self._values, Source.KEYVAULT)
            await victim.kill()
            mirror = Reads(outage, "reader", self._values, Source.MIRROR)
            sdk = Sdk(client, self._values)
            here, away = Writes(healthy, "writer", replicated=True), Writes(outage, "writer", replicated=False)
            results = [
                await self._compare(
                    "read from Key Vault, on record",
                    "Azure SDK asking the vault",
                    asking.rounds(8, size.vault_reads),
                    lambda: rate(8, size.vault_reads // 8, sdk.one),
                    "reads/s",
                ),
                await self._compare(
                    "read from the mirror, vault dead",
                    "read from Key Vault",
                    mirror.rounds(8, size.vault_reads),
                    asking.rounds(8, size.vault_reads),
                    "reads/s",
                ),
                await self._compare(
                    "write, vault dead",
                    "write, vault alive",
                    away.rounds(size.writes),
                    here.rounds(size.writes),
                    "writes/s",
                ),
            ]
            for dsn, read, written in ((healthy_dsn, asking, here), (outage_dsn, mirror, away)):
                await self._check_record(dsn, "reader", "get", read.count)
                await self._check_record(dsn, "writer", "set", written.count)
            await self._check_written(here, away, healthy, outage, client)
        return results

    async def _check_written(
        self, here: Writes, away: Writes, healthy: SecretsService, outage: SecretsService, client: SecretClient
    ) -> None:
        for name, value in here.last.items():
            check((await client.get_secret(name)).value == value, "the vault has another value than was written")
            check((await healthy.get_secret(name)).value == value, "another value is read than was written")
        for name, value in away.last.items():
            check((await outage.get_secret(name)).value == value, "another value is read than was written")
        waiting = (await outage.get_secret_health()).open_intents
        check(waiting == away.count, f"{waiting} changes wait for Key Vault, {away.count} were made")

    # --- the server

    async def _server(self, vault: Vault, server: Server) -> list[Comparison]:
        stage, size = self._stage, self._size
        name, value = next(iter(self._values.items()))
        token = (await self._token(vault, server)).encode()
        host = server.url.removeprefix("https://").encode()
        request = b"GET /secrets/%s?api-version=7.5 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n"
        request %= (name.encode(), host, token)
        body = await answer_to(server.url, request, stage.ca_file)
        check(value.encode() in body, "the server answers with another value")
        body_file = stage.folder / "body"
        body_file.write_bytes(body)
        before, count = await stage.audited(vault.dsn, "bench", "get"), 0
        async with (
            processes.fixed(body_file, stage.environ(vault.dsn)) as ceiling,
            loading(server.url, request, body, size.connections, stage.ca_file) as ours,
            loading(ceiling.url, request, body, size.connections, stage.ca_file) as theirs,
        ):
            each = size.requests // size.connections

            async def measure() -> float:
                nonlocal count
                count += each * size.connections
                return await ours.rate(each)

            result = await self._compare(
                f"server over TLS, {size.connections} connections",
                "the same HTTP stack, fixed bytes",
                measure,
                lambda: theirs.rate(each),
                "requests/s",
            )
        await self._check_record(vault.dsn, "bench", "get", before + count)
        return [result]

    async def _token(self, vault: Vault, server: Server) -> str:
        async with vault.sdk(server) as (_, credential):
            return (await credential.get_token(f"{server.url}/.default")).token

    # --- the mirror

    async def _sync(self) -> Comparison:
        count = self._size.synced
        values = {f"bulk-{n:05}": value_of(f"value {n}") for n in range(count)}
        self._told(f"filling a vault with {count} secrets")
        vault, dsn = await make_vault(self._stage, "bulk", values), await self._stage.database("mirror")
        async with serving(vault) as server:
            self._told(f"mirroring {count} secrets")
            done = await processes.result_of("benchmarks.syncing", vault.front_environ(server, dsn))
        check(done["adopted"] == count, f"{done['adopted']} of {count} secrets were mirrored")
        await self._check_mirror(self._stage.alone(dsn), values)
        allowed = BACKGROUND_SHARE * KEY_VAULT_LIMITS[QuotaKind.OTHER] / WINDOW_S
        return Comparison(
            scenario=f"mirroring {count:,} secrets: memory +{done['grown_kb'] / 1024:.0f} MiB",
            peer="calls that our share of the quota allows",
            unit="secrets/s",
            our_rates=(count / done["seconds"],),
            peer_rates=(allowed,),
        )

    async def _check_mirror(self, settings: Settings, values: dict[str, str]) -> None:
        async with create_secrets_service(settings, background=False) as service:
            for name in list(values)[:: max(1, len(values) // 100)]:
                check((await service.get_secret(name)).value == values[name], "the mirror holds another value")

    # --- for all

    async def _compare(
        self,
        scenario: str,
        peer: str,
        ours: Round,
        theirs: Round,
        unit: str,
    ) -> Comparison:
        self._told(f"{scenario} | {peer}")
        our_rates, peer_rates = await alternate(self._size.rounds, ours, theirs)
        return Comparison(scenario=scenario, peer=peer, unit=unit, our_rates=our_rates, peer_rates=peer_rates)

    async def _check_record(self, dsn: str, user_id: str, operation: str, count: int) -> None:
        found = await self._stage.audited(dsn, user_id, operation)
        check(found == count, f"{found} records of {operation!r} by {user_id!r} for {count} answers")
