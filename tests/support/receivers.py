"""A real receiver of notices over HTTPS, that keeps what it takes."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Receiver:
    """``status``: what it answers. ``taken``: headers and documents that it answered 2xx."""

    origin: str = ""
    status: int = 204
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    asked: int = 0

    async def receive(self, request: web.Request) -> web.Response:
        """Take a message, or do not."""
        self.asked += 1
        body = await request.read()
        if 200 <= self.status < 300:
            self.taken.append(({name.lower(): value for name, value in request.headers.items()}, body))
        headers = {"location": f"{self.origin}/elsewhere"} if 300 <= self.status < 400 else {}
        return web.Response(status=self.status, headers=headers)

    @property
    def documents(self) -> list[Any]:
        """What was taken."""
        return [json.loads(body) for _, body in self.taken]


@asynccontextmanager
async def receiving(context: ssl.SSLContext) -> AsyncIterator[Receiver]:
    """A running receiver on loopback, at every path."""
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/{path:.*}", receiver.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    receiver.origin = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()
