"""The border below HTTP semantics: framing, sizes, slowness, silence."""

import asyncio
import ssl

import pytest

from holdfast.errors import SecretNotFound
from holdfast.web import limits, protocol
from tests.support.https import Client
from tests.web.conftest import Stubbed

GET = "GET /secrets/a1?api-version=7.4 HTTP/1.1\r\n"
PUT = "PUT /secrets/a1?api-version=7.4 HTTP/1.1\r\n"


def with_login(client: Client, start: str, *headers: str) -> bytes:
    lines = (f"Host: {client.authority}", f"Authorization: Bearer {client.token}", *headers)
    return (start + "\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: +5",),
        ("Content-Length: -1",),
        ("Content-Length: 5,6",),
        ("Content-Length: 99999999999999999999999",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length : 5",),
        ("Bad Header: x",),
        ("X-Null: a\0b",),
        ("no colon",),
        (" folded: x",),
    ],
)
async def test_ambiguous_framing_is_refused_and_the_connection_closed(
    stubbed: Stubbed, headers: tuple[str, ...]
) -> None:
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, PUT, *headers))
        answer = await connection.response()
        assert (answer.status, answer.codes) == (400, ("BadParameter", None))
        assert await connection.ended()


@pytest.mark.parametrize(
    "start",
    ["GARBAGE\r\n", "GET\r\n", "GET  HTTP/1.1\r\n", "G\0T / HTTP/1.1\r\n", "GET / HTTP/9.9\r\n"],
)
async def test_what_is_not_http_is_refused(stubbed: Stubbed, start: str) -> None:
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, start))
        assert (await connection.response()).status == 400
        assert await connection.ended()


@pytest.mark.parametrize(
    "head",
    [
        "GET /" + "a" * protocol.MAX_HEAD_BYTES + " HTTP/1.1\r\n\r\n",
        GET + "X: " + "a" * protocol.MAX_HEAD_BYTES + "\r\n\r\n",
        GET + "X: a\r\n" * (protocol.MAX_HEADERS + 1) + "\r\n",
        GET + "X: " + "a" * 10 * protocol.MAX_HEAD_BYTES,
    ],
    ids=["path", "header", "headers", "unfinished"],
)
async def test_i14_a_head_is_bounded(stubbed: Stubbed, head: str) -> None:
    async with stubbed.client.connected() as connection:
        await connection.send(head.encode())
        answer = await connection.response()
        assert (answer.status, answer.codes) == (431, ("BadParameter", None))
        assert await connection.ended()


async def test_pipelined_requests_are_answered_in_order(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    one, two = (with_login(stubbed.client, GET, f"x-ms-client-request-id: {each}") for each in ("one", "two"))
    async with stubbed.client.connected() as connection:
        await connection.send(one + b"\r\n" + two)
        assert (await connection.response()).header("x-ms-client-request-id") == "one"
        assert (await connection.response()).header("x-ms-client-request-id") == "two"


async def test_i14_few_requests_wait_on_one_connection(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    request = with_login(stubbed.client, GET)
    async with stubbed.client.connected() as connection:
        await connection.send(request * (1 + protocol.MAX_WAITING))
        for _ in range(1 + protocol.MAX_WAITING):
            assert (await connection.response()).status == 404
        await connection.send(request * (2 + protocol.MAX_WAITING))
        assert (await connection.response()).status == 404
        assert await connection.ended()


async def test_a_request_before_a_malformed_one_gets_its_own_answer(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, GET) + b"GARBAGE\r\n\r\n")
        assert (await connection.response()).status == 404
        assert await connection.ended()


@pytest.mark.parametrize("protocol_name", ["websocket", "h2c", "anything"])
async def test_a_connection_ends_after_an_upgrade_that_nobody_speaks(
    stubbed: Stubbed, caplog: pytest.LogCaptureFixture, protocol_name: str
) -> None:
    stubbed.service.error = SecretNotFound("x")
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, GET, "Connection: Upgrade", f"Upgrade: {protocol_name}"))
        answer = await connection.response()
        assert (answer.status, answer.header("connection")) == (404, "close")
        assert await connection.ended()
    assert not [record for record in caplog.records if record.name.startswith("uvicorn")]


