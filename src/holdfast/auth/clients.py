"""OAuth2 client credentials: a client id and secret become a token, a token becomes a client id.

Tokens carry an audience, so that one meant for another service is of no use here, nor ours there. A verified token is
remembered by its SHA-256 until it expires; whether its client still exists is asked on every request.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Any, Final, Protocol
from uuid import UUID, uuid4, uuid5

from holdfast.auth.resource import Audience
from holdfast.crypto.credentials import hash_client_secret, registration_of
from holdfast.crypto.tokens import MAX_TOKEN_LENGTH, TokenSigner
from holdfast.domain.assertions import ClientCredential
from holdfast.domain.policy import Caller
from holdfast.errors import InvalidInput, Unauthenticated
from holdfast.ports import Clock, Registration

TOKEN_LIFETIME: Final = timedelta(hours=1)
"""Azure's clients ask for a new token when fewer than five minutes remain."""

_LIFETIME_S: Final = int(TOKEN_LIFETIME.total_seconds())

_REGISTRATION: Final = "reg"
"""The claim that names the registration a token was issued to."""

_VOUCHED: Final = "via"
"""The claim that names the identity that an issuer vouched for."""

MAX_REMEMBERED: Final = 10_000
"""Tokens; the one verified longest ago is forgotten first."""


class Clients(Protocol):
    """The registered clients."""

    async def authenticate_client(self, client_id: str, client_secret: str, *, ip_address: str | None) -> Caller:
        """Return the caller of a right id and secret.

        Raises:
            Unauthenticated: they are not.
        """

    def client_registration(self, client_id: str) -> Registration | None:
        """Which registration the client has, or None when it has none; answers from memory."""

    def is_disabled(self, identity: str) -> bool:
        """Whether an identity has been disabled; answers from memory."""

    def credentials_of(self, client_id: str) -> Sequence[ClientCredential]:
        """What the client shows instead of a secret; answers from memory."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An access token, since when and how long it is good, in whole seconds since 1970 and of duration."""

    token: str
    issued_at: int
    lifetime_s: int


@dataclass(frozen=True, slots=True)
class _Verified:
    client_id: str
    audience: str
    issued_at: int
    expires_at: int
    registration: str | None
    vouched: str | None

    def is_of(self, registration: Registration) -> bool:
        """Whether it was issued to this registration, and not to another one of the same client id."""
        if self.registration is None:  # issued by a release that did not name it
            return self.issued_at > registration.since.timestamp()
        return self.registration == registration.id


