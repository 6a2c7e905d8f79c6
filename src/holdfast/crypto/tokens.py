"""Access tokens: compact JWTs (RFC 7519, RFC 9068) signed with Ed25519 keys that come from the ring."""

import base64
from collections.abc import Callable, Mapping
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


@final
class TokenSigner:
    """Signs with the ring's sealing key, accepts the tokens of all its keys. ``now`` is the present moment, in UTC.

    Issuer and audience depend on the host that was asked, so the caller compares them; here they must be there, and
    be one text each.
    """

    def __init__(self, ring: KeyRing, now: Callable[[], datetime]) -> None:
        keys = {key_id: Ed25519PrivateKey.from_private_bytes(ring.key(key_id).subkey("token")) for key_id in ring.ids}
        self._now, self._ring, self._signing_keys = now, ring, keys
        self._public_keys = {key_id: key.public_key() for key_id, key in keys.items()}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Return a signed token.

        Raises:
            ValueError: a claim that ``verify`` requires is missing or has the wrong type.
        """
        if not _well_typed(claims):
            raise ValueError(f"a token needs the texts {', '.join(_TEXTS)} and the whole numbers {', '.join(_TIMES)}")
        key_id = self._ring.sealing
        headers = {"kid": key_id, "typ": _TYPE}
        return jwt.encode(dict(claims), self._signing_keys[key_id], ALGORITHM, headers=headers)

    def verify(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that we signed and that is valid now.

        ``iss``, ``sub``, ``aud`` and ``jti`` are texts, ``exp``, ``nbf`` and ``iat`` whole seconds since 1970.

        Raises:
            Unauthenticated: forged, of another type, lacking a claim, not yet or no longer valid.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated(f"The access token is longer than {MAX_TOKEN_LENGTH} characters.")
        claims = self._signed_claims(token)
        if not _well_typed(claims):
            raise Unauthenticated("The access token lacks a claim, or one has the wrong type.")
        _check_times(claims, self._now().timestamp())
        return claims

    def jwks(self) -> Mapping[str, Any]:
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


def _well_typed(claims: Mapping[str, Any]) -> bool:
    texts = all(isinstance(claims.get(claim), str) and claims[claim] for claim in _TEXTS)
    # `type is`: True is an int as well, and a float may be NaN, which no comparison catches.
    return texts and all(type(claims.get(claim)) is int for claim in _TIMES)


def _check_times(claims: Mapping[str, Any], now_s: float) -> None:
    leeway_s = LEEWAY.total_seconds()
    if claims["exp"] <= now_s - leeway_s:
        raise Unauthenticated("The access token has expired; get a new one.")
    if max(claims["nbf"], claims["iat"]) > now_s + leeway_s:
        raise Unauthenticated("The access token is not valid yet; compare the clocks.")


def _public_jwk(key_id: str, key: Ed25519PublicKey) -> dict[str, str]:
    point = base64.urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": point, "use": "sig", "alg": ALGORITHM, "kid": key_id}
