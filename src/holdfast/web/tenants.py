"""Tenants in URLs: which paths are theirs, and what this server says of its own (OpenID discovery)."""

import re
from typing import Final

import msgspec

from holdfast.auth.clients import ClientTokens
from holdfast.keyvault_wire.routes import COLLECTIONS
from holdfast.web.exchange import Exchange, Reply
from holdfast.web.oauth_errors import NO_SUCH_TENANT, OAuthError

_encode: Final = msgspec.json.Encoder().encode

TENANT: Final = rf"(?!(?i:v1|{'|'.join(sorted(COLLECTIONS))})/)[^/]+"
"""What may stand for a tenant: no first segment of another API's paths, for `/secrets/oauth2` is a secret."""

_GUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OF_TENANTS: Final = re.compile(
    rf"/(?:(?:adfs|{_GUID})|{TENANT}/(?:oauth2|v2\.0|discovery|\.well-known))(?:/|\Z)", re.ASCII | re.IGNORECASE
)


def is_of_tenants(path: str) -> bool:
    """Whether a decoded path is one of those at which a directory service like Entra has its endpoints."""
    return _OF_TENANTS.match(path) is not None


def tenant_of(exchange: Exchange, tokens: ClientTokens) -> str:
    """Return the tenant that a request names, in lower case.

    Raises:
        OAuthError: it is not this server's.
    """
    named = str(exchange.scope["path_params"]["tenant"]).lower()
    if named not in {tokens.tenant, tokens.tenant_name}:
        raise OAuthError(
            "invalid_request",
            f"There is no such tenant here; this server's is {tokens.tenant_name}.",
            number=NO_SUCH_TENANT,
        )
    return named


def token_endpoints(exchange: Exchange, tokens: ClientTokens) -> frozenset[str]:
    """All that clients may call the token endpoint at the host that they asked; nothing where that may be another's."""
    if not tokens.is_own(exchange.host):
        return frozenset()
    names, versions = {tokens.tenant, tokens.tenant_name}, ("", "/v2.0")
    return frozenset(f"{exchange.origin}/{name}/oauth2{version}/token" for name in names for version in versions)


class Discovery:
    """The discovery documents and the keys of the one tenant."""

    def __init__(self, tokens: ClientTokens) -> None:
        self._tokens = tokens

    async def first(self, exchange: Exchange) -> Reply:
        """Return the document that clients of AD FS ask for: it leads to the first version of the token endpoint."""
        return self._document(exchange, "")

    async def second(self, exchange: Exchange) -> Reply:
        """Return the document that leads to the second version."""
        return self._document(exchange, "/v2.0")

    async def keys(self, exchange: Exchange) -> Reply:
        """Return the public keys that tokens are signed with."""
        tenant_of(exchange, self._tokens)
        return Reply(200, _encode(self._tokens.jwks()))

    def _document(self, exchange: Exchange, version: str) -> Reply:
        """What it leads to has the tenant's name as it was asked; the issuer is that of all tokens (RFC 8414, 3.3)."""
        base = f"{exchange.origin}/{tenant_of(exchange, self._tokens)}"
        document = {
            "issuer": self._tokens.issuer(exchange.host),
            # There is no interactive login; Azure's clients insist on the member.
            "authorization_endpoint": f"{base}/oauth2{version}/authorize",
            "token_endpoint": f"{base}/oauth2{version}/token",
            "jwks_uri": f"{base}/discovery{version}/keys",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
            "response_types_supported": ["token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        }
        return Reply(200, _encode(document))
