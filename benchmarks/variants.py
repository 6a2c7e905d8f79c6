"""Servers to compare ``holdfast serve`` with: ``python -m benchmarks.variants NAME FILE WORKERS [LISTENER]``.

Settings come from the environment, as for ``holdfast serve``; FILE holds the answer that the first two give to every
request. LISTENER: the file descriptor of a socket that workers share.

    fixed        the HTTP stack and TLS alone
    recorded     the same, each answer withheld until a record is durable: grouped commits and nothing else
    unrecorded   the whole server with an audit log that keeps nothing
    inserting    the whole server with one INSERT per record
    unhooked     the whole server, recording as always, with no place for traces
    plain        the whole server, recording as always, without TLS; no setting leads there
"""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any, cast

import uvicorn
import uvloop

from benchmarks.stage import CLIENT, Inserting, Nowhere, logging_to, open_parts
from holdfast import create_secrets_service
from holdfast.bootstrap.tls import certificate_files
from holdfast.config import Settings
from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.policy import Caller
from holdfast.ports import AuditLog
from holdfast.service.audit.sequencer import AuditTrail
from holdfast.stores.postgres.database import Database
from holdfast.telemetry.recorder import Counted, Recorder
from holdfast.web.compose import create_server_app
from holdfast.web.draining import Drain
from holdfast.web.exchange import ASGIApp
from holdfast.web.protocol import BoundedProtocol, ServerState
from holdfast.web.run import run
from holdfast.web.server import KEEP_ALIVE_S, listen, serve, url_of

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


async def _append(trail: AuditTrail, record: AuditRecord) -> None:
    """As ``AuditTrail.append`` would be if nobody had ever thought of traces."""
    if trail._loop is None:  # noqa: SLF001 - in its place
        trail._loop = asyncio.get_running_loop()  # noqa: SLF001
    waiter = trail._loop.create_future()  # noqa: SLF001
    trail._records.append(record)  # noqa: SLF001
    trail._waiters.append(waiter)  # noqa: SLF001
    trail._start()  # noqa: SLF001
    await waiter


def _unhook() -> None:
    """Take away, in this process, what a cached read has for traces."""
    setattr(AuditTrail, "append", _append)  # noqa: B010 - mypy knows no other way to say so
    setattr(Recorder, "reading", lambda recorder: Counted(recorder.cells.own))  # noqa: B010


@asynccontextmanager
async def _app(variant: str, settings: Settings, answer: bytes) -> AsyncIterator[ASGIApp]:
    if variant == "fixed":
        yield _answering(answer)
    elif variant == "plain":
        async with create_secrets_service(settings) as service:
            yield create_server_app(service, settings)
    elif variant == "recorded":
        async with _recorded(settings, answer) as app:
            yield app
    else:
        async with logging_to(settings, _LOGS[variant]) as service:
            yield create_server_app(service, settings)


async def _main(variant: str, answer: str, workers: str, inherited: str | None = None) -> None:
    settings = Settings.from_environ()
    if variant == "unhooked":
        _unhook()
        await run(settings, on_started=lambda serving: _announce(serving.url))
        return
    certificate, key = certificate_files(settings)
    listener = socket.socket(fileno=int(inherited)) if inherited else listen("127.0.0.1", 0)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(_app(variant, settings, Path(answer).read_bytes()))
        if int(workers) > 1:
            await stack.enter_async_context(_other_worker(variant, answer, int(workers) - 1, listener.fileno()))
        if variant == "plain":
            await _serve_plainly(app, listener)
        else:
            await serve(app, listener, cert_file=certificate, key_file=key, on_started=_announce)


def _announce(url: str) -> None:
    print(json.dumps({"url": url}), flush=True)


@asynccontextmanager
async def _other_worker(variant: str, answer: str, workers: int, listener: int) -> AsyncIterator[None]:
    arguments = ["-m", "benchmarks.variants", variant, answer, str(workers), str(listener)]
    other = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.PIPE, pass_fds=[listener]
    )
    try:
        await cast("asyncio.StreamReader", other.stdout).readline()  # it takes connections
        yield
    finally:
        other.terminate()
        await other.wait()


async def _serve_plainly(app: ASGIApp, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    state = ServerState(Drain())
    state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = await loop.create_server(
        lambda: BoundedProtocol(config=config, server_state=state, app_state={}), sock=listener
    )
    _announce(url_of(listener).replace("https:", "http:"))
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
