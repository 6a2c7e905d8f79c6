"""What `make conformance` runs elsewhere: its projects do all the checks, and are pinned without naming any host."""

import json
import re
from pathlib import Path

import pytest

from tests.conformance.clients import CHECKS, CLIENTS, HERE, Client
from tests.conformance.consumers import CONSUMERS
from tests.conformance.generators import CHECKS as OF_GENERATED
from tests.conformance.generators import FOLDER, GENERATED, GENERATOR
from tests.conformance.table import rows

SOURCES = {
    "JavaScript": "conformance.mjs",
    "Go": "main.go",
    "Java": "src/main/java/Conformance.java",
    "az": "conformance.py",
}

PYTHON = ("python/check_generator.py", "python/check_python_client.py")


EVERY = (*CLIENTS, *CONSUMERS)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_does_every_check_in_order(client: Client) -> None:
    source = (client.folder / SOURCES[client.name]).read_text()
    start = source.index('"set and get"')
    places = [re.search(rf'"?\b{re.escape(check)}"?', source[start:]) for check in CHECKS]
    assert all(places)
    positions = [place.start() for place in places if place]
    assert positions == sorted(positions)


@pytest.mark.parametrize("client", EVERY, ids=lambda client: client.name)
def test_every_client_checks_the_servers_challenge_and_certificate(client: Client) -> None:
    sources = [each.read_text().lower() for each in _sources(client.folder)]
    assert sources
    for word in ("challengeresourceverification", "verify_challenge_resource", "insecureskipverify", "verify=false"):
        assert not [each for each in sources if word in each]


@pytest.mark.parametrize("client", CONSUMERS, ids=lambda client: client.name)
def test_what_is_told_by_its_environment_alone_turns_no_look_up_off(client: Client) -> None:
    named = {Path(word).stem for word in client.run}
    sources = [each for each in _sources(client.folder) if named & {each.stem, each.parent.name}]
    assert sources, "the program is not in its folder"
    assert not [each for each in sources if "instancediscovery" in each.read_text().lower().replace("_", "")]


def _sources(folder: Path) -> list[Path]:
    kinds = {".py", ".mjs", ".go", ".java", ".yml", ".yaml", ".properties"}
    return [each for each in folder.rglob("*") if each.suffix in kinds]


@pytest.mark.parametrize("client", EVERY, ids=lambda client: client.name)
def test_every_client_has_a_version_that_the_table_names(client: Client) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", client.version())
    assert [row for row in rows() if row.tried == f"`make conformance`, {client.version()}"]


@pytest.mark.parametrize(
    "path",
    ["go/main.go", "java/src/main/java/Check.java", "typescript/check.ts", *PYTHON],
    ids=lambda path: Path(path).name,
)
def test_every_generated_client_does_every_check_in_order(path: str) -> None:
    there = re.findall(r'"ok (.+)"', (FOLDER / path).read_text())
    assert there == list(OF_GENERATED[: len(there)])
    assert len(there) >= len(OF_GENERATED) - path.startswith("typescript")


@pytest.mark.parametrize("client", [*GENERATED, GENERATOR], ids=lambda client: client.name)
def test_every_generator_has_a_version(client: Client) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", client.version())


def test_options_are_for_later_answers_only_and_mend_nothing_in_the_description() -> None:
    found = {
        option
        for client in GENERATED
        for command in client.install
        for each in command
        if each.startswith("--additional-properties=")
        for option in each.partition("=")[2].split(",")
    }
    assert found == {
        "withGoMod=false",
        "disallowAdditionalPropertiesIfNotPresent=false",
        "enumUnknownDefaultCase=true",
    }


@pytest.mark.parametrize(
    "path",
    [
        *("javascript/package-lock.json", "javascript/package.json", "go/go.sum", "terraform/go.sum"),
        *("generated/typescript/package-lock.json", "generated/typescript/package.json"),
        *(str(each.relative_to(HERE)) for each in sorted(HERE.rglob("requirements*.txt"))),
    ],
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
