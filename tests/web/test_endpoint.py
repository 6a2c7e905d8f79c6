"""I14: no operation takes for ever."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from holdfast.web.endpoint import Endpoint
from holdfast.web.exchange import Exchange, Reply

SCOPE = {"type": "http", "method": "GET", "raw_path": b"/", "query_string": b"", "headers": []}


async def answered(endpoint: Endpoint) -> tuple[int, bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await endpoint(dict(SCOPE), receive, send)
    return sent[0]["status"], sent[1]["body"]


async def test_i14_what_takes_too_long_is_given_up_and_answered() -> None:
    given_up = False

    async def endless(_: Exchange) -> Reply:
        nonlocal given_up
        try:
            await asyncio.Event().wait()
        finally:
            given_up = True
        raise AssertionError

    status, body = await answered(Endpoint(endless, patience_s=0.01))
    assert (status, given_up) == (503, True)
    assert b"given up" in body


@pytest.mark.parametrize("error", [TimeoutError("of its own"), ValueError("x")])
async def test_an_error_of_the_operation_itself_is_not_taken_for_that(error: Exception) -> None:
    async def failing(_: Exchange) -> Reply:
        raise error

    assert (await answered(Endpoint(failing)))[0] == 500
