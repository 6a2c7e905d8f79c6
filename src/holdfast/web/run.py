"""A node with its server: from settings to answered requests."""

import gc
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from holdfast.bootstrap import create_secrets_service
from holdfast.bootstrap.datafolder import TLS, check_data_folder
from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate
from holdfast.errors import ConfigurationError
from holdfast.resilience.clock import SystemClock
from holdfast.telemetry.cells import Cells
from holdfast.web.budgets import Budgets
from holdfast.web.compose import create_server_app
from holdfast.web.draining import Drain
from holdfast.web.server import listen, serve


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that takes connections. ``admin_token``: the only token of the first identity, to be shown once."""

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
    certificate, key = certificate_files(settings)
    drain = Drain(settings.drain)

    def started(url: str) -> None:
        # What the start has made stays to the end: the garbage collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        if on_started is not None:
            on_started(Serving(url, service.tenant, token))

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


def certificate_files(settings: Settings) -> tuple[Path, Path]:
    """Return certificate chain and key: the configured ones, or ones that the private CA in the data folder issues.

    Raises:
        ConfigurationError: one of the two is configured without the other.
        StartupError: others may change what is in the data folder.
    """
    if settings.tls_cert and settings.tls_key:
        return settings.tls_cert, settings.tls_key
    if settings.tls_cert or settings.tls_key:
        raise ConfigurationError(["HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY belong together: give both or neither"])
    check_data_folder(settings.data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # as a parent of the CA's it would be open
    made = ensure_server_certificate(tls_folder(settings), settings.tls_hosts, now=SystemClock().now())
    return made.chain_file, made.chain_file


def tls_folder(settings: Settings) -> Path:
    """Where the private CA lives; ``ca.pem`` in it is what clients trust."""
    return settings.data_dir / TLS
