"""Answers that come in parts."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest

from holdfast.web.exchange import Exchange, Reply


class Wire:
    """What goes over a connection, on which the client leaves when told to."""

    def __init__(self) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.left = asyncio.Event()
        scope = {"method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}
        self.exchange = Exchange(scope, self._receive, self._send)

    async def _receive(self) -> MutableMapping[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.append(message)
        await asyncio.sleep(0)

    async def answer(self, parts: AsyncIterator[bytes]) -> bytes:
        """The body that is sent."""
        await self.exchange.send(Reply(200, None, more=parts))
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def complete(self) -> bool:
        """Whether the client can take the answer for whole."""
        return not self.sent[-1].get("more_body", False)


async def test_parts_are_sent_as_they_come() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    wire = Wire()
    assert await wire.answer(parts()) == b"onetwo"
    assert wire.complete
    assert b"content-length" not in dict(wire.sent[0]["headers"])


async def test_i13_an_answer_that_breaks_off_does_not_look_whole(caplog: pytest.LogCaptureFixture) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        raise ValueError("marked-detail")

    wire = Wire()
    assert await wire.answer(parts()) == b"one"
    assert not wire.complete
    assert "ValueError" in caplog.text
    assert "marked-detail" not in caplog.text


async def test_nothing_is_read_for_a_client_that_has_left() -> None:
    wire, read = Wire(), 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            if read == 3:
                wire.left.set()
                await asyncio.sleep(0.01)
            yield b"x"

    async with asyncio.timeout(10):
        await wire.answer(parts())
    assert read == 3
    assert not wire.complete
