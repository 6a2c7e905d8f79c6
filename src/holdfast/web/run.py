"""A node with its server: from settings to answered requests."""

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
from holdfast.telemetry.cells import Cells
from holdfast.web.budgets import Budgets
from holdfast.web.compose import create_server_app
from holdfast.web.draining import Drain
from holdfast.web.server import listen, serve

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
"""Called once the server takes connections."""


async def run(
    settings: Settings,
    *,
    listener: socket.socket | None = None,
    on_started: OnServing | None = None,
    cells: Cells | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT. Where there is no identity yet, ``admin`` is made.

    ``listener``: a bound socket that this process shares with other workers; by default one of its own.
    ``cells``: where they all count.

    Raises:
        StartupError: this node cannot serve.
    """
    give_back_large_blocks()
    if is_azures_url(settings.resource):
        _log(Event.AZURE_NAMES_TAKEN, resource=settings.resource)
    certificate, key = certificate_files(settings)
    drain = Drain(settings.drain)

    def started(url: str) -> None:
        # What the start has made stays to the end: the garbage collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        if on_started is not None:
            on_started(Serving(url, settings.tenant_name or service.tenant, token))

    async with create_secrets_service(settings, cells=cells) as service:
        first = await service.identities.bootstrap()
        token = first.token if first else None
        await serve(
            create_server_app(service, settings, drain),
            listener or listen(settings.host, settings.port),
            cert_file=certificate,
            key_file=key,
            budgets=Budgets.of(settings),
            drain=drain,
            alone=listener is None,
            on_started=started,
        )
