"""OAuth2 client credentials (RFC 6749, 4.4), at the paths where Azure's clients look."""

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from holdfast.auth.asserted import AssertionRefused
from holdfast.auth.assertions import Assertions
from holdfast.auth.clients import ClientTokens, IssuedToken
from holdfast.auth.limiter import GuessLimits, source_of
from holdfast.domain.policy import MAX_IDENTITY_LENGTH
from holdfast.errors import InvalidInput, Unauthenticated
from holdfast.web.assertions import answer_to, fault_of, is_asserted, login_of
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.limits import MAX_TOKEN_REQUEST_BYTES
from holdfast.web.oauth_errors import RESOURCE_NOT_TAKEN, OAuthError, busy
from holdfast.web.tenants import tenant_of, token_endpoints

_encode: Final = msgspec.json.Encoder().encode
_DEFAULT_SCOPE: Final = "/.default"
_OPENID_SCOPES: Final = frozenset({"openid", "profile", "offline_access"})
_MAX_FIELDS: Final = 32


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """What a client shows for itself. Its ``repr`` does not show the secret."""

    client_id: str
    client_secret: str


class OAuthServer:
    """The token endpoint of one tenant, in its two versions."""

    def __init__(self, tokens: ClientTokens, limits: GuessLimits, assertions: Assertions) -> None:
        self._tokens = tokens
        self._limits = limits
        self._assertions = assertions

    def object_id(self, client_id: str) -> str:
        """The object id of a client."""
        return self._tokens.object_id(client_id)

    async def first(self, exchange: Exchange) -> Reply:
        """Exchange a client id and secret for a token for a ``resource``, or a ``scope`` as the second version has it.

        Clients of AD FS send the latter here, and are answered in the way they asked.
        """
        form = await self._asked(exchange)
        if "resource" not in form:
            return await self._of_scope(exchange, form)
        return _texts(await self._issued(exchange, form, form["resource"]), form["resource"])

    async def second(self, exchange: Exchange) -> Reply:
        """Exchange a client id and secret for a token for a ``scope``."""
        return await self._of_scope(exchange, await self._asked(exchange))

    async def _asked(self, exchange: Exchange) -> dict[str, str]:
        tenant_of(exchange, self._tokens)
        form = _form(exchange, await exchange.body(MAX_TOKEN_REQUEST_BYTES))
        if form.get("grant_type") != "client_credentials":
            raise OAuthError("unsupported_grant_type", "Only grant_type=client_credentials is supported.")
        return form

    async def _of_scope(self, exchange: Exchange, form: dict[str, str]) -> Reply:
        issued = await self._issued(exchange, form, _resource(form))
        answer = {
            "token_type": "Bearer",
            "expires_in": issued.lifetime_s,
            "ext_expires_in": issued.lifetime_s,
            "access_token": issued.token,
        }
        return Reply(HTTPStatus.OK, _encode(answer))

    async def _issued(self, exchange: Exchange, form: dict[str, str], resource: str) -> IssuedToken:
        if is_asserted(form):
            return await self._issue_asserted(exchange, form, resource)
        return await self.issue(exchange, _credentials(exchange, form), resource)

    async def _issue_asserted(self, exchange: Exchange, form: dict[str, str], resource: str) -> IssuedToken:
        fault = fault_of(exchange, form)
        if fault is not None:
            raise OAuthError("invalid_request", fault)
        login = login_of(exchange, form, resource, token_endpoints(exchange, self._tokens))
        wait_s = self._limits.logins.retry_after_s(source_of(exchange.peer))
        if wait_s and not await self._assertions.proves(login):
            raise _too_many(wait_s)
        try:
            return await self._assertions.issue(login)
        except AssertionRefused as error:
            refused = OAuthError("invalid_client", answer_to(error), HTTPStatus.UNAUTHORIZED, number=error.why)
            raise self._wrong(exchange, login.client_id, refused) from error
        except InvalidInput as error:
            raise OAuthError("invalid_scope", str(error)) from error

    async def issue(self, exchange: Exchange, credentials: Credentials, resource: str) -> IssuedToken:
        """Return a token for right credentials. Every way to a token ends here: one door, one record, one limit.

        Raises:
            OAuthError: wrong ones, too many wrong ones, or another server's resource.
        """
        host, wait_s = exchange.host, self._limits.logins.retry_after_s(source_of(exchange.peer))
        if wait_s and not self._tokens.proves(credentials.client_id, credentials.client_secret):
            raise _too_many(wait_s)
        try:
            return await self._tokens.issue(
                credentials.client_id, credentials.client_secret, resource, host, ip_address=exchange.peer
            )
        except Unauthenticated as error:
            raise self._wrong(exchange, credentials.client_id, _invalid_client(exchange)) from error
        except InvalidInput as error:
            raise OAuthError("invalid_scope", str(error)) from error

    def _wrong(self, exchange: Exchange, client_id: str, refused: OAuthError) -> OAuthError:
        """Count a wrong credential, and refuse it. One identity is one counter, in whatever letters it is written."""
        identity = client_id.strip().casefold()[:MAX_IDENTITY_LENGTH]
        self._limits.logins.failed(source_of(exchange.peer))
        wait_s = self._limits.identities.retry_after_s(identity)
        if wait_s:
            return busy(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong credentials for this client; wait.", wait_s)
        self._limits.identities.failed(identity)
        return refused


def _form(exchange: Exchange, body: bytes) -> dict[str, str]:
    media_type = (exchange.single(b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "Send the request as application/x-www-form-urlencoded.")
    pairs = _pairs(body)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "A parameter is given more than once.")
    return form


def _pairs(body: bytes) -> list[tuple[str, str]]:
    with suppress(ValueError):  # it may hold the body, so it may not stay as the context of ours
        return parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    raise OAuthError("invalid_request", "The request body is not a form in UTF-8.")


def _credentials(exchange: Exchange, form: dict[str, str]) -> Credentials:
    if b"authorization" in exchange.headers:
        if "client_secret" in form:
            raise OAuthError("invalid_request", "Send the client secret in one way only.")
        return _basic(exchange)
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if not client_id or not secret:
        raise OAuthError("invalid_request", "client_id and client_secret are required.")
    return Credentials(client_id, secret)


def _basic(exchange: Exchange) -> Credentials:
    scheme, _, encoded = (exchange.single(b"authorization") or "").partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise _invalid_client(exchange)
    return Credentials(unquote_plus(client_id), unquote_plus(secret))


def _texts(issued: IssuedToken, resource: str) -> Reply:
    """The answer of the first version, in which numbers are texts ("Azure AD v1.0: service to service calls")."""
    answer = {
        "token_type": "Bearer",
        "expires_in": str(issued.lifetime_s),
        "ext_expires_in": str(issued.lifetime_s),
        "expires_on": str(issued.issued_at + issued.lifetime_s),
        "not_before": str(issued.issued_at),
        "resource": resource,
        "access_token": issued.token,
    }
    return Reply(HTTPStatus.OK, _encode(answer))


def _resource(form: dict[str, str]) -> str:
    if "resource" in form and "scope" not in form:
        raise OAuthError(
            "invalid_request",
            "The 'resource' request parameter is not supported here: ask /TENANT/oauth2/token, or send a scope.",
            number=RESOURCE_NOT_TAKEN,
        )
    scopes = [scope for scope in form.get("scope", "").split() if scope not in _OPENID_SCOPES]
    if len(scopes) != 1 or not scopes[0].endswith(_DEFAULT_SCOPE):
        raise OAuthError("invalid_scope", "scope must be the server's resource followed by /.default.")
    return scopes[0].removesuffix(_DEFAULT_SCOPE)


def _invalid_client(exchange: Exchange) -> OAuthError:
    basic = b"authorization" in exchange.headers
    headers = ((b"www-authenticate", b'Basic realm="holdfast"'),) if basic else ()
    return OAuthError(
        "invalid_client", "The client id or the client secret is wrong.", HTTPStatus.UNAUTHORIZED, headers
    )


def _too_many(wait_s: int) -> OAuthError:
    """Refuse wrong credentials of a source that has shown too many, unrecorded; right ones always get through."""
    return busy(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong credentials from this address; wait.", wait_s)
