"""A collector that takes everything and keeps a count: ``python -m benchmarks.sink``. GET tells how many bytes came."""

import asyncio
import json

TAKEN = 0


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    global TAKEN  # noqa: PLW0603 - the one thing this process knows
    while head := await _head(reader):
        length = next((int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0)
        await reader.readexactly(length)
        TAKEN += length
        body = str(TAKEN).encode() if head.startswith("GET") else b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
    writer.close()


async def _head(reader: asyncio.StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
