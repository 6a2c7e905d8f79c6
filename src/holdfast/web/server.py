"""Runs the application over TLS until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, cast

import uvicorn

from holdfast.errors import StartupError
from holdfast.resilience.tasks import first_of
from holdfast.web.budgets import Budgets
from holdfast.web.doorway import Doorway
from holdfast.web.draining import Drain
from holdfast.web.exchange import ASGIApp
from holdfast.web.shared_protocol import SharedProtocol
from holdfast.web.shared_state import SharedState

BACKLOG: Final = 1024
KEEP_ALIVE_S: Final = 75
"""Seconds that an idle connection is kept; longer than clients keep theirs, so that they close first."""

FINISH_S: Final = 10
"""Seconds for requests in progress to end when the server stops."""

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else anyway."""

OnStarted = Callable[[str], None]


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    cert_file: Path,
    key_file: Path,
    budgets: Budgets | None = None,
    drain: Drain | None = None,
    alone: bool = True,
    opened: asyncio.Event | None = None,
    on_started: OnStarted | None = None,
) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, or until cancelled; requests in progress are finished first.

    SIGTERM lets it drain before that, SIGINT does not: then a person waits. ``alone``: nobody else accepts connections
    from ``listener``, so it does so to the end. ``opened``: is waited for before any connection is accepted.
    ``on_started`` gets the URL once they are.

    Raises:
        StartupError: the certificate cannot be used.
    """
    with contextlib.closing(listener):
        context = tls_context(cert_file, key_file)
        state = SharedState(drain or Drain(), budgets or Budgets())
        server = _Server(_config(app, context), state, url_of(listener), on_started, alone=alone, opened=opened)
        running = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            server.stop()
            await running
            raise


def tls_context(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    """Return a context that speaks TLS 1.3 and 1.2, as Key Vault does.

    Raises:
        StartupError: the files are missing, unreadable or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_password)
    except (OSError, ValueError) as error:
        raise StartupError(
            f"The TLS certificate {cert_file} and its key {key_file} cannot be used ({error}); "
            "give a readable PEM chain and its unencrypted key."
        ) from error
    return context


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handling.

    uvicorn raises the signal again when it has drained, which would end the process before the service has closed.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        state: SharedState,
        url: str,
        on_started: OnStarted | None,
        *,
        alone: bool,
        opened: asyncio.Event | None,
    ) -> None:
        super().__init__(config)
        self._opened, self._told_to_stop = opened, asyncio.Event()
        self.server_state = self._state = state
        self._drain, self._url, self._on_started, self._alone = state.drain, url, on_started, alone
        self._doorways: list[Doorway] = []

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT; a second one does not wait for requests in progress."""
        loop = asyncio.get_running_loop()
        caught = []
        for number, stop in ((signal.SIGTERM, self._stop_gently), (signal.SIGINT, self.stop)):
            # Off the main thread there are no signals; whoever runs us there cancels instead.
            with contextlib.suppress(ValueError, RuntimeError):
                loop.add_signal_handler(number, stop)
                caught.append(number)
        try:
            yield
        finally:
            for number in caught:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept connections and say so."""
        context, self.servers = cast("ssl.SSLContext", self.config.ssl), []
        if self._opened is not None:
            await first_of(self._opened.wait(), self._told_to_stop.wait())
            if self.should_exit:
                return
        for listener in sockets or ():
            doorway = Doorway(listener, context, self._connection, self._state.budgets.handshakes)
            doorway.open(BACKLOG)
            self._doorways.append(doorway)
        self.started = True
        if self._on_started is not None:
            self._on_started(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and finish what is in progress."""
        for doorway in self._doorways:
            doorway.close()
            await doorway.wait_closed()
        await super().shutdown(sockets)

    def _connection(self) -> SharedProtocol:
        return SharedProtocol(config=self.config, server_state=self.server_state, app_state={})

    def _stop_gently(self) -> None:
        if self._drain.begun:
            self.stop()
            return
        self._drain.begun = True
        if not self._alone:
            for doorway in self._doorways:
                doorway.close()
        asyncio.get_running_loop().call_later(self._drain.patience.total_seconds(), self.stop)

    def stop(self) -> None:
        """Take no more connections; told so a second time, do not wait for requests in progress."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._told_to_stop.set()


def _config(app: ASGIApp, context: ssl.SSLContext) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=SharedProtocol,
        ws="none",
        loop="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=FINISH_S,
        ssl_context_factory=lambda _config, _default: context,
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address, for ``serve``; port 0 picks a free one.

    Raises:
        StartupError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it. Without it the second part of an answer waits for an acknowledgement of
        # the first, which clients delay by 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"Cannot listen on {host} port {port} ({error.strerror or error}); "
            "stop what is listening there or choose another HOLDFAST_HOST or HOLDFAST_PORT."
        ) from error
    listener.setblocking(False)
    return listener


def url_of(listener: socket.socket) -> str:
    """The address that clients on this machine reach a bound socket under."""
    host, port = listener.getsockname()[:2]
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"


def _no_password() -> str:
    # Without this, OpenSSL asks for a password on the terminal.
    raise ValueError("the key is encrypted")
