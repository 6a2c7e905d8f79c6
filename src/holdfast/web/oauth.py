"""OAuth2 client credentials (RFC 6749, 4.4) and OpenID discovery, at the paths where Azure's clients look."""

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

import msgspec

from holdfast.auth.clients import ClientTokens
from holdfast.auth.limiter import GuessLimits, source_of
from holdfast.domain.policy import MAX_IDENTITY_LENGTH
from holdfast.errors import BackendUnavailable, HoldfastError, InvalidInput, Unauthenticated
from holdfast.web.errors import refusal, retry_after
from holdfast.web.exchange import REQUEST_ID, Exchange, RawHeaders, Reply
from holdfast.web.limits import MAX_TOKEN_REQUEST_BYTES

_encode: Final = msgspec.json.Encoder().encode
_DEFAULT_SCOPE: Final = "/.default"
_OPENID_SCOPES: Final = frozenset({"openid", "profile", "offline_access"})
_MAX_FIELDS: Final = 32

_NUMBERS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "invalid_client": 7000215,
        "invalid_request": 9002313,
        "invalid_scope": 70011,
        "unsupported_grant_type": 70003,
        "temporarily_unavailable": 90033,
    }
)
"""Entra's number for each error, as in its public list of AADSTS codes: its clients print them."""

_NO_SUCH_TENANT: Final = 90002


class OAuthError(HoldfastError):
    """A refusal in OAuth2's own words. ``error`` is one of RFC 6749, 5.2; ``number`` what Entra calls it."""

    code = "oauth"

    def __init__(
        self,
        error: str,
        message: str,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: RawHeaders = (),
        *,
        number: int | None = None,
    ) -> None:
        super().__init__(message)
        self.error = error
        self.number = _NUMBERS[error] if number is None else number
        self.status = status
        self.headers = headers


@dataclass(frozen=True, slots=True, repr=False)
class _Credentials:
    client_id: str
    client_secret: str


class OAuthServer:
    """The token endpoint, the discovery document and the keys of one tenant."""

    def __init__(self, tokens: ClientTokens, limits: GuessLimits) -> None:
        self._tokens = tokens
        self._limits = limits

    async def token(self, exchange: Exchange) -> Reply:
        """Exchange a client id and secret for a token."""
        self._check_tenant(exchange)
        form = _form(exchange, await exchange.body(MAX_TOKEN_REQUEST_BYTES))
        if form.get("grant_type") != "client_credentials":
            raise OAuthError("unsupported_grant_type", "Only grant_type=client_credentials is supported.")
        credentials, resource = _credentials(exchange, form), _resource(form)
        self._check_guesser(source_of(exchange.peer), credentials)
        try:
            issued = await self._tokens.issue(
                credentials.client_id, credentials.client_secret, resource, exchange.host, ip_address=exchange.peer
            )
        except Unauthenticated as error:
            raise self._wrong(exchange, source_of(exchange.peer), credentials.client_id) from error
        except InvalidInput as error:
            raise OAuthError("invalid_scope", str(error)) from error
        seconds = int(issued.lifetime.total_seconds())
        answer = {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": issued.token,
        }
        return Reply(HTTPStatus.OK, _encode(answer))

    def _check_guesser(self, source: str, credentials: _Credentials) -> None:
        """Refuse wrong credentials of a source that has shown too many, unrecorded; right ones always get through."""
        wait_s = self._limits.logins.retry_after_s(source)
        if wait_s and not self._tokens.proves(credentials.client_id, credentials.client_secret):
            raise _busy(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong credentials from this address; wait.", wait_s)

    def _wrong(self, exchange: Exchange, source: str, client_id: str) -> OAuthError:
        """Count a wrong secret, and refuse it. One identity is one counter, in whatever letters it is written."""
        identity = client_id.strip().casefold()[:MAX_IDENTITY_LENGTH]
        self._limits.logins.failed(source)
        wait_s = self._limits.identities.retry_after_s(identity)
        if wait_s:
            return _busy(HTTPStatus.TOO_MANY_REQUESTS, "Too many wrong secrets for this client; wait.", wait_s)
        self._limits.identities.failed(identity)
        return _invalid_client(exchange)

    async def configuration(self, exchange: Exchange) -> Reply:
        """Return the OpenID discovery document."""
        self._check_tenant(exchange)
        base = f"{exchange.origin}/{self._tokens.tenant}"
        document = {
            "issuer": self._tokens.issuer(exchange.host),
            # There is no interactive login; Azure's clients insist on the member.
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        }
        return Reply(HTTPStatus.OK, _encode(document))

    async def keys(self, exchange: Exchange) -> Reply:
        """Return the public keys that tokens are signed with."""
        self._check_tenant(exchange)
        return Reply(HTTPStatus.OK, _encode(self._tokens.jwks()))

    def _check_tenant(self, exchange: Exchange) -> None:
        if exchange.scope["path_params"]["tenant"].lower() != self._tokens.tenant:
            raise OAuthError(
                "invalid_request",
                f"There is no such tenant here; this server's is {self._tokens.tenant}.",
                number=_NO_SUCH_TENANT,
            )


def refuse(error: Exception, exchange: Exchange) -> Reply:
    """Return OAuth2's answer to a failed request."""
    if isinstance(error, BackendUnavailable):
        error = _busy(HTTPStatus.SERVICE_UNAVAILABLE, "Client credentials cannot be checked at the moment; try again.")
    if isinstance(error, InvalidInput):
        error = OAuthError("invalid_request", str(error))
    if not isinstance(error, OAuthError):
        return refusal(error, exchange.request_id)
    body = {
        "error": error.error,
        "error_description": f"AADSTS{error.number}: {error}",
        "error_codes": [error.number],
        "timestamp": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%SZ}",
        "trace_id": exchange.request_id,
        "correlation_id": _correlation_id(exchange),
    }
    return Reply(error.status, _encode(body), error.headers)


def _correlation_id(exchange: Exchange) -> str:
    given = exchange.single(b"client-request-id") or ""
    return given if REQUEST_ID.fullmatch(given) else exchange.request_id


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


def _credentials(exchange: Exchange, form: dict[str, str]) -> _Credentials:
    if b"authorization" in exchange.headers:
        if "client_secret" in form:
            raise OAuthError("invalid_request", "Send the client secret in one way only.")
        return _basic(exchange)
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if not client_id or not secret:
        raise OAuthError("invalid_request", "client_id and client_secret are required.")
    return _Credentials(client_id, secret)


def _basic(exchange: Exchange) -> _Credentials:
    scheme, _, encoded = (exchange.single(b"authorization") or "").partition(" ")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, ValueError):
        decoded = ""
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise _invalid_client(exchange)
    return _Credentials(unquote_plus(client_id), unquote_plus(secret))


def _resource(form: dict[str, str]) -> str:
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


def _busy(status: HTTPStatus, text: str, wait_s: float | None = None) -> OAuthError:
    return OAuthError("temporarily_unavailable", text, status, (retry_after(wait_s),))
