"""The ceiling of the server: the same HTTP stack and TLS, answering every request with the bytes in a file.

``python -m benchmarks.fixed FILE``; settings come from the environment, as for ``holdfast serve``.
"""

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from holdfast.config import Settings
from holdfast.web.exchange import ASGIApp
from holdfast.web.run import certificate_files
from holdfast.web.server import listen, serve


def answering(body: bytes) -> ASGIApp:
    """Return an application that does nothing but answer."""
    headers = [(b"content-type", b"application/json; charset=utf-8"), (b"content-length", str(len(body)).encode())]

    async def answer(_scope: Any, _receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer


async def _main(body: bytes) -> None:
    certificate, key = certificate_files(Settings.from_environ())
    await serve(
        answering(body),
        listen("127.0.0.1", 0),
        cert_file=certificate,
        key_file=key,
        on_started=lambda url: print(json.dumps({"url": url}), flush=True),
    )


if __name__ == "__main__":
    uvloop.run(_main(Path(sys.argv[1]).read_bytes()))
