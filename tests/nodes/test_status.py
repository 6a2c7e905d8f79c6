"""``holdfast status``: one screen that tells the truth, on the machine and from afar."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdfast.ports import BackendHealth
from holdfast.service.installation.outages import Outages
from tests.cli.runner import holdfast
from tests.support.node import service_on, within
from tests.support.serving import serving
from tests.support.world import KEY


async def test_status_shows_backends_rotations_and_nodes(database_url: str, data_folder: Path) -> None:
    environ = {
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(data_folder),
        "HOME": str(data_folder.parent),
    }
    async with serving(database_url, data_folder) as server, service_on(database_url, data_folder) as service:

        async def heard_of() -> bool:
            return len(await service.list_nodes()) == 1

        await within(20, heard_of)
        shown = await asyncio.to_thread(holdfast, "status", environ=environ)
        assert shown.code == 0, shown
        assert shown.stdout.startswith("Holdfast is well.\n")
        assert "Rotations  0 overdue, 0 of them failing; last looked at " in shown.stdout
        assert f":{server.process.pid}  0.1.0" in shown.stdout
        document = json.loads((await asyncio.to_thread(holdfast, "status", "--json", environ=environ)).stdout)
        assert document["health"]["healthy"] is True
        assert [node["release"] for node in document["nodes"]] == ["0.1.0"]


def test_an_outage_has_a_beginning() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    healthy = False

    def look() -> list[BackendHealth]:
        return [BackendHealth(name="redis", configured=True, healthy=healthy)]

    outages = Outages(look, lambda: moment)
    (began,) = outages()
    assert began.down_since == moment
    moment += timedelta(minutes=1)
    (still,) = outages()
    assert still.down_since == moment - timedelta(minutes=1)
    healthy = True
    (over,) = outages()
    assert over.down_since is None
    healthy = False
    (again,) = outages()
    assert again.down_since == moment
