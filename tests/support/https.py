"""HTTPS by hand: what is sent is exactly what the test says, so that a server's border can be probed."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATIENCE_S = 20


@dataclass(frozen=True)
class Response:
    """A status, headers in order with lower-case names, and the body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str | None:
        """The one value of a header, or None."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} is repeated"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """The body as JSON, which it must say it is."""
        assert self.header("content-type") == "application/json; charset=utf-8"
        return json.loads(self.body)

    @property
    def problem(self) -> Any:
        """The body as an RFC 9457 problem, which it must say it is; its status is the answer's."""
        assert self.header("content-type") == "application/problem+json"
        problem = json.loads(self.body)
        assert problem["status"] == self.status
        assert problem["request_id"] == self.header("x-request-id")
        return problem

    @property
    def codes(self) -> tuple[str, str | None]:
        """An error's code and inner code."""
        error = self.json["error"]
        assert isinstance(error["message"], str)
        return error["code"], error.get("innererror", {}).get("code")


class Connection:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, raw: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(raw)
        await self._writer.drain()

    def abort(self) -> None:
        """Go away without a word."""
        self._writer.transport.abort()

    async def response(self, *, to: str = "GET") -> Response:
        """Read one response."""
        async with asyncio.timeout(_PATIENCE_S):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = tuple(
                (name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in head[1:-2])
            )
            length = next((int(value) for name, value in headers if name == "content-length"), 0)
            if ("transfer-encoding", "chunked") in headers:
                body = await self._chunks()
            else:
                body = b"" if to == "HEAD" else await self._reader.readexactly(length)
        return Response(int(head[0].split()[1]), headers, body)

    async def _chunks(self) -> bytes:
        body = bytearray()
        while size := int((await self._reader.readuntil(b"\r\n")), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readexactly(2)
        return bytes(body)

    async def ended(self) -> bool:
        """Whether the server closes the connection without sending more."""
        async with asyncio.timeout(_PATIENCE_S):
            try:
                return await self._reader.read(1) == b""
            except (ConnectionError, ssl.SSLError):
                return True


@dataclass(frozen=True)
class Client:
    """Talks to a server on a loopback port. ``host`` is what the Host header says."""

    port: int
    ca_file: Path
    token: str | None = None
    host: str = ""

    @property
    def authority(self) -> str:
        """The Host header."""
        return self.host or f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The server's address."""
        return f"https://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Connection]:
        """A fresh connection."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        try:
            yield Connection(reader, writer)
        finally:
            writer.transport.abort()

    def head(self, method: str, target: str, headers: Mapping[str, str], length: int | None) -> bytes:
        """The head of a request."""
        sent: dict[str, str] = {"Host": self.authority}
        if self.token is not None:
            sent["Authorization"] = f"Bearer {self.token}"
        if length is not None:
            sent["Content-Length"] = str(length)
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in {**sent, **headers}.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def token_for(self, tenant: str, client_id: str, secret: str) -> str:
        """The token that the server has for a client's id and secret, under the name that is called here."""
        form = f"grant_type=client_credentials&client_id={client_id}&client_secret={secret}"
        scope = f"scope=https://{self.authority}/.default"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await self.request("POST", f"/{tenant}/oauth2/v2.0/token", f"{form}&{scope}".encode(), headers)
        assert answer.status == 200, answer.body
        return str(answer.json["access_token"])

    async def request(
        self, method: str, target: str, body: bytes | object = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Send one request on a connection of its own; a body that is not bytes goes as JSON."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        length = None if body is None and method in {"GET", "HEAD"} else len(raw)
        async with self.connected() as connection:
            await connection.send(self.head(method, target, headers or {}, length) + raw)
            return await connection.response(to=method)
