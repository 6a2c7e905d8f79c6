"""``holdfast status``: one screen that tells the truth, on the machine and from afar."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from holdfast.ports import BackendHealth
from holdfast.service.installation.outages import Outages
from tests.cli.environment import environment
from tests.cli.runner import Outcome, holdfast
from tests.support.node import service_on, within
from tests.support.postgres import execute
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
        assert "Rotations  0 overdue, 0 failing; last looked at " in shown.stdout
        assert f":{server.process.pid}  0.1.0" in shown.stdout
        document = json.loads((await asyncio.to_thread(holdfast, "status", "--json", environ=environ)).stdout)
        assert document["health"]["healthy"] is True
        assert [node["release"] for node in document["nodes"]] == ["0.1.0"]


GONE = """
INSERT INTO nodes (id, name, release, schema_version, started_at, seen_at, backends)
SELECT gen_random_uuid(), name, '0.1.0', 1, now() - '20 min'::interval, now() - '10 min'::interval, '[]'
FROM (VALUES ('gone:7'), ('restarted:7')) AS n (name)
"""
PRESENT = """
INSERT INTO nodes (id, name, release, schema_version, started_at, backends) VALUES
    (gen_random_uuid(), 'restarted:9', '0.1.0', 1, now(), '[]'),
    (gen_random_uuid(), 'behind:1', '0.1.0', 1, now(),
     '[{"name": "audit", "configured": true, "healthy": true, "detail": "2 file(s) of records wait here"}]')
"""


async def test_an_export_says_which_nodes_have_records_that_are_not_in_it(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)

    async def command(*args: str) -> Outcome:
        return await asyncio.to_thread(holdfast, *args, environ=environ)

    assert "Not in the export" not in (await command("audit", "export")).stderr
    assert (await command("audit", "unshipped")).code == 0
    await execute(database_url, GONE, PRESENT)
    exported = await command("audit", "export")
    assert exported.code == 0
    assert "Not in the export: records of behind:1 (2 file(s) of records wait here)." in exported.stderr
    assert "records of gone:7 (it is gone without a goodbye" in exported.stderr
    assert "restarted" not in exported.stderr
    listed = await command("audit", "unshipped", "--json")
    assert listed.code == 7
    assert [each["node"] for each in json.loads(listed.stdout)] == ["behind:1", "gone:7"]


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