async def test_an_unread_body_is_not_taken_for_a_request(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    smuggled = with_login(stubbed.client, "DELETE /secrets/a1?api-version=7.4 HTTP/1.1\r\n")
    outer = f"PUT /secrets/a1 HTTP/1.1\r\nHost: {stubbed.client.authority}\r\nContent-Length: {len(smuggled)}\r\n\r\n"
    async with stubbed.client.connected() as connection:
        await connection.send(outer.encode() + smuggled + with_login(stubbed.client, GET))
        assert (await connection.response()).status == 401
        assert (await connection.response()).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH"])
async def test_bodies_are_bounded_by_their_own_account(stubbed: Stubbed, method: str) -> None:
    if method == "GET":
        stubbed.service.error = SecretNotFound("x")
    start = f"{method} /secrets/a1?api-version=7.4 HTTP/1.1\r\n"
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, start, f"Content-Length: {limits.MAX_BODY_BYTES + 1}"))
        answer = await connection.response()
        if method == "GET":
            assert answer.status == 404
        else:
            assert (answer.status, answer.codes) == (413, ("RequestEntityTooLarge", None))
            assert answer.header("connection") == "close"
            assert await connection.ended()


async def test_bodies_are_bounded_in_fact(stubbed: Stubbed) -> None:
    chunk = b"8000\r\n" + b"a" * 0x8000 + b"\r\n"
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, PUT, "Transfer-Encoding: chunked"))
        for _ in range(limits.MAX_BODY_BYTES // 0x8000 + 1):
            await connection.send(chunk)
        assert (await connection.response()).status == 413


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_compressed_bodies_are_refused(stubbed: Stubbed, coding: str) -> None:
    answer = await stubbed.client.request(
        "PUT", "/secrets/a1?api-version=7.4", b"x", headers={"Content-Encoding": coding}
    )
    assert (answer.status, answer.codes) == (415, ("UnsupportedMediaType", None))


async def test_slow_heads_slow_bodies_and_silence_end(stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.1)
    monkeypatch.setattr(limits, "BODY_PATIENCE_S", 0.1)
    async with stubbed.client.connected() as silent:
        assert await silent.ended()
    async with stubbed.client.connected() as slow:
        await slow.send(GET.encode())
        assert await slow.ended()
    async with stubbed.client.connected() as slow:
        await slow.send(with_login(stubbed.client, PUT, "Content-Length: 5") + b"{")
        answer = await slow.response()
        assert (answer.status, answer.codes) == (408, ("RequestTimeout", None))
        assert await slow.ended()


async def test_stray_line_ends_between_requests_do_not_hold_a_connection(
    stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stubbed.service.error = SecretNotFound("x")
    async with stubbed.client.connected() as connection:
        await connection.send(with_login(stubbed.client, GET))
        await connection.response()
        monkeypatch.setattr(protocol, "HEAD_PATIENCE_S", 0.1)
        await connection.send(b"\r\n")
        assert await connection.ended()


async def test_old_tls_is_refused(stubbed: Stubbed) -> None:
    context = ssl.create_default_context(cafile=str(stubbed.client.ca_file))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    _, writer = await asyncio.open_connection("127.0.0.1", stubbed.client.port, ssl=context)
    cipher, _, _ = writer.get_extra_info("cipher")
    assert "GCM" in cipher or "CHACHA20" in cipher
    writer.transport.abort()
    context.set_ciphers("AES128-SHA256:@SECLEVEL=0")
    with pytest.raises((ConnectionError, ssl.SSLError)):
        await asyncio.open_connection("127.0.0.1", stubbed.client.port, ssl=context)


async def test_plain_http_gets_no_answer(stubbed: Stubbed) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stubbed.client.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        assert b"HTTP" not in await reader.read(100)
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()


async def test_answers_carry_the_usual_headers_and_no_servers_name(stubbed: Stubbed) -> None:
    stubbed.service.error = SecretNotFound("x")
    ids = set()
    for given, echoed in (("my-id", "my-id"), ("x" * 200, None), ("", None)):
        answer = await stubbed.client.request(
            "GET", "/secrets/x?api-version=7.4", headers={"x-ms-client-request-id": given}
        )
        assert answer.header("x-ms-client-request-id") == echoed
        assert "no-store" in (answer.header("cache-control") or "")
        assert answer.header("x-content-type-options") == "nosniff"
        assert answer.header("strict-transport-security")
        assert answer.header("server") is None
        ids.add(answer.header("x-ms-request-id"))
    assert len(ids) == 3
