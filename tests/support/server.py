"""A Holdfast server for tests: real TLS on a loopback port, in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from holdfast.crypto.certificates import ServerCertificate
from holdfast.web.budgets import Budgets
from holdfast.web.exchange import ASGIApp
from holdfast.web.server import listen, serve


@asynccontextmanager
async def running(app: ASGIApp, certificate: ServerCertificate, budgets: Budgets | None = None) -> AsyncIterator[int]:
    """The port that ``app`` is served on."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    chain = certificate.chain_file
    task = asyncio.ensure_future(
        serve(
            app,
            listen("127.0.0.1", 0),
            cert_file=chain,
            key_file=chain,
            budgets=budgets,
            on_started=started.set_result,
        )
    )
    try:
        task.add_done_callback(lambda done: started.done() or started.cancel())
        yield urlsplit(await started).port or 0
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
