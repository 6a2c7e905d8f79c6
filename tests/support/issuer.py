"""An OpenID Connect issuer over HTTPS on loopback: its keys can be rolled, withdrawn and made unreachable."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.certificates import make_authority


class LocalIssuer:
    """Signs what a test wants. ``asked``: the paths that were fetched, each with the authorization header, if any."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.url, self.ca_file = f"https://127.0.0.1:{port}", ca_file
        self.asked: list[tuple[str, str | None]] = []
        self.keys: dict[str, Any] = {}
        self.documents: dict[str, Any] = {}
        self.down = False
        self.roll("key-1")

    def roll(self, key_id: str, kind: str = "RSA") -> None:
        """Sign with a new key from now on, beside which the former ones stay."""
        key: Any = rsa.generate_private_key(65537, 2048) if kind == "RSA" else ec.generate_private_key(ec.SECP256R1())
        self.keys[key_id] = key

    def withdraw(self, key_id: str) -> None:
        """Publish a key no longer."""
        self.keys.pop(key_id)

    def public_keys(self) -> list[dict[str, Any]]:
        """The keys as a JSON Web Key Set has them."""
        return [
            {
                **json.loads(
                    (
                        jwt.algorithms.RSAAlgorithm
                        if isinstance(key, rsa.RSAPrivateKey)
                        else jwt.algorithms.ECAlgorithm
                    ).to_jwk(key.public_key())
                ),
                "kid": key_id,
                "use": "sig",
            }
            for key_id, key in self.keys.items()
        ]

    def token(
        self, claims: dict[str, Any], *, key_id: str | None = None, algorithm: str = "RS256", **header: Any
    ) -> str:
        """A token with usual times, which ``claims`` may replace or, with None, leave out."""
        now, key_id = int(time.time()), key_id or list(self.keys)[-1]
        usual = {"iss": self.url, "iat": now, "nbf": now, "exp": now + 600}
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(payload, self.keys[key_id], algorithm, headers={"kid": key_id, **header})

    def document(self, path: str) -> Any:
        """What is published under a path; None: nothing."""
        if path in self.documents:
            return self.documents[path]
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        return {"keys": self.public_keys()} if path == "/keys" else None


@asynccontextmanager
async def local_issuer(folder: Path) -> AsyncIterator[LocalIssuer]:
    """A running issuer."""
    ca_file, context = make_authority(folder)
    issuer: LocalIssuer

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        path = head[0].split()[1]
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        issuer.asked.append((path, headers.get("authorization")))
        found = None if issuer.down else issuer.document(path)
        if isinstance(found, bytes):
            writer.write(found)
        else:
            body = json.dumps(found).encode()
            status = "404 Not Found" if found is None else "200 OK"
            writer.write(
                f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
            )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    issuer = LocalIssuer(server.sockets[0].getsockname()[1], ca_file)
    try:
        yield issuer
    finally:
        server.close()
        await server.wait_closed()