class ClientTokens:
    """Issues and checks the tokens of one tenant.

    ``tenant``: its GUID in lower case, which is what tokens carry. ``tenant_name``: what clients are told to call it in
    URLs, the GUID by default.
    """

    def __init__(
        self,
        clients: Clients,
        signer: TokenSigner,
        audience: Audience,
        tenant: str,
        clock: Clock,
        *,
        tenant_name: str | None = None,
    ) -> None:
        self.tenant = tenant
        self.tenant_name = tenant_name or tenant
        self._clients = clients
        self._signer = signer
        self._audience = audience
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Verified] = OrderedDict()

    async def issue(
        self, client_id: str, client_secret: str, resource: str, host: str, *, ip_address: str | None = None
    ) -> IssuedToken:
        """Return a token for ``resource``, asked for at ``host``.

        Raises:
            InvalidInput: the resource is not this server's.
            Unauthenticated: wrong client id or secret.
        """
        audience = self.audience_of(resource, host)
        caller = await self._clients.authenticate_client(client_id, client_secret, ip_address=ip_address)
        # Of the very secret that was shown: the client may be registered again at this moment.
        return self.issue_to(caller.id, _registration(client_secret), audience, host)

    def audience_of(self, resource: str, host: str) -> str:
        """Return the audience of a token for ``resource``, asked for at ``host``.

        Raises:
            InvalidInput: the resource is not this server's.
        """
        audience = self._audience.asked_for(resource, host)
        if audience is None:
            raise InvalidInput(
                "This server issues tokens for itself only: use one host name for vault_url and authority.",
                field="scope",
            )
        return audience

    def issue_to(
        self, client_id: str, registration: str, audience: str, host: str, *, vouched: str | None = None
    ) -> IssuedToken:
        """Return a token of a client that has logged in by what it is registered with.

        ``vouched``: the identity that an issuer vouched for. The token ends when that one is disabled here, too.
        """
        now = int(self._clock.now().timestamp())
        claims = self._claims(client_id, audience, self.issuer(host), now)
        origin = {_REGISTRATION: registration} | ({_VOUCHED: vouched} if vouched is not None else {})
        return IssuedToken(self._signer.sign({**claims, **origin}), now, _LIFETIME_S)

    def authenticate(self, token: str, host: str) -> str:
        """Return the client id that a token proves to the server at ``host``.

        Raises:
            Unauthenticated: forged, expired, for another audience or tenant, or of a removed client.
        """
        verified = self._verified(token)
        if verified.audience != self._audience.resource_of(host):
            raise Unauthenticated("AKV10022: Invalid audience: the access token is for another resource.")
        registration = self._clients.client_registration(verified.client_id)
        by_secret = registration is not None and verified.is_of(registration)
        if not by_secret and not self._by_credential(verified):
            raise Unauthenticated("The client of this access token has been removed.")
        if verified.vouched is not None and self._clients.is_disabled(verified.vouched):
            raise Unauthenticated("The identity by which the client of this access token logged in is disabled here.")
        return verified.client_id

    def _by_credential(self, verified: _Verified) -> bool:
        credentials = self._clients.credentials_of(verified.client_id)
        return any(each.registration == verified.registration for each in credentials)

    def proves(self, client_id: str, client_secret: str) -> bool:
        """Whether this is the client's secret, by what is in memory. Nothing is recorded and nothing is issued."""
        registration = self._clients.client_registration(client_id)
        return registration is not None and compare_digest(registration.id, _registration(client_secret))

    def issuer(self, host: str) -> str:
        """The issuer that tokens asked for at ``host`` name."""
        return f"https://{host}/{self.tenant}/v2.0"

    def resource_of(self, host: str) -> str | None:
        """The resource this server is under ``host``, or None for a host that can only be Azure's."""
        return self._audience.resource_of(host)

    def is_own(self, host: str) -> bool:
        """Whether a canonical host is this server for certain."""
        return self._audience.is_own(host)

    def jwks(self) -> Mapping[str, Any]:
        """The public keys that tokens are signed with, as a JSON Web Key Set."""
        return self._signer.jwks()

    def object_id(self, client_id: str) -> str:
        """The id of a client in the shape of Entra's object ids: the same for ever, and another one in each tenant."""
        return str(uuid5(UUID(self.tenant), client_id))

    def _claims(self, subject: str, audience: str, issuer: str, now: int) -> dict[str, str | int]:
        """The claims of RFC 9068, and those that clients look for (Entra's "access token claims reference")."""
        return {
            "iss": issuer,
            "tid": self.tenant,
            "aud": audience,
            "sub": subject,
            "oid": self.object_id(subject),
            "appid": subject,
            "azp": subject,
            "idtyp": "app",
            "ver": "2.0",
            "jti": str(uuid4()),
            "iat": now,
            "nbf": now,
            "exp": now + _LIFETIME_S,
        }

    def _verified(self, token: str) -> _Verified:
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(f"The access token is longer than {MAX_TOKEN_LENGTH} characters.")
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._remembered.get(digest)
        if known is not None and self._clock.now().timestamp() < known.expires_at:
            return known
        claims = self._signer.verify(token)
        if claims.get("tid") != self.tenant:
            raise Unauthenticated("AKV10032: Invalid issuer: the access token is from another tenant.")
        verified = _Verified(
            claims["sub"], claims["aud"], claims["iat"], claims["exp"], claims.get(_REGISTRATION), claims.get(_VOUCHED)
        )
        self._remembered[digest] = verified
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return verified


def _registration(client_secret: str) -> str:
    return registration_of(hash_client_secret(client_secret))
