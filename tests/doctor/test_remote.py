"""A server examines itself for those who may operate it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.errors import AccessDenied
from tests.cli.runner import holdfast
from tests.cli.test_remote import serving
from tests.support.node import ALICE, opened
from tests.support.postgres import execute

pytestmark = pytest.mark.usefixtures("durable_server")


def test_a_server_tells_what_it_sees(database_url: str, tmp_path: Path) -> None:
    certificate = ensure_server_certificate(tmp_path / "tls", [], now=datetime.now(UTC))
    with serving(database_url, tmp_path, certificate) as environ:
        told = holdfast("doctor", "--json", environ=environ)
        document = json.loads(told.stdout)
        assert (told.code, document["healthy"]) == (0, True)
        found = [each["found"] for each in document["findings"]]
        assert "Those that this node runs with do not contradict each other." in found
        assert "1 node process(es) serve now." in found
        people = holdfast("doctor", environ=environ)
        assert people.stdout.splitlines()[-1].startswith("Nothing fails; warnings: ")
        history = holdfast("audit", "search", "--operation", "diagnose", "--json", environ=environ)
        assert [each["success"] for each in json.loads(history.stdout)["records"]] == [True, True]


async def test_only_those_who_may_operate_have_it(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as node:
        with pytest.raises(AccessDenied):
            await node.service.doctor.diagnose(context=ALICE)
        await node.service.grant_access("*", "alice", ["operate"])
        assert (await node.service.doctor.diagnose(context=ALICE)).healthy


async def test_it_examines_through_the_connections_of_the_node(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as node:
        await execute(database_url, "INSERT INTO holdfast_migrations VALUES (9999, 'future', 'x')")
        assert not (await node.service.doctor.diagnose()).healthy
