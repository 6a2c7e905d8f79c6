"""Starting and stopping: clear refusals, requests in progress finished, nothing left behind."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from holdfast.crypto.certificates import ServerCertificate
from holdfast.errors import StartupError
from holdfast.web import doorway
from holdfast.web.exchange import Scope, Send
from holdfast.web.limits import Receive
from holdfast.web.protocol import BoundedProtocol
from holdfast.web.server import listen, tls_context
from tests.support.https import Client
from tests.support.server import running

PROGRAM = """
import asyncio, sys
from pathlib import Path
from holdfast.web.server import listen, serve

async def app(scope, receive, send):
    print("asked", flush=True)
    await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})

async def main():
    chain = Path(sys.argv[1])
    await serve(app, listen("127.0.0.1", 0), cert_file=chain, key_file=chain,
                on_started=lambda url: print(url, flush=True))
    print("closed", flush=True)

asyncio.run(main())
"""


async def ok(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_requests_in_progress_finish(certificate: ServerCertificate, number: int) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, str(certificate.chain_file)), stdout=asyncio.subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    client = Client(int(url.rpartition(":")[2]), certificate.ca_file)
    answering = asyncio.create_task(client.request("GET", "/"))
    assert await process.stdout.readline() == b"asked\n"
    process.send_signal(number)
    assert (await answering).status == 200
    assert await process.stdout.readline() == b"closed\n"  # what comes after the server has its turn
    assert await process.wait() == 0


async def test_a_taken_port_is_refused_with_what_to_do(certificate: ServerCertificate) -> None:
    async with running(ok, certificate) as port:
        with pytest.raises(StartupError, match=rf"port {port} .*choose another HOLDFAST_HOST or HOLDFAST_PORT"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_an_unusable_certificate_is_refused_by_name(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "server.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StartupError, match=r"server\.pem"):
        tls_context(path, path)


async def test_no_answer_waits_for_the_client_to_acknowledge_its_head(certificate: ServerCertificate) -> None:
    async def at_once(scope: Scope, receive: Receive, send: Send) -> None:
        protocols = (
            each for each in gc.get_objects() if isinstance(each, BoundedProtocol) and each in each.connections
        )
        accepted = next(protocols).transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await ok(scope, receive, send)

    async with running(at_once, certificate) as port:
        assert (await Client(port, certificate.ca_file).request("GET", "/")).status == 200


async def test_an_idle_connection_does_not_hold_up_the_end(certificate: ServerCertificate) -> None:
    async with running(ok, certificate) as port:
        client = Client(port, certificate.ca_file)
        connected = client.connected()
        connection = await connected.__aenter__()
        await connection.send(client.head("GET", "/", {}, None))
        assert (await connection.response()).body == b"ok"
        ending = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - ending < 5
    await connected.__aexit__(None, None, None)


async def test_i14_a_handshake_that_is_never_begun_ends(
    certificate: ServerCertificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "HANDSHAKE_PATIENCE_S", 0.2)
    async with running(ok, certificate) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()
