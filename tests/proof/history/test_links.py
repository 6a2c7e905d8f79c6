"""Each way in which a link goes wrong, as both ends see it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.proof.history.links import CUT_AFTER, Link, Wrong, linked, to_port
from tests.support.relay import Streams

BIG = b"x" * (4 * CUT_AFTER)


class Echo:
    """A server that writes down what it hears and says it again."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.spoken = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                self.heard += data
                self.spoken.set()
                writer.write(data)
                await writer.drain()
        writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def link(echo: Echo) -> AsyncIterator[Link]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with linked(to_port(server.sockets[0].getsockname()[1])) as link:
        yield link
    server.close()
    await server.wait_closed()


async def said(streams: Streams, text: bytes) -> bytes:
    """What comes back, up to the end of the connection."""
    reader, writer = streams
    try:
        writer.write(text)
        await writer.drain()
        return await reader.readexactly(len(text))
    except asyncio.IncompleteReadError as error:
        return error.partial
    except OSError:
        return b""


Dial = Callable[[], Awaitable[Streams]]


@pytest.fixture
async def dial(link: Link) -> AsyncIterator[Dial]:
    """Open connections over the link; they are closed in the end."""
    writers: list[asyncio.StreamWriter] = []

    async def dial() -> Streams:
        streams = await asyncio.open_connection("127.0.0.1", link.port)
        writers.append(streams[1])
        return streams

    yield dial
    for writer in writers:
        writer.transport.abort()


async def test_a_link_that_is_well_passes_all(dial: Dial) -> None:
    assert await said(await dial(), BIG) == BIG


@pytest.mark.parametrize("wrong", [Wrong.REFUSE, Wrong.RESET])
async def test_connections_break(link: Link, dial: Dial, wrong: Wrong) -> None:
    streams = await dial()
    assert await said(streams, b"a") == b"a"
    link.fail(wrong)
    assert await said(streams, b"b") == b""
    assert await said(await dial(), b"c") == (b"c" if wrong is Wrong.RESET else b"")
    link.heal()
    assert await said(await dial(), b"d") == b"d"


@pytest.mark.parametrize("wrong", [Wrong.HANG, Wrong.LATE])
async def test_questions_arrive_afterwards(link: Link, dial: Dial, echo: Echo, wrong: Wrong) -> None:
    streams = await dial()
    link.fail(wrong)
    answer = asyncio.create_task(said(streams, b"late"))
    assert await said(streams, b"") == b""
    await asyncio.sleep(0.02)
    assert not echo.heard
    link.heal()
    assert await answer == b"late"


async def test_an_answer_is_lost_though_its_question_arrived(link: Link, dial: Dial, echo: Echo) -> None:
    streams = await dial()
    link.fail(Wrong.MUTE)
    answer = asyncio.create_task(said(streams, b"unknown"))
    await echo.spoken.wait()
    assert not answer.done()
    await asyncio.sleep(0.02)
    link.heal()
    assert await answer == b""
    assert echo.heard == b"unknown"


async def test_an_answer_is_cut(link: Link, dial: Dial) -> None:
    link.fail(Wrong.CUT)
    assert await said(await dial(), BIG) == BIG[:CUT_AFTER]


async def test_an_answer_drips(link: Link, dial: Dial) -> None:
    link.fail(Wrong.DRIP)
    streams = await dial()
    streams[1].write(BIG)
    assert 0 < len(await streams[0].read(65536)) < len(BIG)
