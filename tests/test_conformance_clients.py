"""What `make conformance` runs elsewhere: its projects do all the checks, and are pinned without naming any host."""

import json
import re
from pathlib import Path

import pytest

from tests.conformance.clients import CHECKS, CLIENTS, HERE, Client
from tests.conformance.table import rows

SOURCES = {
    "JavaScript": "conformance.mjs",
    "Go": "main.go",
    "Java": "src/main/java/Conformance.java",
    "az": "conformance.py",
}


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_does_every_check_in_order(client: Client) -> None:
    source = (client.folder / SOURCES[client.name]).read_text()
    start = source.index('"set and get"')
    places = [re.search(rf'"?\b{re.escape(check)}"?', source[start:]) for check in CHECKS]
    assert all(places)
    positions = [place.start() for place in places if place]
    assert positions == sorted(positions)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_checks_the_servers_challenge(client: Client) -> None:
    source = (client.folder / SOURCES[client.name]).read_text().lower()
    assert "disablechallengeresourceverification" not in source
    assert "verify_challenge_resource" not in source


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_has_a_version_that_the_table_names(client: Client) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", client.version())
    assert [row for row in rows() if row.tried == f"`make conformance`, {client.version()}"]


@pytest.mark.parametrize(
    "path", ["javascript/package-lock.json", "javascript/package.json", "azure-cli/requirements.txt", "go/go.sum"]
)
def test_no_lock_names_a_registry(path: str) -> None:
    assert re.findall(r"https?://\S+", _without_funding(HERE / path)) == []


def _without_funding(path: Path) -> str:
    if path.suffix != ".json":
        return path.read_text()
    lock = json.loads(path.read_text())
    for package in lock.get("packages", {}).values():
        package.pop("funding", None)
    return json.dumps(lock)
