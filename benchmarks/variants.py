"""Servers to compare ``holdfast serve`` with: ``python -m benchmarks.variants NAME FILE``.

Settings come from the environment, as for ``holdfast serve``; FILE holds the answer that the first two give to every
request.

    fixed        the HTTP stack and TLS alone
    recorded     the same, each answer withheld until a record is durable: grouped commits and nothing else
    unrecorded   the whole server with an audit log that keeps nothing
    inserting    the whole server with one INSERT per record
"""

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.stage import CLIENT, Inserting, Nowhere, logging_to, open_parts
from holdfast.config import Settings
from holdfast.domain.audit import record_of
from holdfast.domain.policy import Caller
from holdfast.ports import AuditLog
from holdfast.stores.postgres.database import Database
from holdfast.web.compose import create_server_app
from holdfast.web.exchange import ASGIApp
from holdfast.web.run import certificate_files
from holdfast.web.server import listen, serve

_LOGS: dict[str, Callable[[Database], AuditLog]] = {"unrecorded": Nowhere, "inserting": Inserting}


async def _nothing() -> None:
    pass


def _answering(answer: bytes, first: Callable[[], Awaitable[None]] = _nothing) -> ASGIApp:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = (line.partition(b": ") for line in head.split(b"\r\n")[1:])
    headers = [(name, value) for name, _, value in lines if name != b"date"]  # the stack adds that itself

    async def app(_scope: Any, _receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        await first()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


@asynccontextmanager
async def _recorded(settings: Settings, answer: bytes) -> AsyncIterator[ASGIApp]:
    async with AsyncExitStack() as stack:
        _, parts = await open_parts(stack, settings)

        async def first() -> None:
            await parts.trail.append(record_of(Caller(CLIENT), "get", "secret-000", parts.clock.now()))

        yield _answering(answer, first)


@asynccontextmanager
async def _app(variant: str, settings: Settings, answer: bytes) -> AsyncIterator[ASGIApp]:
    if variant == "fixed":
        yield _answering(answer)
    elif variant == "recorded":
        async with _recorded(settings, answer) as app:
            yield app
    else:
        async with logging_to(settings, _LOGS[variant]) as service:
            yield create_server_app(service, settings)


async def _main(variant: str, answer: Path) -> None:
    settings = Settings.from_environ()
    certificate, key = certificate_files(settings)
    async with _app(variant, settings, answer.read_bytes()) as app:
        await serve(
            app,
            listen("127.0.0.1", 0),
            cert_file=certificate,
            key_file=key,
            on_started=lambda url: print(json.dumps({"url": url}), flush=True),
        )


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], Path(sys.argv[2])))
