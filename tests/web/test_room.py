"""I14: room for everybody. Who is let in, who is answered, who makes room, on a server that is asked for too much."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import pytest

from holdfast.crypto.certificates import ServerCertificate
from holdfast.web.budgets import MIB, Budgets
from holdfast.web.endpoint import Endpoint
from holdfast.web.exchange import Exchange, Reply, Scope, Send
from holdfast.web.limits import MAX_BODY_BYTES, Receive
from holdfast.web.shared_protocol import HEAD_COST
from tests.support.https import Client, Connection, Response
from tests.support.server import running

SMALL: Final = Budgets(connections=6, handshakes=4, requests=4, body_bytes=2 * MIB)

LARGE: Final = b"a" * (16 * MIB)


@dataclass
class Crowded:
    """A server whose requests wait for a gate, or for their bodies; an Authorization header proves any identity."""

    certificate: ServerCertificate
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    received: int = 0
    port: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> MutableMapping[str, Any]:
            message = await receive()
            self.received += len(message.get("body", b""))
            self.news.set()
            return message

        await Endpoint(self._handle)(scope, counted, send)

    async def _handle(self, exchange: Exchange) -> Reply:
        if who := exchange.headers.get(b"authorization"):
            exchange.proven(who)
        self.begun.append(exchange.raw_path.decode())
        self.news.set()
        if exchange.raw_path.startswith(b"/wait"):
            await self.gate.wait()
        if exchange.method == "PUT":
            await exchange.body(MAX_BODY_BYTES)
        return Reply(HTTPStatus.OK, LARGE if exchange.raw_path == b"/large" else b"{}")

    def as_(self, who: str | None) -> Client:
        return Client(self.port, self.certificate.ca_file, who)

    async def until(self, requests: int, *, received: int = 0) -> None:
        """Wait until so many requests have begun, and so many bytes of bodies have arrived."""
        async with asyncio.timeout(30):
            while len(self.begun) < requests or self.received < received:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def crowded(certificate: ServerCertificate, budgets: Budgets = SMALL) -> AsyncIterator[Crowded]:
    server = Crowded(certificate)
    async with running(server, certificate, budgets) as server.port:
        try:
            yield server
        finally:
            server.gate.set()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def asked(client: Client, connection: Connection, path: str = "/") -> Response:
    await connection.send(client.head("GET", path, {}, None))
    return await connection.response()


async def opened(stack: AsyncExitStack, client: Client, path: str | None = "/") -> Connection:
    connection = await stack.enter_async_context(client.connected())
    if path is not None:
        assert (await asked(client, connection, path)).status == 200
    return connection


async def test_i14_on_a_full_house_the_longest_idle_unproven_connection_goes(certificate: ServerCertificate) -> None:
    async with crowded(certificate) as server, AsyncExitStack() as stack:
        mine = server.as_("me")
        proven = await opened(stack, mine)
        idle = [await opened(stack, server.as_(None)) for _ in range(SMALL.connections - 1)]
        newcomer = await opened(stack, server.as_(None))
        assert await idle[0].ended()
        assert (await asked(server.as_(None), idle[1])).status == 200
        another = await opened(stack, server.as_(None))
        assert await idle[2].ended()
        for client, connection in ((mine, proven), (server.as_(None), newcomer), (server.as_(None), another)):
            assert (await asked(client, connection)).status == 200


async def test_i14_among_the_proven_whoever_holds_most_makes_room(certificate: ServerCertificate) -> None:
    async with crowded(certificate) as server, AsyncExitStack() as stack:
        few, many = server.as_("few"), server.as_("many")
        oldest = await opened(stack, few)
        held = [await opened(stack, many) for _ in range(SMALL.connections - 1)]
        await opened(stack, server.as_("third"))
        assert await held[0].ended()
        assert (await asked(few, oldest)).status == 200


async def test_i14_a_request_in_progress_keeps_its_connection(certificate: ServerCertificate) -> None:
    async with crowded(certificate) as server, AsyncExitStack() as stack:
        busy, idle = server.as_("busy"), server.as_("idle")
        working = await opened(stack, busy, None)
        await working.send(busy.head("GET", "/wait", {}, None))
        await server.until(1)
        for _ in range(3 * SMALL.connections):
            await opened(stack, idle)
        server.gate.set()
        assert (await working.response()).status == 200


async def test_i14_beyond_the_places_requests_are_refused_at_once_and_probes_answered(
    certificate: ServerCertificate,
) -> None:
    budgets = Budgets(connections=64, requests=8)
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        waiting = []
        for who in ("a", "b"):
            for number in range(budgets.requests // 2):
                connection = await opened(stack, server.as_(who))
                await connection.send(server.as_(who).head("GET", f"/wait/{who}{number}", {}, None))
                waiting.append(connection)
        await server.until(2 * budgets.requests)
        for path, code in (("/v1/secrets", "overloaded"), ("/secrets/a", "ServiceUnavailable")):
            refused = await server.as_("c").request("GET", path)
            assert refused.status == 503
            assert 1 <= int(refused.header("retry-after") or 0) <= 15
            assert code.encode() in refused.body
        for probe in ("/healthz", "/readyz", "/metrics"):
            assert (await server.as_(None).request("GET", probe)).status == 200
        assert "/secrets/a" not in server.begun
        server.gate.set()
        assert [(await connection.response()).status for connection in waiting] == [200] * budgets.requests
        assert (await server.as_("c").request("GET", "/")).status == 200


async def test_i14_one_identity_has_half_of_the_places(
    certificate: ServerCertificate, caplog: pytest.LogCaptureFixture
) -> None:
    budgets = Budgets(connections=64, requests=8)
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        greedy = server.as_("greedy")
        for _ in range(budgets.requests // 2):
            connection = await opened(stack, greedy, None)
            await connection.send(greedy.head("GET", "/wait", {}, None))
        await server.until(budgets.requests // 2)
        on_its_own = await opened(stack, greedy, None)
        assert (await asked(greedy, on_its_own)).status == 503
        assert (await asked(greedy, on_its_own)).status == 503
        assert sum("requests were refused" in record.message for record in caplog.records) == 1
        assert (await server.as_("other").request("GET", "/")).status == 200


async def test_i14_requests_begin_in_the_order_in_which_they_came(certificate: ServerCertificate) -> None:
    async with crowded(certificate, Budgets(requests=128)) as server, AsyncExitStack() as stack:
        client = server.as_("me")
        connections = [await opened(stack, client) for _ in range(40)]
        server.begun.clear()
        for number, connection in enumerate(connections):
            await connection.send(client.head("GET", f"/{number}", {}, None))
        assert [(await connection.response()).status for connection in connections] == [200] * 40
        assert server.begun == [f"/{number}" for number in range(40)]


async def test_i14_a_body_that_is_late_holds_no_place(certificate: ServerCertificate) -> None:
    budgets = Budgets(connections=64, requests=8)
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        slow = [server.as_(f"slow{number}") for number in range(budgets.requests)]
        connections = [await opened(stack, client, None) for client in slow]
        for number, (client, connection) in enumerate(zip(slow, connections, strict=True), start=1):
            await connection.send(client.head("PUT", "/", {}, 2) + b"{")
            await server.until(number)
        answer = await server.as_("other").request("GET", "/")
        while answer.status == 503:  # for as long as bodies are not late yet
            answer = await server.as_("other").request("GET", "/")
        assert answer.status == 200
        for connection in connections:
            await connection.send(b"}")
            assert (await connection.response()).status == 200


async def test_i14_bodies_share_a_bounded_memory(certificate: ServerCertificate) -> None:
    part = b"a" * (MAX_BODY_BYTES - 1)
    # Between four and eight of these fit, by how many pieces they come in.
    budgets = Budgets(connections=64, requests=64, body_bytes=16 * MAX_BODY_BYTES)
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        greedy, answers = server.as_("greedy"), dict[asyncio.Future[Response], Connection]()
        for _ in range(12):
            connection = await opened(stack, greedy)
            await connection.send(greedy.head("PUT", "/", {}, MAX_BODY_BYTES) + part)
            answers[asyncio.ensure_future(connection.response())] = connection
        while sum(answer.done() for answer in answers) < 4:
            await asyncio.wait([answer for answer in answers if not answer.done()], return_when="FIRST_COMPLETED")
        refused = [answer.result() for answer in answers if answer.done()]
        assert {answer.status for answer in refused} == {503}
        assert all(int(answer.header("retry-after") or 0) for answer in refused)
        assert (await server.as_("other").request("PUT", "/", part)).status == 200
        for answer, connection in answers.items():
            if not answer.done():
                with contextlib.suppress(ConnectionError):
                    await connection.send(b"a")
        statuses = [(await answer).status for answer in answers]
        assert 4 <= statuses.count(200) <= 8
        assert (await greedy.request("PUT", "/", part)).status == 200


async def test_i14_unfinished_heads_share_a_bounded_memory(certificate: ServerCertificate) -> None:
    budgets = Budgets(connections=64, body_bytes=1 * MIB)
    head = b"GET / HTTP/1.1\r\nX: " + b"a" * (16 * 1024)
    most = budgets.body_bytes // 2 // (HEAD_COST * len(head))
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        held = [await opened(stack, server.as_(None)) for _ in range(most + 1)]
        for connection in held:
            await connection.send(head)
        endings = [asyncio.ensure_future(connection.ended()) for connection in held]
        await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
        assert sum(ending.done() for ending in endings) == 1
        left = [connection for connection, ending in zip(held, endings, strict=True) if not ending.done()]
        for ending in endings:
            ending.cancel()
        await asyncio.wait(endings)
        for connection in left:
            await connection.send(b"\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await connection.response()).status == 200
        for _ in range(most):
            again = await opened(stack, server.as_(None))
            await again.send(head + b"\r\nHost: 127.0.0.1\r\n\r\n")
            assert (await again.response()).status == 200


async def test_i14_a_connection_that_takes_a_lot_of_memory_ends_with_its_answer(
    certificate: ServerCertificate,
) -> None:
    async with crowded(certificate) as server, AsyncExitStack() as stack:
        client = server.as_("me")
        connection = await opened(stack, client)
        body = b"a" * MAX_BODY_BYTES
        await connection.send(client.head("PUT", "/", {}, len(body)) + body)
        answer = await connection.response()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert await connection.ended()


async def test_i14_answers_that_are_not_taken_hold_their_places(certificate: ServerCertificate) -> None:
    budgets = Budgets(connections=64, requests=8)
    async with crowded(certificate, budgets) as server, AsyncExitStack() as stack:
        greedy = server.as_("greedy")
        for _ in range(64):
            connection = await opened(stack, greedy, None)
            await connection.send(greedy.head("GET", "/large", {}, None))
            if (await greedy.request("GET", "/")).status == 503:
                break
        else:
            pytest.fail("whoever takes no answers can ask for ever more of them")
        assert (await server.as_("other").request("GET", "/")).status == 200


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["silent", "half a ClientHello"])
async def test_i14_handshakes_in_progress_are_few_and_shut_nobody_out(
    certificate: ServerCertificate, sent: bytes
) -> None:
    async with crowded(certificate) as server:
        assert (await server.as_("me").request("GET", "/")).status == 200
        before = descriptors()
        peers = []
        for _ in range(40):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(sent)
            peers.append(writer)
        assert (await server.as_("me").request("GET", "/")).status == 200
        assert descriptors() <= before + len(peers) + SMALL.handshakes + 2
        for writer in peers:
            with contextlib.suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()
