"""Answers of others, of bounded size."""

import aiohttp


async def read_whole(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body of an answer.

    Raises:
        aiohttp.ClientPayloadError: it is longer than ``limit`` bytes; the rest is not read.
    """
    raw = bytearray()
    async for chunk in answer.content.iter_any():
        raw += chunk
        if len(raw) > limit:
            raise aiohttp.ClientPayloadError
    return bytes(raw)
