"""An OpenID Connect issuer over HTTPS on loopback: its keys can be rolled, withdrawn and made unreachable."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

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
        self.device: dict[str, Any] = {}
        self.forms: list[dict[str, str]] = []
        self.answers: dict[str, Callable[[dict[str, str]], tuple[int, Any]]] = {}
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
        path, _, query = path.partition("?")
        if query and path in self.answers:
            return self.answers[path](dict(parse_qsl(query)))[1]
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.device.get("endpoints", {})}
        return {"keys": self.public_keys()} if path == "/keys" else None

    # --- RFC 8628

    def offer_codes(self, *answers: tuple[int, Any], interval: float = 1.0, expires_in: float = 600.0) -> None:
        """Offer logins by code; the token endpoint gives these answers, the last one again and again."""
        names = ("device_authorization_endpoint", "token_endpoint")
        self.device = {
            "endpoints": {name: f"{self.url}/{name}" for name in names},
            "answers": list(answers),
            "times": {"interval": interval, "expires_in": expires_in},
        }

    def answer_form(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
        """What a form gets."""
        self.forms.append(form)
        if path in self.answers:
            return self.answers[path](form)
        if form.get("client_id") != "holdfast-cli":
            return 401, {"error": "invalid_client"}
        if path == "/device_authorization_endpoint":
            code = {"device_code": "d-c4n4ry", "user_code": "WDJB-MJHT", "verification_uri": f"{self.url}/device"}
            return 200, {**code, **self.device["times"]}
        answers = self.device["answers"]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return status, body


def _message(status: str, body: object) -> bytes:
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(text)}\r\n\r\n".encode() + text


@asynccontextmanager
async def local_issuer(folder: Path, names: Sequence[str] = ()) -> AsyncIterator[LocalIssuer]:
    """A running issuer, which has a certificate for these names as well."""
    ca_file, context = make_authority(folder, names=names)
    issuer: LocalIssuer

    async def respond(head: list[str], reader: asyncio.StreamReader) -> bytes:
        path = head[0].split()[1]
        headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
        issuer.asked.append((path, headers.get("authorization")))
        if head[0].startswith("POST "):
            form = dict(parse_qsl((await reader.readexactly(int(headers["content-length"]))).decode()))
            code, body = issuer.answer_form(path, form)
            return _message(f"{code} X", body)
        found = None if issuer.down else issuer.document(path)
        if isinstance(found, bytes):
            return found
        return _message("404 Not Found" if found is None else "200 OK", found)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other side closes: who is closed on may end before the farewell of TLS is over."""
        with suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                message = await respond(head, reader)
                writer.write(message)
                await writer.drain()
                if b"connection: close" in message:
                    break
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    issuer = LocalIssuer(server.sockets[0].getsockname()[1], ca_file)
    try:
        yield issuer
    finally:
        server.close()
        await server.wait_closed()
