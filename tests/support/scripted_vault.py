"""Key Vault's secrets API over TLS on loopback, with faults on order.

    async with ScriptedVault() as vault:
        store = vault.connect()                    # the real store, through the official SDK
        vault.fail("get", status=500, times=3)
        vault.fail("set", drop=True, applied="once")
        vault.calls["get"]

Operations: get, set, update, delete, recover, purge, list, versions, deleted, list_deleted, and token.
"""

import asyncio
import email.utils
import json
import secrets
import ssl
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from aiohttp import web

from holdfast.config import AzureSettings
from holdfast.errors import HoldfastError
from holdfast.ports import Clock, Vault
from holdfast.resilience.clock import SystemClock
from holdfast.stores.keyvault import open_key_vault
from holdfast.stores.keyvault.access import Access
from tests.support.certificates import make_authority
from tests.support.oddities import Oddity
from tests.support.vault_model import VaultModel
from tests.support.vault_wire import ERROR_STATUS, RESOURCE, error_body, operations

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "scripted-client"
CLIENT_SECRET = "scripted-client-secret"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523, 2.2."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong. The first that is given of hang, drop, status, cut_after, drip and body happens.

    ``applied``: how often the request takes effect before that; "late" waits for ``apply_late``. ``answer`` changes
    the JSON of an otherwise good answer; ``cut_after`` sends that many bytes of it and breaks the connection;
    ``drip`` sends it one byte at a time with that many seconds between.
    """

    applied: Literal["no", "once", "twice", "late"] = "no"
    hang: bool = False
    drop: bool = False
    status: int | None = None
    code: str = "Fault"
    inner: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"
    cut_after: int | None = None
    drip: float | None = None
    answer: Callable[[Any], Any] | None = None


class ScriptedVault:
    """A vault with a token endpoint. ``model`` is what it holds; ``calls`` counts authenticated requests.

    ``oddities``: what it holds or answers besides, by canonical name.

    ``assertion_fault``: the AADSTS code that an assertion is refused with, 0 for one that is taken.
    ``host``: the name that it is called by, if it has one; ``names``: all that its certificate is for.
    ``ahead``: how far its clock is.
    ``api_versions``: those of all requests.
    ``parents``: the ``traceparent`` of each, empty where there was none.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        newest_tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        resource: str = RESOURCE,
        host: str = "",
        names: Sequence[str] = (),
    ) -> None:
        self._newest_tls, self._resource = newest_tls, resource
        self._host, self._names = host, names
        self.model = VaultModel(clock or SystemClock())
        self.calls: Counter[str] = Counter()
        self.parents: list[str] = []
        self.api_versions: set[str] = set()
        self.token_lifetime_s = 3600
        self.assertion_fault: Callable[[str], int] = lambda _: 700027
        self.ahead = timedelta()
        self._tokens: set[str] = set()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._late: list[Callable[[], object]] = []
        self.oddities: dict[str, Oddity] = {}
        self._folder: TemporaryDirectory[str] | None = None
        self._site: web.TCPSite | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        self._folder = TemporaryDirectory(prefix="vault-")
        self.ca_file, self._tls = make_authority(Path(self._folder.name), names=self._names)
        self._tls.maximum_version = self._newest_tls
        app = web.Application(client_max_size=2**20)
        app.on_response_prepare.append(self._date)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self._issue_token)
        app.router.add_get("/managed-identity", self._issue_identity_token)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05, handler_cancellation=True)
        await self._runner.setup()
        await self.open_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        assert self._folder
        self._folder.cleanup()

    # --- for tests

    @property
    def url(self) -> str:
        return f"https://{self._host or f'127.0.0.1:{self._port}'}"

    @property
    def port(self) -> int:
        """Where it listens, whatever it is called."""
        return self._port

    @property
    def tls(self) -> ssl.SSLContext:
        """Its certificate, for another server on this machine."""
        return self._tls

    def environ(self) -> dict[str, str]:
        """Return the settings of a process that is to use this vault."""
        return {
            "AZURE_KEYVAULT_URL": self.url,
            "AZURE_AUTHORITY_HOST": self.url,
            "AZURE_TENANT_ID": TENANT,
            "AZURE_CLIENT_ID": CLIENT_ID,
            "AZURE_CLIENT_SECRET": CLIENT_SECRET,
            "HOLDFAST_KEYVAULT_CA": str(self.ca_file),
        }

    def connect(self, **options: Any) -> Vault:
        """Return the real store on this vault; close it yourself. Options: of ``Access`` and its login."""
        named = {each.name for each in fields(AzureSettings)}
        login = self.login(**{name: value for name, value in options.items() if name in named})
        further = {name: value for name, value in options.items() if name not in named}
        return open_key_vault(self.url, Access(**{"login": login, "ca_file": self.ca_file, **further}))

    def login(self, **options: Any) -> AzureSettings:
        """Return an identity that this vault accepts, but for what the options change."""
        client = {"tenant_id": TENANT, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        return AzureSettings(**{**client, "authority_host": self.url, **options})

    def fail(self, operation: str, *, times: int = 1, **fault: Any) -> None:
        """Let the next ``times`` requests of an operation go wrong; the arguments are those of ``Fault``."""
        self._faults[operation].extend([Fault(**fault)] * times)

    def heal(self) -> None:
        """Forget all faults that have not happened yet."""
        self._faults.clear()

    def reset(self) -> None:
        """Be as new, with the port, the certificates and the tokens as they are."""
        self.heal()
        self.model.reset()
        self.calls.clear()
        self.oddities.clear()
        self._late.clear()
        self.token_lifetime_s = 3600

    def revoke_tokens(self) -> None:
        """Accept none of the tokens issued so far."""
        self._tokens.clear()

    def apply_late(self) -> int:
        """Let requests take effect that hung somewhere; returns how many."""
        late, self._late = self._late, []
        for change in late:
            try:
                change()
            except HoldfastError:
                continue  # the vault refuses it by now, and nobody listens
        return len(late)

    async def open_port(self) -> None:
        """Listen, on the same port as before."""
        self._site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def close_port(self) -> None:
        """Refuse connections and break those there are."""
        assert self._site
        await self._site.stop()
        for connection in list(self._server.connections):
            connection.force_close()

    @asynccontextmanager
    async def refusing(self) -> AsyncIterator[None]:
        """Refuse connections for the length of a block."""
        await self.close_port()
        try:
            yield
        finally:
            await self.open_port()

    # --- serving

    @property
    def _server(self) -> web.Server:
        assert self._runner.server
        return self._runner.server

    async def _date(self, _: web.Request, answer: web.StreamResponse) -> None:
        """Give every answer the time of the vault's own clock."""
        answer.headers["Date"] = email.utils.format_datetime(datetime.now(UTC) + self.ahead, usegmt=True)

    async def _issue_token(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()

        def issue() -> Any:
            if form.get("client_assertion_type") == ASSERTION and form.get("client_id") == CLIENT_ID:
                return self._judge(str(form["client_assertion"]))
            if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
                return 401, {"error": "invalid_client", "error_description": "unknown client"}
            return 200, self.new_token()

        return await self._answer(request, "token", issue)

    def _judge(self, assertion: str) -> tuple[int, Any]:
        refusal = self.assertion_fault(assertion)
        if not refusal:
            return 200, self.new_token()
        text = f"AADSTS{refusal}: c4n4ry {assertion} Trace ID: c4n4ry"
        return 401, {"error": "invalid_client", "error_description": text, "error_codes": [refusal]}

    async def _issue_identity_token(self, request: web.Request) -> web.StreamResponse:
        """The token endpoint of an app service's managed identity."""
        if request.headers.get("X-IDENTITY-HEADER") != CLIENT_SECRET:
            return web.Response(status=401)
        terms = {"expires_on": str(int(time.time()) + self.token_lifetime_s), "resource": self._resource}
        return await self._answer(request, "token", lambda: (200, {**self.new_token(), **terms}))

    def new_token(self) -> dict[str, Any]:
        """Return a token as an endpoint answers with it; this vault accepts it."""
        token = secrets.token_urlsafe(24)
        self._tokens.add(token)
        return {"token_type": "Bearer", "expires_in": self.token_lifetime_s, "access_token": token}

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.api_versions.add(request.query.get("api-version", ""))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._tokens:
            self.calls["challenge"] += 1
            challenge = f'Bearer authorization="{self.url}/{TENANT}", resource="{self._resource}"'
            return web.json_response(error_body("Unauthorized"), status=401, headers={"WWW-Authenticate": challenge})
        body = await request.json() if request.can_read_body else None
        operation, run = operations(self.model, self.url, request.method, request.path, request.query, body)
        oddity = self.oddities.get(_name_in(request.path))
        if oddity is not None and oddity.fault is not None:
            self.calls[operation] += 1
            return await _misbehave(request, Fault(**oddity.fault), run)
        return await self._answer(request, operation, lambda: self._shown(*run(), oddity))

    def _shown(self, status: int, body: Any, oddity: Oddity | None) -> tuple[int, Any]:
        """An answer with the oddities that this vault holds in it."""
        if oddity is not None:
            return status, oddity.shown(body)
        if not self.oddities or not isinstance(body, dict) or not isinstance(body.get("value"), list):
            return status, body
        entries = [(self.oddities.get(_name_in(urlsplit(entry["id"]).path)), entry) for entry in body["value"]]
        return status, {**body, "value": [odd.shown(entry) if odd else entry for odd, entry in entries]}

    async def _answer(
        self, request: web.Request, operation: str, run: Callable[[], tuple[int, Any]]
    ) -> web.StreamResponse:
        self.calls[operation] += 1
        self.parents.append(request.headers.get("traceparent", ""))
        fault = self._faults[operation].popleft() if self._faults[operation] else None
        if fault is None:
            return _reply(*_outcome(run))
        if fault.applied == "late":
            self._late.append(run)
        for _ in range({"once": 1, "twice": 2}.get(fault.applied, 0)):
            run()
        return await _misbehave(request, fault, run)


def _name_in(path: str) -> str:
    """The canonical name in a path about one secret, "" where it is about none."""
    parts = [part for part in path.split("/") if part]
    return parts[1].lower() if len(parts) > 1 else ""


def _outcome(run: Callable[[], tuple[int, Any]]) -> tuple[int, Any]:
    try:
        return run()
    except HoldfastError as error:
        status, code, inner = ERROR_STATUS[type(error)]
        return status, error_body(
            code,
            inner if inner != "*" else {"recovering": "ObjectIsBeingRecovered"}.get(str(error), "ObjectIsBeingDeleted"),
        )


def _reply(status: int, body: Any) -> web.Response:
    return web.Response(status=204) if body is None else web.json_response(body, status=status)


async def _misbehave(request: web.Request, fault: Fault, run: Callable[[], tuple[int, Any]]) -> web.StreamResponse:
    if fault.hang:
        await asyncio.sleep(3600)
    if fault.drop:
        return _cut_off(request)
    if fault.status is not None and fault.body is None:
        return web.json_response(error_body(fault.code, fault.inner), status=fault.status, headers=fault.headers)
    if fault.body is not None:
        return web.Response(
            status=fault.status or 200, body=fault.body, content_type=fault.content_type, headers=fault.headers
        )
    status, body = _outcome(run)
    if fault.answer:
        body = fault.answer(body)
    if fault.cut_after is None and fault.drip is None:
        return _reply(status, body)
    return await _trickle(request, status, json.dumps(body).encode(), fault)


async def _trickle(request: web.Request, status: int, content: bytes, fault: Fault) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": "application/json"})
    response.content_length = len(content)
    await response.prepare(request)
    if fault.cut_after is not None:
        await response.write(content[: fault.cut_after])
        return _cut_off(request)
    for byte in content:
        await response.write(bytes([byte]))
        await asyncio.sleep(fault.drip or 0.0)
    return response


def _cut_off(request: web.Request) -> web.Response:
    if request.transport:
        request.transport.close()
    return web.Response()
