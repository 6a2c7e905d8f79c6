"""What is written of the API is so: the examples run, and the page is self-contained."""

import asyncio
import json
import re
import shlex
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.conftest import Stubbed

GUIDE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
ANYTHING = "…"


def examples() -> list[tuple[str, Any]]:
    """Every curl command of the guide, with what is shown of its answer."""
    found = re.findall(r"^\$ (curl .+)\n(\{.+\})$", GUIDE, re.MULTILINE)
    assert len(found) == GUIDE.count("$ curl")
    return [(command, json.loads(shown)) for command, shown in found]


async def test_the_guides_examples_do_what_they_show(installation: Installation, tmp_path: Path) -> None:
    secret = await installation.register("guide", ["get", "list", "set", "delete", "recover"], "my-*")
    token = (await installation.client("guide", secret)).token
    config = f'cacert = "{installation.ca_file}"\nheader = "Authorization: Bearer {token}"\nsilent\n'
    (tmp_path / "holdfast.curl").write_text(config)
    for command, shown in examples():
        process = await asyncio.create_subprocess_exec(
            *shlex.split(command.replace("$URL", installation.url)), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, command
        assert _shows(shown, json.loads(output)), (command, output)


def _shows(shown: Any, full: Any) -> bool:
    """Whether all that is shown is there; other members may be left out."""
    if shown == ANYTHING:
        return isinstance(full, str)
    if isinstance(shown, dict):
        return all(key in full and _shows(value, full[key]) for key, value in shown.items())
    if isinstance(shown, list):
        return len(shown) == len(full) and all(map(_shows, shown, full))
    return bool(shown == full)


async def test_the_page_loads_nothing_from_elsewhere(stubbed: Stubbed) -> None:
    answer = await stubbed.anonymous.request("GET", "/v1/docs")
    assert (answer.status, answer.header("content-type")) == (200, "text/html; charset=utf-8")
    policy = str(answer.header("content-security-policy"))
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"unsafe|http|\*", policy)
    loaded = re.findall(r'(?:src|href)="([^"]+)"', answer.body.decode())
    kinds_of_files = {}
    for link in loaded:
        if link not in {"data:,", "openapi.json"}:
            file = await stubbed.anonymous.request("GET", f"/v1/{link}")
            assert (file.status, file.header("content-security-policy")) == (200, policy)
            kinds_of_files[link] = file.header("content-type")
    assert set(kinds_of_files.values()) == {"text/css; charset=utf-8", "text/javascript; charset=utf-8"}
    for name in ("index.html", "page.js", "page.css"):
        assert "//" not in (files("holdfast") / "web/v1/page" / name).read_text().replace("// ", "")


def test_the_page_asks_its_own_server_and_shows_a_refusal_in_one_line() -> None:
    page = files("holdfast") / "web/v1/page"
    assert 'servers: [{ url: "/" }]' in (page / "page.js").read_text()
    assert 'tr.response:not([data-code^="2"])' in (page / "page.css").read_text()


@pytest.mark.parametrize(
    "path", ["x", "index.html", "..%2fapi.py", "..%2f..%2fapp.py", "%2e%2e", "swagger-ui.js", "page.js%00"]
)
async def test_the_page_has_no_other_files(stubbed: Stubbed, path: str) -> None:
    answer = await stubbed.anonymous.request("GET", f"/v1/docs/{path}")
    assert (answer.status, answer.problem["code"]) in {(404, "no_such_path"), (401, "unauthenticated")}


async def test_the_page_does_not_take_the_place_of_an_operation(vault: Client) -> None:
    for method in ("POST", "PUT", "DELETE"):
        answer = await vault.request(method, "/v1/docs")
        assert (answer.status, answer.problem["code"]) == (404, "no_such_path")
