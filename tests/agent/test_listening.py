"""The endpoint's socket against whoever is on the same machine."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from holdfast.agent.answers import Answer, Request
from holdfast.agent.listening import MAX_CONNECTIONS, PATIENCE_S, bound, listening

ASK = b"GET /msi/token?a=b HTTP/1.1\r\nHost: 127.0.0.1\r\nX-IDENTITY-HEADER: s3cret\r\n\r\n"


@dataclass
class Server:
    """Answers everything. ``asked``: what reached the handler."""

    port: int
    asked: list[Request]

    async def talk(self, *parts: bytes) -> bytes:
        """Send parts, and return all that comes back until the other end closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            async with asyncio.timeout(20):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with running() as made:
        yield made


@asynccontextmanager
async def running(patience_s: float = PATIENCE_S) -> AsyncIterator[Server]:
    asked: list[Request] = []

    async def handle(request: Request) -> Answer:
        asked.append(request)
        return Answer(200, b"{}", {"X-Told": "yes"})

    listener = bound(0)
    with listener:
        async with listening(listener, handle, patience_s=patience_s):
            yield Server(listener.getsockname()[1], asked)


async def test_it_listens_on_loopback_alone() -> None:
    with bound(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


async def test_a_request_arrives_as_it_was_sent_and_its_connection_ends(server: Server) -> None:
    answer = await server.talk(ASK)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"cache-control: no-store" in answer.lower()
    assert b"x-told: yes" in answer.lower()
    assert b"python" not in answer.lower(), "what serves is no one's to know"
    (request,) = server.asked
    assert (request.method, request.target) == ("GET", "/msi/token?a=b")
    assert request.all("x-identity-header") == ["s3cret"]


async def test_a_second_request_on_a_connection_is_not_answered(server: Server) -> None:
    answer = await server.talk(ASK + ASK)
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "raw",
    [
        *(
            b"x\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        ),
        *(
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
            b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        ),
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-IDENTITY-HEADER:\r\n s3cret\0\r\n\r\n",
        b"GET /" + b"a" * 10_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: " + b"a" * 10_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(500)) + b"\r\n",
    ],
)
async def test_what_is_no_request_reaches_no_handler_and_no_log(
    server: Server, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await server.talk(raw.replace(b"/", b"/s3cret", 1))
    assert not answer.startswith(b"HTTP/1.1 2")
    assert b"s3cret" not in answer, "programs log what they are refused with"
    if answer:
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] == "bad_request"
    assert server.asked == []
    assert "s3cret" not in caplog.text
    assert (await server.talk(ASK)).startswith(b"HTTP/1.1 200 ")


async def test_those_who_do_not_ask_make_room_for_those_who_do(server: Server) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MAX_CONNECTIONS)]
    try:
        idle[0][1].write(b"GET / HTT")
        assert (await server.talk(ASK)).startswith(b"HTTP/1.1 200 ")
        async with asyncio.timeout(20):
            with suppress(ConnectionError):  # a reset, or an end: the oldest made room
                assert await idle[0][0].read() == b""
    finally:
        for _, writer in idle:
            writer.transport.abort()


async def test_a_connection_ends_whatever_is_sent_on_it() -> None:
    async with running(patience_s=0.2) as server:
        for begun in (b"", b"\r\n\r\n", b"GET /", b"GET / HTTP/1.1\r\nA: b\r\n"):
            assert await server.talk(begun) == b""
        assert server.asked == []


async def test_what_is_under_way_at_the_end_is_cut_off_and_the_port_is_free_again() -> None:
    forever = asyncio.Event()

    async def handle(_: Request) -> Answer:
        await forever.wait()
        raise AssertionError

    listener = bound(0)
    port = listener.getsockname()[1]
    async with asyncio.timeout(20):
        async with listening(listener, handle):
            talking = asyncio.create_task(Server(port, []).talk(ASK))
            await asyncio.sleep(0.05)
        assert not (await talking).startswith(b"HTTP/1.1 200")
    bound(port).close()
