"""Asks an ASGI application directly, where the connection does not matter."""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

from holdfast.web.exchange import ASGIApp
from tests.support.https import Client

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]
"""Status, headers but for the request id, body."""


async def ask(
    app: ASGIApp, client: Client, target: str, headers: Mapping[str, str], *, method: str = "GET", body: bytes = b""
) -> Answer:
    """What the application answers to a request of ``client``."""
    path, _, query = target.partition("?")
    usual = {"host": client.authority, "authorization": f"Bearer {client.token}"}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {**usual, **headers}.items()],
        "client": ("127.0.0.1", 1),
    }
    sent: list[MutableMapping[str, Any]] = []

    bodies = [body]

    async def receive() -> MutableMapping[str, Any]:
        if not bodies:
            await asyncio.Event().wait()  # the client stays
        return {"type": "http.request", "body": bodies.pop()}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, *parts = sent
    kept = [header for header in start["headers"] if header[0] != b"x-ms-request-id"]
    return start["status"], kept, b"".join(part["body"] for part in parts)
