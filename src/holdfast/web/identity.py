"""From the Authorization header to a caller."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from msgspec.structs import replace

from holdfast.auth.bearers import Bearers
from holdfast.domain.policy import NOBODY, Caller
from holdfast.errors import InvalidInput, Unauthenticated
from holdfast.web.exchange import Exchange

MAX_USER_AGENT: Final = 256

_BEARER: Final = "bearer "
_QUERY_TOKEN: Final = "access_token"  # noqa: S105 - a parameter's name (RFC 6750, 2.3), not a token


@dataclass(frozen=True, slots=True)
class Identity:
    """Tells who asks, or says how to prove it. All surfaces use this one.

    ``authority``: of a trusted issuer, where clients are to get their tokens; None: this server gives them.
    """

    bearers: Bearers
    authority: str | None = None

    async def caller(self, exchange: Exchange) -> Caller:
        """Return the caller of a request.

        Raises:
            InvalidInput: no valid Host header, so that no challenge can be made either; several Authorization headers;
                or another token in the URL.
            Unauthenticated: no token, or one that does not hold here.
            Throttled: too many of those from this source.
            Overloaded: as many requests of this identity are in progress as one may have.
        """
        host = exchange.host
        given = _authorization(exchange)
        if not given[: len(_BEARER)].lower() == _BEARER:
            raise Unauthenticated("AKV10000: Request is missing a Bearer or PoP token.")
        asker = Caller(
            NOBODY,
            ip_address=exchange.peer,
            user_agent=(exchange.headers.get(b"user-agent") or "")[:MAX_USER_AGENT] or None,
            request_id=exchange.request_id,
        )
        proof = await self.bearers.prove(given[len(_BEARER) :].strip(), host, asker)
        exchange.proven(proof.identity)
        return replace(asker, id=proof.identity, groups=proof.groups, method=proof.method, credential=proof.credential)

    def challenge(self, exchange: Exchange) -> str | None:
        """Return the WWW-Authenticate header in the one shape that every Azure SDK parses.

        None for a host that can only be Azure's: there is nothing to prove to this server under it.
        """
        resource = self.bearers.clients.resource_of(exchange.host)
        if resource is None:
            return None
        return f'Bearer authorization="{self.authority_for(exchange)}", resource="{resource}"'

    def authority_for(self, exchange: Exchange) -> str:
        """Where a client is to get its tokens."""
        return self.authority or f"{exchange.origin}/{self.bearers.clients.tenant_name}"


def _authorization(exchange: Exchange) -> str:
    """The one Authorization header. Which of several a proxy in front had looked at, nobody could tell."""
    given = exchange.optional(b"authorization")
    if (
        given
        and _QUERY_TOKEN.encode() in exchange.query
        and _QUERY_TOKEN in dict(parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True))
    ):
        raise InvalidInput(
            "Send one token, in the Authorization header alone: what stands in a URL ends up in logs.",
            field=_QUERY_TOKEN,
        )
    return given or ""
