"""Access tokens: compact JWTs (RFC 7519, RFC 9068) signed with Ed25519 keys that come from the ring."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from holdfast.crypto.keyring import KeyRing
from holdfast.errors import Unauthenticated

ALGORITHM: Final = "EdDSA"
LEEWAY: Final = timedelta(seconds=30)
"""How far the clocks of two nodes may be apart."""

MAX_TOKEN_LENGTH: Final = 4096
"""Characters. Ours have some 500; longer ones are not looked at."""

_TYPE: Final = "at+jwt"
_TEXTS: Final = ("iss", "sub", "aud", "jti")
_TIMES: Final = ("exp", "nbf", "iat")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims:
    """What a valid token says. ``token_id`` is unique to the token."""

    subject: str
    audience: str
    token_id: str
    expires_at: int


@final
class TokenAuthority:
    """Issues and checks the tokens of one issuer: signs with the ring's primary key, accepts those of all its keys."""

    def __init__(self, ring: KeyRing, issuer: str) -> None:
        keys = {key_id: Ed25519PrivateKey.from_private_bytes(ring.key(key_id).subkey("token")) for key_id in ring.ids}
        self._issuer = issuer
        self._key_id = ring.primary.id
        self._signing_key = keys[self._key_id]
        self._public_keys = {key_id: key.public_key() for key_id, key in keys.items()}

    def issue(self, subject: str, audience: str, *, now: datetime, lifetime: timedelta) -> str:
        """Return a token that says ``subject`` may speak to ``audience`` from ``now`` for ``lifetime``."""
        issued_at = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience,
            "jti": secrets.token_urlsafe(16),
            "iat": issued_at,
            "nbf": issued_at,
            "exp": issued_at + int(lifetime.total_seconds()),
        }
        headers = {"kid": self._key_id, "typ": _TYPE}
        return jwt.encode(claims, self._signing_key, ALGORITHM, headers=headers)

    def verify(self, token: str, audience: str, *, now: datetime) -> TokenClaims:
        """Return the claims of a token that we issued for exactly this audience and that is valid now.

        Raises:
            Unauthenticated: anything about it is missing, of the wrong type, foreign, not yet or no longer valid.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(f"The access token is longer than {MAX_TOKEN_LENGTH} characters.")
        claims = self._signed_claims(token)
        if not _well_typed(claims):
            raise Unauthenticated("The access token lacks a claim, or one has the wrong type.")
        if claims["iss"] != self._issuer or claims["aud"] != audience:
            raise Unauthenticated("The access token was issued for another resource or by another issuer.")
        _check_times(claims, now.timestamp())
        return TokenClaims(
            subject=claims["sub"], audience=audience, token_id=claims["jti"], expires_at=int(claims["exp"])
        )

    def key_set(self) -> dict[str, list[dict[str, str]]]:
        """Return the public keys as a JSON Web Key Set (RFC 7517, RFC 8037)."""
        return {"keys": [_public_jwk(key_id, key) for key_id, key in self._public_keys.items()]}

    def _signed_claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._public_keys[header["kid"]]
            if header.get("typ") != _TYPE:
                raise Unauthenticated("The token is not an access token.")
            # Claims are checked by us: PyJWT takes numbers given as text, and knows no clock but the system's.
            return jwt.decode(token, key, algorithms=[ALGORITHM], options=_ONLY_THE_SIGNATURE)
        # KeyError, TypeError: no key id, an unknown one, or one that is not text.
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise Unauthenticated("The access token is not one that this service signed.") from None


_ONLY_THE_SIGNATURE: Final[Any] = {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "iss", "aud", "sub", "jti")
} | {"verify_signature": True}


def _well_typed(claims: dict[str, Any]) -> bool:
    texts = all(isinstance(claims.get(claim), str) and claims[claim] for claim in _TEXTS)
    # `type is`: True is an int as well, and a float may be NaN, which no comparison catches.
    return texts and all(type(claims.get(claim)) is int for claim in _TIMES)


def _check_times(claims: dict[str, Any], now_s: float) -> None:
    leeway_s = LEEWAY.total_seconds()
    if claims["exp"] <= now_s - leeway_s:
        raise Unauthenticated("The access token has expired; get a new one.")
    if max(claims["nbf"], claims["iat"]) > now_s + leeway_s:
        raise Unauthenticated("The access token is not valid yet; compare the clocks.")


def _public_jwk(key_id: str, key: Ed25519PublicKey) -> dict[str, str]:
    point = base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": point, "use": "sig", "alg": ALGORITHM, "kid": key_id}
