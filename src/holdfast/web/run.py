"""A node with its server: from settings to answered requests."""

import asyncio
import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from holdfast.bootstrap import create_secrets_service
from holdfast.bootstrap.tls import certificate_files
from holdfast.config import Settings
from holdfast.config.azure_names import is_azures_url
from holdfast.resilience.allocator import give_back_large_blocks
from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import first_of
from holdfast.service.manager import SecretsService
from holdfast.telemetry.cells import Cells
from holdfast.web.budgets import Budgets
from holdfast.web.compose import create_server_app
from holdfast.web.draining import Drain
from holdfast.web.server import listen, serve
from holdfast.web.waiting import Porch, come_up

_log: Final = Log(__name__)


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that takes connections.

    ``tenant``: what clients call its tenant. ``admin_token``: the only token of the first identity, to be shown once.
    """

    url: str
    tenant: str
    admin_token: str | None = field(default=None, repr=False)


OnServing: TypeAlias = Callable[[Serving], None]
"""Called once the server takes connections, and answers."""


async def run(
    settings: Settings,
    *,
    listener: socket.socket | None = None,
    first: bool = True,
    on_started: OnServing | None = None,
    cells: Cells | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Where there is no identity yet, ``admin`` is made.

    While PostgreSQL is not there for a start, this node waits for it, alive and not ready.

    ``listener``: a bound socket that this process shares with other workers; by default one of its own.
    ``first``: none of those answers yet, so that this one says what it waits for.
    ``cells``: where they all count.

    Raises:
        StartupError: this node cannot serve, and no waiting would change that.
    """
    give_back_large_blocks()
    if is_azures_url(settings.resource):
        _log(Event.AZURE_NAMES_TAKEN, resource=settings.resource)
    certificate, key = certificate_files(settings)
    # Until the start there is nothing to drain.
    drain, porch, accepting = Drain(), Porch(early=first), asyncio.get_running_loop().create_future()
    service = create_secrets_service(settings, cells=cells)
    serving = asyncio.ensure_future(
        serve(
            porch,
            listener or listen(settings.host, settings.port),
            cert_file=certificate,
            key_file=key,
            budgets=Budgets.of(settings),
            drain=drain,
            alone=listener is None,
            opened=porch.opened,
            on_started=accepting.set_result,
        )
    )

    async def up() -> None:
        token = await _started(service, porch)
        porch.lead_to(create_server_app(service, settings, drain))
        drain.patience = settings.drain
        url = await accepting
        # What the start has made stays to the end: the garbage collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        if on_started is not None:
            on_started(Serving(url, settings.tenant_name or service.tenant, token))

    try:
        await first_of(asyncio.shield(serving), up())
        await serving
    finally:
        serving.cancel()
        await asyncio.wait({serving})
        await service.aclose()


async def _started(service: SecretsService, porch: Porch) -> str | None:
    """Start the service; returns the token of the identity that is made where there is none."""
    token = None

    async def start() -> None:
        nonlocal token
        await service.initialize()
        first = await service.identities.bootstrap()
        token = first.token if first else None

    await come_up(start, porch)
    return token
