"""The managed identity endpoint: a token for whoever shows a client's id and secret in one header."""

from http import HTTPStatus
from typing import Final

from holdfast import identity_wire as wire
from holdfast.errors import InvalidInput
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.oauth import Credentials, OAuthServer
from holdfast.web.oauth_errors import OAuthError, correlation_id, in_oauth

PREFIX: Final = "/msi/"
_PATHS: Final = frozenset({wire.PATH.encode(), f"{wire.PATH}/".encode()})
"""Scripts append a slash to the address that they are given."""


class IdentityEndpoint:
    """Answers as App Service's endpoint does, by the same door as the token endpoint.

    The header holds ``client_id:client_secret``. A client id may hold a colon, a secret does not: the last one counts.
    """

    def __init__(self, server: OAuthServer) -> None:
        self._server = server

    async def token(self, exchange: Exchange) -> Reply:
        """Return a token for a resource.

        Raises:
            OAuthError: another path or method, wrong credentials, too many of them, or another server's resource.
            InvalidInput: the question is not one.
        """
        _check_way(exchange)
        await exchange.body(0)
        question, credentials = wire.parse_question(exchange.query), _shown(exchange)
        self._check_identity(question, credentials.client_id)
        issued = await self._server.issue(exchange, credentials, question.resource)
        grant = wire.Grant(
            token=issued.token,
            resource=question.resource,
            client_id=credentials.client_id,
            not_before=issued.issued_at,
            expires_on=issued.issued_at + issued.lifetime_s,
        )
        return Reply(HTTPStatus.OK, wire.answer(grant))

    def _check_identity(self, question: wire.Question, client_id: str) -> None:
        own = {("client_id", client_id), ("object_id", self._server.object_id(client_id))}
        if question.identity is not None and question.identity not in own:
            raise OAuthError("invalid_request", wire.NO_SUCH_IDENTITY)


def _check_way(exchange: Exchange) -> None:
    if exchange.raw_path not in _PATHS:
        raise OAuthError("invalid_request", f"Tokens are at {wire.PATH}.", HTTPStatus.NOT_FOUND)
    if exchange.method != "GET":
        raise OAuthError(
            "invalid_request", "Ask with GET.", HTTPStatus.METHOD_NOT_ALLOWED, headers=((b"allow", b"GET"),)
        )


def _shown(exchange: Exchange) -> Credentials:
    given = [text for text in (exchange.optional(name.encode()) for name in wire.SECRET_HEADERS) if text]
    if len(given) > 1:
        raise InvalidInput("Send the secret in one header only.", field="secret")
    client_id, _, secret = (given[0] if given else "").rpartition(":")
    if not client_id or not secret:
        raise OAuthError(
            "invalid_client",
            "X-IDENTITY-HEADER (formerly: secret) must hold the client id, a colon and the client secret.",
            HTTPStatus.UNAUTHORIZED,
        )
    return Credentials(client_id, secret)


def refuse(error: Exception, exchange: Exchange) -> Reply:
    """Return the answer to a failed request in the form that clients of managed identities look for."""
    shown = in_oauth(error, exchange)
    body = wire.refusal(shown.status, shown.error, str(shown), correlation_id(exchange))
    return Reply(shown.status, body, shown.headers, close=shown.close)
