"""A vault with very many secrets: what they cost in memory and at the start, and how fast their names are listed."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from benchmarks import processes
from benchmarks.load import Ask, asking, get
from benchmarks.measuring import check
from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.stage import CLIENT, Vault, make_vault
from benchmarks.work import value_of
from holdfast import AccessContext, SecretsService, create_secrets_service

_AT_A_TIME = 1_000
"""Names per page, of the library, of ``/v1`` and of the bare scan. Key Vault's pages hold 25."""

_TEMPLATE = "real-0000"

# As long as real ones, but of bytes that open nowhere: they are there to be listed, and to be many.
_COPY = """
    INSERT INTO secrets_vault (secret_name, display_name, incarnation, state, revision, encrypted_value, iv, auth_tag,
        key_id, wrapped_key, attestation, version_id)
    SELECT name, name, gen_random_uuid(), state, revision, encrypted_value, iv, auth_tag, key_id, wrapped_key,
        attestation, md5(name)
    FROM secrets_vault, generate_series(1, $1) AS number, format('crowd-%s', lpad(number::text, 6, '0')) AS name
    WHERE secret_name = $2
"""
_SCAN = "SELECT secret_name FROM secrets_vault WHERE secret_name > $1 ORDER BY secret_name LIMIT $2"


async def measure(run: Run, _vault: Vault, _server: Server) -> None:
    """Start a node on few and on many secrets, read those that open, and list all names in four ways."""
    values = {f"real-{number:04}": value_of(f"value {number}") for number in range(run.size.crowd_read)}
    vault = await make_vault(run.stage, "crowd", values)
    few = await _life(run, vault)
    run.told(f"adding {run.size.crowd:,} secrets")
    await _add_crowd(vault, run.size.crowd)
    many = await _life(run, vault)
    run.notes.append(_told(run, few, many))
    await _list(run, vault)


class _Life:
    """What was seen of a node: seconds from its start to the first answer, and its own memory then and at the end."""

    def __init__(self, seconds: float, at_first: int, at_last: int) -> None:
        self.seconds, self.at_first, self.at_last = seconds, at_first, at_last


async def _life(run: Run, vault: Vault) -> _Life:
    """Start a node, read every secret that opens once, and stop it."""
    began = time.perf_counter()
    async with processes.holdfast(run.stage.environ(vault.dsn)) as server, asking(server.url, run.stage.ca_file) as ask:
        await _read(vault, server, ask, _TEMPLATE)
        seconds, at_first = time.perf_counter() - began, server.memory()
        for name in vault.values:
            await _read(vault, server, ask, name)
        return _Life(seconds, at_first, server.memory())


async def _read(vault: Vault, server: Server, ask: Ask, name: str) -> None:
    _, body = await ask(get(f"/secrets/{name}?api-version=7.5", _host(server), vault.api_token))
    check(json.loads(body)["value"] == vault.values[name], "the server answers with another value")


async def _add_crowd(vault: Vault, size: int) -> None:
    connection = await asyncpg.connect(vault.dsn)
    try:
        await connection.execute(_COPY, size, _TEMPLATE)
        await connection.execute("VACUUM ANALYZE secrets_vault")
    finally:
        await connection.close()


def _told(run: Run, few: _Life, many: _Life) -> str:
    read, crowd = run.size.crowd_read, run.size.crowd
    return (
        f"A node on {read:,} secrets gives its first answer {few.seconds:.2f} s after its start, on {crowd:,} more "
        f"after {many.seconds:.2f} s. It then has {few.at_first / 2**20:.1f} MiB to itself, on {crowd:,} more "
        f"{many.at_first / 2**20:.1f} MiB: {(many.at_first - few.at_first) / crowd:,.0f} bytes for each that is there. "
        f"Having read {read:,} it has {many.at_last / 2**20:.1f} MiB: "
        f"{(many.at_last - many.at_first) / read:,.0f} bytes for each that is remembered."
    )


async def _list(run: Run, vault: Vault) -> None:
    total = run.size.crowd + len(vault.values)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(processes.holdfast(run.stage.environ(vault.dsn)))
        ask = await stack.enter_async_context(asking(server.url, run.stage.ca_file))
        service = await stack.enter_async_context(create_secrets_service(run.stage.alone(vault.dsn), background=False))
        bare = await asyncpg.connect(vault.dsn)
        stack.push_async_callback(bare.close)
        pages = _Pages(vault, server, ask)
        kept = min(total, run.size.crowd_by_25)
        await run.compare(
            {
                f"names listed by the library, {total:,} in all": _timed(lambda: _by_library(service, vault), total),
                "a bare scan of the table's index": _timed(lambda: _by_scan(bare), total),
            }
        )
        await run.compare(
            {
                f"names listed by /v1, {total:,} in all": _timed(lambda: pages.of_v1(total), total),
                "a bare scan of the table's index": _timed(lambda: _by_scan(bare), total),
                f"Key Vault's pages of 25, {kept:,} in all": _timed(lambda: pages.of_25(kept), kept),
            }
        )


def _timed(listing: Callable[[], Awaitable[list[str]]], total: int) -> Callable[[], Awaitable[float]]:
    async def once() -> float:
        began = time.perf_counter()
        names = await listing()
        rate = len(names) / (time.perf_counter() - began)
        check(
            len(names) == total and names == sorted(set(names)), f"{len(names):,} names listed, not {total:,} in order"
        )
        return rate

    return once


async def _by_library(service: SecretsService, vault: Vault) -> list[str]:
    names: list[str] = []
    context = AccessContext(user_id=CLIENT)
    while page := await service.list_secrets(after=names[-1] if names else None, limit=_AT_A_TIME, context=context):
        names += [each.name for each in page]
    return names


async def _by_scan(connection: asyncpg.Connection) -> list[str]:
    names: list[str] = []
    while page := await connection.fetch(_SCAN, names[-1] if names else "", _AT_A_TIME):
        names += [row["secret_name"] for row in page]
    return names


class _Pages:
    """Listings over HTTP, page after page on one connection, stopped after so many names."""

    def __init__(self, vault: Vault, server: Server, ask: Ask) -> None:
        self._token, self._host, self._ask = vault.api_token, _host(server), ask

    async def of_v1(self, total: int) -> list[str]:
        """Pages of our own API."""
        names: list[str] = []
        cursor = ""
        while len(names) < total:
            page = await self._page(f"/v1/secrets?limit={_AT_A_TIME}{cursor}")
            names += [item["name"] for item in page["items"]]
            cursor = f"&cursor={page['next_cursor']}"
        return names

    async def of_25(self, total: int) -> list[str]:
        """Pages of Key Vault's API."""
        names: list[str] = []
        path = "/secrets?api-version=7.5"
        while len(names) < total:
            page = await self._page(path)
            names += [item["id"].rpartition("/")[2] for item in page["value"]]
            path = (page["nextLink"] or "").partition(self._host)[2]
        return names[:total]

    async def _page(self, path: str) -> dict[str, Any]:
        _, body = await self._ask(get(path, self._host, self._token))
        page: dict[str, Any] = json.loads(body)
        return page


def _host(server: Server) -> str:
    return urlsplit(server.url).netloc
