"""Syslog messages (RFC 5424), over datagrams or over TCP with octet counting (RFC 6587).

UDP confirms nothing and TCP little: use a file or a webhook where nothing may be lost on the way.
"""

import asyncio
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from holdfast.errors import BackendUnavailable
from holdfast.outlets.detached import PATIENCE_S, Detached

_PRIORITY: Final = 13 * 8 + 6  # facility "log audit", severity "informational" (RFC 5424, 6.2.1)
_BOM: Final = b"\xef\xbb\xbf"
_GOODBYE_S: Final = 2.0

MAX_DATAGRAM: Final = 60_000
"""Longer messages do not fit into one datagram; no record is nearly that long."""


class _Times(msgspec.Struct):
    timestamp: str = ""
    time: str = ""


_times: Final = msgspec.json.Decoder(_Times).decode


def message(line: bytes) -> bytes:
    """Return the message that carries a line."""
    found = _times(line)
    head = (
        f"<{_PRIORITY}>1 {found.timestamp or found.time or '-'} {socket.gethostname()} holdfast {os.getpid()} audit - "
    )
    return head.encode() + _BOM + line


class DatagramSyslog:
    """One datagram a line, to a host or to a local socket. Implements ``ports.Outlet``."""

    def __init__(self, name: str, address: str | tuple[str, int]) -> None:
        self.name, self._address, self._thread = name, address, Detached()

    async def send(self, lines: Sequence[bytes]) -> None:
        """See the port."""
        await self._thread.run(lambda: self._send([message(line)[:MAX_DATAGRAM] for line in lines]))

    def _send(self, messages: Sequence[bytes]) -> None:
        address = self._address
        if isinstance(address, str):
            family, target = socket.AF_UNIX, address
        else:
            family, _, _, _, target = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]  # type: ignore[assignment]
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.settimeout(PATIENCE_S)
            sender.connect(target)
            for each in messages:
                sender.send(each)


class StreamSyslog:
    """A connection for each delivery. Implements ``ports.Outlet``."""

    def __init__(self, name: str, host: str, port: int) -> None:
        self.name, self._host, self._port = name, host, port

    async def send(self, lines: Sequence[bytes]) -> None:
        """See the port."""
        messages = [message(line) for line in lines]
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._send(b"".join(b"%d %b" % (len(each), each) for each in messages))
        except OSError as error:
            raise BackendUnavailable(f"The delivery failed ({type(error).__name__})") from error

    async def _send(self, data: bytes) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            writer.write(data)
            await writer.drain()
            writer.write_eof()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await reader.read()  # a receiver closes its end when it has read everything
        finally:
            writer.close()
