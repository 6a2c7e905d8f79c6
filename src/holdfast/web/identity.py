"""From the Authorization header to a caller."""

from dataclasses import dataclass
from typing import Final

from holdfast.auth.clients import ClientTokens
from holdfast.domain.policy import AuthMethod, Caller
from holdfast.errors import Unauthenticated
from holdfast.web.exchange import Exchange

MAX_USER_AGENT: Final = 256

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Identity:
    """Tells who asks, or says how to prove it."""

    tokens: ClientTokens

    def caller(self, exchange: Exchange) -> Caller:
        """Return the caller of a request.

        Raises:
            InvalidInput: no valid Host header, so that no challenge can be made either.
            Unauthenticated: no token, not exactly one, or one that does not hold here.
        """
        host = exchange.host
        given = exchange.single(b"authorization") or ""
        if not given[: len(_BEARER)].lower() == _BEARER:
            raise Unauthenticated("AKV10000: Request is missing a Bearer or PoP token.")
        client_id = self.tokens.authenticate(given[len(_BEARER) :].strip(), host)
        return Caller(
            client_id,
            ip_address=exchange.peer,
            user_agent=(exchange.headers.get(b"user-agent") or "")[:MAX_USER_AGENT] or None,
            request_id=exchange.request_id,
            method=AuthMethod.CLIENT,
        )

    def challenge(self, exchange: Exchange) -> str | None:
        """Return the WWW-Authenticate header in the one shape that every Azure SDK parses.

        None for a host that can only be Azure's: there is nothing to prove to this server under it.
        """
        resource = self.tokens.resource_of(exchange.host)
        if resource is None:
            return None
        return f'Bearer authorization="{exchange.origin}/{self.tokens.tenant}", resource="{resource}"'
