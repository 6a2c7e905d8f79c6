"""The server without its commit point: what it says while PostgreSQL is gone, and after."""

import asyncio
from datetime import UTC, datetime, timedelta

from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.crypto.keyring import generate_key
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.https import Client, Response
from tests.support.installation import installed

V = "?api-version=7.4"


async def until(client: Client, path: str, status: int) -> Response:
    """Ask until the answer has a status."""
    async with asyncio.timeout(20):
        while (answer := await client.request("GET", path)).status != status:
            await asyncio.sleep(0.05)
    return answer


async def test_i1_i6_without_postgresql_reads_last_for_the_lease_and_nothing_is_a_404() -> None:
    with short_folder() as folder:
        certificate = ensure_server_certificate(folder / "tls", [], now=datetime.now(UTC))
        server = EmbeddedPostgres(folder / "data")
        settings = Settings(
            database_url=await server.start(),
            encryption_key=generate_key(),
            data_dir=folder,
            grant_lease=timedelta(seconds=2),
        )
        try:
            async with installed(settings, certificate) as running:
                client = await running.client("app", await running.register("app"))
                await client.request("PUT", f"/secrets/a{V}", {"value": "x"})
                assert (await client.request("GET", f"/secrets/a{V}")).status == 200
                assert (await client.request("GET", "/readyz")).json == {"status": "ready", "degraded": []}

                await server.stop()
                degraded = await client.request("GET", "/readyz")
                while degraded.status == 200 and degraded.json["status"] == "ready":
                    await asyncio.sleep(0.05)
                    degraded = await client.request("GET", "/readyz")
                for method, path, body in (
                    ("PUT", f"/secrets/a{V}", {"value": "y"}),
                    ("DELETE", f"/secrets/a{V}", None),
                    ("GET", f"/secrets/unknown{V}", None),
                    ("GET", f"/secrets{V}", None),
                ):
                    answer = await client.request(method, path, body)
                    assert (answer.status, answer.codes) == (503, ("ServiceUnavailable", None))
                    assert answer.header("retry-after")

                await until(client, "/readyz", 503)
                answer = await client.request("GET", f"/secrets/a{V}")
                assert (answer.status, answer.codes) == (503, ("ServiceUnavailable", None))
                assert (await client.request("GET", "/healthz")).status == 200

                await server.start()
                await until(client, "/readyz", 200)
                assert (await until(client, f"/secrets/a{V}", 200)).json["value"] == "x"
        finally:
            await server.stop()
