"""Connections on their way in."""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Any

from holdfast.web.doorway import SURE_S, Doorway


def come(address: tuple[str, int], source: str) -> socket.socket:
    """Connect from an address, and begin no handshake."""
    client = socket.create_connection(address, timeout=30, source_address=(source, 0))
    client.setblocking(False)
    return client


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
