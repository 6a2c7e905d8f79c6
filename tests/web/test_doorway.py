"""Connections on their way in."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from holdfast.web.doorway import PAUSE_S, SURE_S, Doorway
from tests.support.stopwatch import Stopwatch


def come(address: tuple[str, int], source: str) -> socket.socket:
    """Connect from an address, and begin no handshake."""
    client = socket.create_connection(address, timeout=30, source_address=(source, 0))
    client.setblocking(False)
    return client


class Faulty(socket.socket):
    """A listener that has some faults to tell before it gives up a connection."""

    faults: ClassVar[list[int]] = []

    def accept(self) -> Any:
        if self.faults:
            raise OSError(self.faults.pop(0), "fault")
        return super().accept()


@pytest.mark.parametrize("fault", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EHOSTUNREACH])
async def test_what_ails_one_connection_stops_no_other(fault: int) -> None:
    with Faulty() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        listener.faults[:] = [fault] * 3
        doorway = Doorway(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), asyncio.Protocol, 2)
        doorway.open(8)
        client, watch = come(listener.getsockname(), "127.0.0.1"), Stopwatch()
        while not doorway._count:
            await asyncio.sleep(0)
        assert watch.seconds() < PAUSE_S / 2
        await asyncio.sleep(0)  # the handshake has begun
        doorway.close()
        await doorway.wait_closed()
    client.close()


@pytest.mark.parametrize("fault", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EINVAL])
async def test_what_the_system_lacks_is_waited_for(fault: int) -> None:
    with Faulty() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        listener.faults[:] = [fault]
        doorway = Doorway(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), asyncio.Protocol, 2)
        doorway.open(8)
        client = come(listener.getsockname(), "127.0.0.1")
        while not doorway._paused:
            await asyncio.sleep(0)
        assert (doorway._count, listener.faults) == (0, [])
        doorway.close()
        await doorway.wait_closed()
    client.close()


async def test_a_source_may_give_up_all_its_handshakes_in_one_turn() -> None:
    loop, errors = asyncio.get_running_loop(), list[Mapping[str, Any]]()
    loop.set_exception_handler(lambda _, context: errors.append(context))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        doorway = Doorway(listener, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), asyncio.Protocol, 2)
        doorway.open(8)
        first = [come(listener.getsockname(), "127.0.0.1") for _ in range(2)]
        await asyncio.sleep(2 * SURE_S)
        others = [come(listener.getsockname(), source) for source in ("127.0.0.2", "127.0.0.3")]
        async with asyncio.timeout(30):
            assert [await loop.sock_recv(each, 1) for each in first] == [b"", b""]
        doorway.close()
        await doorway.wait_closed()
        await asyncio.sleep(0)
    for client in (*first, *others):
        client.close()
    assert errors == []
