"""Two nodes on one database behave as one: coherent within a second, gone without a failed request."""

import asyncio
from pathlib import Path

from tests.nodes.test_workers import PATH, prepared, settle
from tests.support.https import Client
from tests.support.node import service_on, within
from tests.support.serving import reading, serving


async def test_i3_i5_i6_what_one_node_does_counts_on_the_other(database_url: str, data_folder: Path) -> None:
    async with service_on(database_url, data_folder) as service:
        await service.grant_access("*", "app", ["get", "set", "delete"])
        secret = await service.add_client("app")
    async with serving(database_url, data_folder) as one, serving(database_url, data_folder) as two:
        first = await one.client("app", secret)
        second = Client(two.port, two.ca_file, first.token, host=first.host)

        async def reads(client: Client, status: int, value: str | None = None) -> bool:
            answer = await client.request("GET", PATH)
            return answer.status == status and (value is None or answer.json["value"] == value)

        for number in range(5):
            body = {"value": f"v{number}"}
            assert (await first.request("PUT", PATH, body)).status == 200
            assert await reads(first, 200, f"v{number}")
            await within(1.0, lambda number=number: reads(second, 200, f"v{number}"))  # type: ignore[misc]
        async with service_on(database_url, data_folder) as service:
            await service.revoke_access("*", "app")
            await within(1.0, lambda: reads(second, 403))
            await service.grant_access("*", "app", ["get", "delete"])
            await within(1.0, lambda: reads(second, 200))
            await within(1.0, lambda: reads(first, 200))
        assert (await first.request("DELETE", PATH)).status == 200
        await within(1.0, lambda: reads(second, 404))


async def test_a_node_that_is_told_to_stop_sends_its_clients_away_first(database_url: str, data_folder: Path) -> None:
    secret = await prepared(database_url, data_folder)
    async with serving(database_url, data_folder, HOLDFAST_DRAIN="2") as server:
        client = await server.client("app", secret)
        async with reading(client, PATH, 4) as readers:
            await settle()
            ending = asyncio.create_task(server.stop())
            await asyncio.sleep(0.5)
            assert (await client.request("GET", "/readyz")).status == 503
            answer = await client.request("GET", PATH)
            assert (answer.status, answer.header("connection")) == (200, "close")
        assert [reader.failures for reader in readers] == [[]] * len(readers)
        assert await ending == 0


async def test_nodes_know_of_each_other(database_url: str, data_folder: Path) -> None:
    async with serving(database_url, data_folder), service_on(database_url, data_folder, background=True) as service:

        async def both() -> bool:
            await asyncio.sleep(0.05)
            return len(await service.list_nodes()) == 2

        await within(20, both)
        other, ours = await service.list_nodes()
        assert other.schema_version == ours.schema_version
        assert {backend.name: backend.healthy for backend in other.backends}["postgresql"]
    async with service_on(database_url, data_folder) as service:
        assert [node.name for node in await service.list_nodes()] in ([], [other.name])
