"""Which requests get a token: those of programs that were told the secret, from this machine, for what they may ask."""

from collections.abc import Collection
from dataclasses import dataclass, field
from hmac import compare_digest
from time import monotonic
from typing import Final, Protocol
from urllib.parse import urlsplit

from holdfast import identity_wire as wire
from holdfast.agent.answers import Answer, Refused, Request, refusal
from holdfast.agent.credentials import Credential
from holdfast.errors import HoldfastError, InvalidInput
from holdfast.resilience.events import Event, Log

_log: Final = Log(__name__)

FORWARDED: Final = frozenset(
    {
        *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port"),
        *("x-forwarded", "x-forwarded-server", "x-original-host", "x-original-url", "x-rewrite-url", "x-real-ip"),
        *("x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip", "x-envoy-external-address"),
        *("proxy-connection", "proxy-authorization", "max-forwards"),
        *("origin", "referer", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"),
    }
)
"""Headers of proxies and browsers: no library of Azure's sends one, and with one the asker is not who connected."""

HTTP_PORT: Final = 80

TELL_EVERY_S: Final = 1.0
"""Seconds between two lines of the log about refusals: another account of the machine may ask as often as it likes."""

_PATHS: Final = frozenset({wire.PATH, f"{wire.PATH}/"})
_FOREIGN: Final = (
    "This endpoint gives tokens for Holdfast ({address}) only, and not for the resource that was asked for. Started "
    "with --pass-on, it hands other questions on to the platform's own endpoint."
)
_FAILED: Final = "The identity endpoint failed to answer; its log says why."


class GivesTokens(Protocol):
    """Gives tokens of Holdfast; see ``keeping.Tokens``."""

    def credential(self) -> Credential:
        """The credential that they are got with."""

    async def get(self, resource: str) -> wire.Grant:
        """Return a token."""


class Answers(Protocol):
    """Answers what is none of Holdfast's; see ``platform.Platform``."""

    async def ask(self, question: wire.Question) -> Answer:
        """Return the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the endpoint goes by.

    ``address``: Holdfast's. ``resources``: those that are Holdfast's; empty: the address and the domains above it.
    ``aliases``: further ids under which a program may ask for this identity.
    """

    port: int
    secret: str = field(repr=False)
    address: str
    resources: Collection[str] = ()
    aliases: Collection[str] = ()

    def is_ours(self, resource: str) -> bool:
        """Whether a resource is Holdfast's."""
        if self.resources:
            return resource in self.resources
        try:
            asked, own = urlsplit(resource), urlsplit(self.address)
        except ValueError:  # an address that is none, and whose else could it be
            return False
        if (asked.scheme, asked.path, asked.query, asked.fragment) != ("https", "", "", "") or "." not in asked.netloc:
            return False
        return f".{own.netloc}".lower().endswith(f".{asked.netloc}".lower())


class IdentityEndpoint:
    """Answers requests. ``platform``: who answers what is not for Holdfast; None: no one does."""

    def __init__(self, terms: Terms, tokens: GivesTokens, platform: Answers | None = None) -> None:
        self._terms, self._tokens, self._platform = terms, tokens, platform
        self._told_at, self._untold = float("-inf"), 0
        # The port that http has by itself is left out by clients.
        ports = ("", ":80") if terms.port == HTTP_PORT else (f":{terms.port}",)
        self._hosts = {f"{name}{port}" for name in ("127.0.0.1", "localhost") for port in ports}

    async def answer(self, request: Request) -> Answer:
        """Answer any request."""
        try:
            return await self._answered(request)
        except HoldfastError as error:
            self._tell(error)
            return refusal(error)
        except Exception as error:  # no one foresaw it: told with its places, without its text
            _log(Event.ENDPOINT_FAILED, reason=type(error).__name__, trace=error)
            return refusal(Refused(500, "server_error", _FAILED))

    def _tell(self, error: HoldfastError) -> None:
        self._untold += 1
        if monotonic() - self._told_at >= TELL_EVERY_S:
            _log(Event.TOKEN_NOT_GIVEN, count=self._untold, reason=error)
            self._told_at, self._untold = monotonic(), 0

    async def _answered(self, request: Request) -> Answer:
        self._check_way(request)
        self._check_secret(request)
        path, _, query = request.target.partition("?")
        if path not in _PATHS:
            raise Refused(404, "not_found", f"Tokens are at {wire.PATH}.")
        question = wire.parse_question(query.encode("utf-8", "replace"))
        if not self._terms.is_ours(question.resource):
            return await self._elsewhere(question)
        self._check_identity(question)
        return Answer(200, wire.answer(await self._tokens.get(question.resource)))

    def _check_way(self, request: Request) -> None:
        """Refuse what did not come here directly: a program that fetches what strangers name sends their host, or a
        proxy's marks, and so does a browser."""
        hosts = request.all("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Refused(400, "bad_request", "Ask at the address in IDENTITY_ENDPOINT: another Host is refused.")
        marks = sorted({name for name, _ in request.headers} & FORWARDED)
        if marks:
            raise Refused(400, "bad_request", f"A request with the header {marks[0]} came by way of others: refused.")
        if request.method != "GET":
            raise Refused(405, "method_not_allowed", "Ask with GET.", {"Allow": "GET"})
        if request.all("transfer-encoding") or any(value.strip() != "0" for value in request.all("content-length")):
            raise Refused(400, "bad_request", "Ask without a body.")

    def _check_secret(self, request: Request) -> None:
        given = [value for name in wire.SECRET_HEADERS for value in request.all(name)]
        shown = given[0] if len(given) == 1 else ""
        if not compare_digest(shown.encode("utf-8", "surrogateescape"), self._terms.secret.encode()):
            raise Refused(
                401,
                "unauthorized_client",
                "X-IDENTITY-HEADER (formerly: secret) does not hold IDENTITY_HEADER's value.",
            )

    def _check_identity(self, question: wire.Question) -> None:
        """One identity is here. Whoever wants another one is not given this one instead."""
        if question.identity is None or question.identity[1] in self._terms.aliases:
            return
        if question.identity != ("client_id", self._tokens.credential().client_id):
            raise InvalidInput(wire.NO_SUCH_IDENTITY, field="client_id")

    async def _elsewhere(self, question: wire.Question) -> Answer:
        if self._platform is None:
            raise Refused(400, "invalid_resource", _FOREIGN.format(address=self._terms.address))
        return await self._platform.ask(question)
