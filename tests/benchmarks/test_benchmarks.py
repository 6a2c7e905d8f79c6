"""The benchmarks run, and have no figure for work that was not done."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from benchmarks.__main__ import PARTS
from benchmarks.load import answer_to, loading
from benchmarks.measuring import Round, Wrong, alternate, percentile, rate
from benchmarks.work import Remembered

from holdfast.crypto.certificates import ServerCertificate, ensure_server_certificate
from holdfast.web.exchange import Scope, Send
from holdfast.web.limits import Receive
from tests.support.folders import short_folder
from tests.support.server import running

ROOT = Path(__file__).parents[2]

MEASURED = {
    "server": ["server", "… per second of its processor time", "… per second of their processor time"],
    "library": ["cached read on record"],
    "tracing": ["server without traces", "A part of a request that nobody traces"],
    "outage": ["read from Key Vault", "read from the mirror", "write"],
    "mirroring": ["mirroring 10 secrets", "Mirroring 40 secrets"],
    "histories": ["first read of a secret of 30 versions"],
    "rotating": ["rotation without a target", "A rotation took"],
    "crowd": ["names listed by the library", "names listed by /v1"],
    "scanning": ["holdfast scan", "detect-secrets"],
    "locks": ["reads from memory with", "reads from Key Vault with", "changes of other secrets with"],
    "room": ["Under 100 connections", "Of the reads beside the crowd"],
}
"""What some figures of each part are called."""

TOGETHER = (["server"], [part for part in PARTS if part != "server"])
"""Parts that are measured in one run, as what they play on takes longer to be made than they take. One takes as long as
all the others."""


@pytest.fixture(scope="module")
def certificate() -> Iterator[ServerCertificate]:
    with short_folder() as folder:
        yield ensure_server_certificate(folder, ("127.0.0.1",), now=datetime.now(UTC))


@pytest.fixture
async def changing(certificate: ServerCertificate) -> AsyncIterator[str]:
    """The URL of a server that answers the third request with another value."""
    answered = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal answered
        answered += 1
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"wrong" if answered == 3 else b"right"})

    async with running(app, certificate) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("parts", TOGETHER, ids=["server", "others"])
def test_every_part_runs_and_checks_what_it_did(parts: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *parts, "--smoke", "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert all(ratio > 0 for result in document["results"] for ratio in result["ratios"])
    told = {result["scenario"].partition(",")[0] for result in document["results"]} | set(document["notes"])
    for figure in (each for part in parts for each in MEASURED[part]):
        assert any(each.startswith(figure) for each in told), told


async def test_a_wrong_answer_of_a_server_is_an_error_and_no_figure(
    changing: str, certificate: ServerCertificate
) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    _, body = await answer_to(changing, request, certificate.ca_file)
    assert body == b"right"
    async with loading(changing, request, body, 1, certificate.ca_file) as load:
        with pytest.raises(Wrong, match="something else"):
            await load.rate(2)


async def test_connections_that_ended_meanwhile_are_made_again(changing: str, certificate: ServerCertificate) -> None:
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with loading(changing, request, b"right", 1, certificate.ca_file) as load:
        assert await load.rate(1) > 0
        load.close()
        assert await load.rate(1) > 0


async def test_a_wrong_value_is_an_error_and_no_figure() -> None:
    values = {"db": "right"}
    reads = Remembered(values)
    assert await rate(2, 5, reads.one) > 0
    values["db"] = "changed"
    with pytest.raises(Wrong):
        await rate(2, 5, reads.one)


async def test_every_second_round_runs_backwards() -> None:
    asked = ""

    def side(name: str) -> Round:
        async def once() -> float:
            nonlocal asked
            asked += name
            return float(len(asked))

        return once

    rates = await alternate(2, {name: side(name) for name in "abc"})
    assert asked == "abc" + "abc" + "cba"
    assert rates == {"a": (4.0, 9.0), "b": (5.0, 8.0), "c": (6.0, 7.0)}


def test_a_percentile_is_a_figure_that_was_measured() -> None:
    figures = [float(number) for number in range(100, 0, -1)]
    assert (percentile(figures, 50), percentile(figures, 99)) == (51, 100)
    assert percentile([7.0], 99) == 7
