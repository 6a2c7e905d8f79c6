"""A whole request: method, target, headers and body, to the application as it is served, over stubs."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast
from urllib.parse import unquote

from holdfast.auth.assertions import Assertions
from holdfast.auth.bearers import Bearers
from holdfast.auth.clients import ClientTokens
from holdfast.auth.limiter import GuessLimits
from holdfast.auth.resource import Audience
from holdfast.crypto.tokens import TokenSigner
from holdfast.errors import SecretNotFound
from holdfast.keyvault_wire.paging import SkipTokens
from holdfast.web.app import Parts, create_app
from holdfast.web.exchange import ASGIApp
from holdfast.web.keyvault import VaultFacts
from holdfast.web.rates import Rates
from holdfast.web.v1.cursors import Cursors
from tests.fuzz.borders import RING
from tests.fuzz.target import Target
from tests.support.clock import VirtualClock
from tests.support.stubs import Failing, NoIdentities, OneClient

SECRET: Final = "the-right-secret"
TENANT: Final = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"


@dataclass
class _Server:
    loop: asyncio.AbstractEventLoop
    app: ASGIApp
    token: str


@cache
def _server() -> _Server:
    loop, clock, clients = asyncio.new_event_loop(), VirtualClock(), OneClient(SECRET)
    tokens = ClientTokens(clients, TokenSigner(RING, clock.now), Audience("https://kv.example"), TENANT, clock)
    limits = GuessLimits(lambda: 0.0)
    parts = Parts(
        secrets=cast("Any", Failing(SecretNotFound("There is none."))),
        backends=list,
        bearers=Bearers(tokens, NoIdentities(), limits),
        assertions=Assertions(tokens, clients, None, clock),
        limits=limits,
        skip_tokens=SkipTokens(lambda: [bytes(32)]),
        cursors=Cursors(lambda: [bytes(32)]),
        rates=Rates(1_000_000, 1_000_000, lambda: 0.0),
        facts=VaultFacts(retention_days=90, purge_protection=False),
    )
    issued = loop.run_until_complete(tokens.issue("app", SECRET, "https://v.kv.example", "v.kv.example"))
    return _Server(loop, create_app(parts), issued.token)


def _scope(data: bytes, token: str) -> tuple[MutableMapping[str, Any], bytes] | None:
    head, _, body = data.partition(b"\n\n")
    start, *lines = head.split(b"\n")
    method, _, target = start.partition(b" ")
    path, _, query = target.partition(b"?")
    if not (path.startswith(b"/") and target.isascii() and target.decode().isprintable() and method.isalpha()):
        return None  # what reads HTTP lets none of these through
    given = [line.partition(b":") for line in lines]
    headers = [(name.strip().lower(), value.strip()) for name, colon, value in given if colon]
    if any(name in (b"content-length", b"transfer-encoding", b"expect") for name, _ in headers):
        return None
    login = (
        []
        if any(name == b"authorization" for name, _ in headers)
        else [(b"authorization", b"Bearer " + token.encode())]
    )
    named = [] if any(name == b"host" for name, _ in headers) else [(b"host", b"v.kv.example")]
    return {
        "type": "http",
        "method": method.decode(),
        "path": unquote(path.decode()),
        "raw_path": path,
        "root_path": "",
        "query_string": query,
        "headers": [*named, *login, *headers],
        "client": ("127.0.0.1", 1),
    }, body


def _ask(data: bytes) -> int:
    server = _server()
    made = _scope(data, server.token)
    if made is None:
        return 0
    scope, body = made
    sent: list[MutableMapping[str, Any]] = []
    bodies = [body]

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": bodies.pop()} if bodies else {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    server.loop.run_until_complete(server.app(scope, receive, send))
    status = int(sent[0]["status"])
    assert status < 500, (status, scope, b"".join(part.get("body", b"") for part in sent[1:]))
    return status


TARGETS: Final = (
    Target(
        "requests",
        _ask,
        (
            "web.exchange",
            "web.oauth",
            "web.assertions",
            "web.identity",
            "web.v1.api",
            "web.keyvault",
        ),
        (),
    ),
)
