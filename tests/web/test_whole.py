"""An answer in one piece is the answer that would have gone over ASGI."""

import asyncio

import pytest

from holdfast.crypto.certificates import ServerCertificate
from holdfast.web.endpoint import Endpoint
from holdfast.web.exchange import Exchange, Reply, Scope, Send
from holdfast.web.limits import Receive
from holdfast.web.whole import WHOLE
from tests.support.https import Client, Response
from tests.support.server import running

ANSWER = Reply(200, b'{"value":"x"}', ((b"x-holdfast-source", b"cache"),))


async def answer(exchange: Exchange) -> Reply:
    return ANSWER


async def over_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["extensions"].pop(WHOLE)
    await Endpoint(answer)(scope, receive, send)


def alike(response: Response) -> tuple[int, list[tuple[str, str]], bytes]:
    kept = [header for header in response.headers if header[0] not in {"date", "x-ms-request-id"}]
    return response.status, kept, response.body


@pytest.mark.parametrize("headers", [{}, {"connection": "close"}, {"x-ms-client-request-id": "mine"}])
async def test_both_ways_give_the_same_answer(certificate: ServerCertificate, headers: dict[str, str]) -> None:
    async with running(Endpoint(answer), certificate) as whole, running(over_asgi, certificate) as parts:
        one = await Client(whole, certificate.ca_file).request("GET", "/", headers=headers)
        other = await Client(parts, certificate.ca_file).request("GET", "/", headers=headers)
    assert alike(one) == alike(other)
    assert one.body == ANSWER.body
    assert all(each.header("date") for each in (one, other))


async def test_one_write_makes_an_answer(certificate: ServerCertificate) -> None:
    writes: list[bytes] = []

    class Watching:
        def __init__(self, transport: asyncio.Transport) -> None:
            self._transport = transport
            self.close = transport.close

        def write(self, data: bytes) -> None:
            writes.append(data)
            self._transport.write(data)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        cycle = scope["extensions"][WHOLE].args[0]
        cycle.transport = Watching(cycle.transport)
        await Endpoint(answer)(scope, receive, send)

    async with running(watched, certificate) as port:
        assert (await Client(port, certificate.ca_file).request("GET", "/")).body == ANSWER.body
    assert len(writes) == 1


async def test_a_head_has_no_body(certificate: ServerCertificate) -> None:
    async with running(Endpoint(answer), certificate) as port:
        client = Client(port, certificate.ca_file)
        async with client.connected() as connection:
            for _ in range(2):  # a body that is sent all the same would spoil the second answer
                await connection.send(client.head("HEAD", "/", {}, None))
                response = await connection.response(to="HEAD")
                assert (response.status, response.header("content-length")) == (200, "13")


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb"])
async def test_i14_no_header_is_made_into_two(certificate: ServerCertificate, value: bytes) -> None:
    async def split(exchange: Exchange) -> Reply:
        return Reply(200, b"{}", ((b"x-name", value),))

    async with running(Endpoint(split), certificate) as port:
        response = await Client(port, certificate.ca_file).request("GET", "/")
    assert response.status == 500
    assert response.header("set-cookie") is None
