"""The agent as a process: the endpoint from its start to its end, and the program that is run with it, if any."""

import asyncio
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from holdfast.agent import environment
from holdfast.agent.asking import Holdfast
from holdfast.agent.credentials import Source
from holdfast.agent.endpoint import IdentityEndpoint, Terms
from holdfast.agent.keeping import Tokens
from holdfast.agent.listening import bound, listening
from holdfast.agent.platform import Platform
from holdfast.errors import BackendUnavailable, InvalidInput, StartupError
from holdfast.resilience.clock import SystemClock

SECRET_BYTES: Final = 32
_HANDED_ON: Final = (signal.SIGTERM, signal.SIGINT, *((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an agent is to do. ``platform``: who is asked for what is not Holdfast's; None: no one."""

    address: str
    source: Source
    ca_file: Path | None = None
    port: int = 0
    resources: Collection[str] = ()
    aliases: Collection[str] = ()
    platform: Platform | None = None


@asynccontextmanager
async def serving(plan: Plan, say: Callable[[str], None]) -> AsyncIterator[dict[str, str]]:
    """Serve, and give the variables that a program needs to ask. The secret in them is another one at each start.

    Raises:
        ConfigurationError: there is no credential.
        Unauthenticated: Holdfast refuses it.
        StartupError: the port cannot be had.
    """
    listener = _bound(plan.port)
    port, secret = listener.getsockname()[1], secrets.token_urlsafe(SECRET_BYTES)
    terms = Terms(port=port, secret=secret, address=plan.address, resources=plan.resources, aliases=plan.aliases)
    with listener:
        async with Holdfast(plan.address, ca_file=plan.ca_file) as server:
            tokens = Tokens(server, plan.source, SystemClock())
            try:
                await _tried(tokens, plan, say)
                async with listening(listener, IdentityEndpoint(terms, tokens, plan.platform).answer):
                    yield environment.variables(port, secret)
            finally:
                await tokens.aclose()


def _bound(port: int) -> socket.socket:
    try:
        return bound(port)
    except OSError as error:
        raise StartupError(f"The identity endpoint cannot listen on port {port} ({error.strerror}).") from None


async def _tried(tokens: Tokens, plan: Plan, say: Callable[[str], None]) -> None:
    """Get one token, so that a wrong credential is told now and not to the first program. An outage is waited out."""
    for resource in plan.resources or _likely(plan.address):
        try:
            await tokens.get(resource)
        except InvalidInput as error:
            if error.field != "resource":
                raise
        except BackendUnavailable as error:
            say(f"{error} The endpoint starts all the same, and goes on asking.")
            return
        else:
            return
    say(f"{plan.address} gives no token for any resource that it might have: name it with --resource.")


def _likely(address: str) -> list[str]:
    """The resources that a server may have: its own address, and those of the domains above it."""
    labels = urlsplit(address).netloc.split(".")
    return [f"https://{'.'.join(labels[at:])}" for at in range(max(len(labels) - 1, 1))]


async def serve_until_stopped(
    plan: Plan, env_file: Path, say: Callable[[str], None], on_started: Callable[[Mapping[str, str]], None]
) -> None:
    """Serve until SIGTERM or SIGINT; ``env_file`` holds the variables meanwhile. See ``serving`` for what is raised."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # Windows, where Ctrl-C ends the loop itself
            loop.add_signal_handler(number, stop.set)
    async with serving(plan, say) as given:
        try:
            environment.write(env_file, given)
        except OSError as error:
            raise StartupError(f"{env_file} cannot be written ({error.strerror}).") from None
        try:
            on_started(given)
            await stop.wait()
        finally:
            environment.remove(env_file, given)


async def run_with(
    plan: Plan, program: str, command: Sequence[str], environ: Mapping[str, str], say: Callable[[str], None]
) -> int:
    """Run a program that has the endpoint until it ends, and return its exit code as a shell has it.

    Raises:
        OSError: the system does not start it. See ``serving`` for the rest.
    """
    async with serving(plan, say) as given:
        with _handing_on() as signals:
            child = await asyncio.create_subprocess_exec(
                program, *command[1:], env=environment.around(environ, given), close_fds=True
            )
            signals.go_to(child)
            code = await child.wait()
    return code if code >= 0 else 128 - code


class _Signals:
    """Signals that a program is to get, those too that came before it was there.

    Ctrl-C reaches it by itself, as it is in the terminal's foreground with us.
    """

    def __init__(self) -> None:
        self._child: asyncio.subprocess.Process | None = None
        self._early: list[signal.Signals] = []
        self._at_terminal = sys.stdin is not None and sys.stdin.isatty()

    def came(self, number: signal.Signals) -> None:
        """Hand a signal on."""
        if self._child is None:
            self._early.append(number)
        elif self._child.returncode is None and not (number is signal.SIGINT and self._at_terminal):
            self._child.send_signal(number)

    def go_to(self, child: asyncio.subprocess.Process) -> None:
        """Hand on what has come and what will."""
        self._child = child
        for number in self._early:
            self.came(number)


@contextmanager
def _handing_on() -> Iterator[_Signals]:
    """Take the signals that would end this process, for a program to get."""
    loop, signals = asyncio.get_running_loop(), _Signals()
    with suppress(NotImplementedError):  # Windows
        for number in _HANDED_ON:
            loop.add_signal_handler(number, signals.came, number)
    try:
        yield signals
    finally:
        with suppress(NotImplementedError):
            for number in _HANDED_ON:
                loop.remove_signal_handler(number)
