"""Tokens that others sign: JSON Web Tokens (RFC 7519) checked against their JSON Web Key Sets (RFC 7517).

What a token says about keys and algorithms is never followed: both come from the caller's configuration.
"""

from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from holdfast.errors import Unauthenticated

MAX_KEYS: Final = 100
MAX_SAME_ID: Final = 4
"""Keys under one id that a token is held against; further ones are left out."""

MAX_KEY_ID: Final = 256
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192
"""No issuer signs with more, and each bit costs the one who verifies."""

_CURVES: Final = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_ONLY_THE_SIGNATURE: Final[Any] = {"verify_signature": True} | {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "iss", "aud", "sub", "jti")
}
_MALFORMED: Final = (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says before anything of it is proven."""

    issuer: str
    algorithm: str
    key_id: str


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign; ``algorithm``: the only one it is for, or None where its issuer does not say."""

    key: Any = field(repr=False)
    algorithm: str | None

    def fits(self, algorithm: str) -> bool:
        """Whether the key is of the algorithm's kind: a public key must never be taken for a shared secret."""
        if self.algorithm not in {None, algorithm}:
            return False
        if isinstance(self.key, RSAPublicKey):
            return algorithm[:2] in {"RS", "PS"}
        if isinstance(self.key, EllipticCurvePublicKey):
            return _CURVES.get(algorithm) == self.key.curve.name
        return isinstance(self.key, Ed25519PublicKey) and algorithm == "EdDSA"


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """An issuer's keys that may sign, by key id: mostly one each, but an issuer may publish several (RFC 7517, 4.5)."""

    keys: Mapping[str, tuple[PublicKey, ...]] = field(repr=False)

    @classmethod
    def parse(cls, document: object) -> "PublicKeys":
        """Return the usable keys of a JSON Web Key Set: public, asymmetric, for signatures, and with an id.

        Raises:
            ValueError: it is no key set, or has none.
        """
        given = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(given, list) or len(given) > MAX_KEYS:
            raise ValueError("not a JSON Web Key Set")
        keys: dict[str, tuple[PublicKey, ...]] = {}
        for each in given:
            if (key := _public_key(each)) is not None:
                keys[each["kid"]] = (*keys.get(each["kid"], ()), key)[:MAX_SAME_ID]
        if not keys:
            raise ValueError("a JSON Web Key Set without a usable key")
        return cls(keys)

    def verified(self, token: str, unverified: Unverified, allowed: Set[str]) -> tuple[PublicKey, Mapping[str, Any]]:
        """Return the key that signed a token, with an allowed algorithm, and the token's claims.

        Raises:
            Unauthenticated: none has.
        """
        algorithm = unverified.algorithm
        for key in self.keys.get(unverified.key_id, ()) if algorithm in allowed else ():
            if key.fits(algorithm):
                with suppress(*_MALFORMED):
                    return key, jwt.decode(token, key.key, algorithms=[algorithm], options=_ONLY_THE_SIGNATURE)
        raise not_signed()


def peek(token: str) -> Unverified | None:
    """Return what a token says of itself; None for what is no such token."""
    try:
        header = jwt.get_unverified_header(token)
        issuer = jwt.decode(token, options={"verify_signature": False})["iss"]
        parts = (issuer, header["alg"], header["kid"])
    except _MALFORMED:
        return None
    if "crit" in header or not all(isinstance(part, str) for part in parts) or len(parts[2]) > MAX_KEY_ID:
        return None
    return Unverified(*parts)


def not_signed() -> Unauthenticated:
    """The one refusal of every token whose signature does not hold."""
    return Unauthenticated("The access token is not one that a trusted issuer signed.")


def _public_key(jwk: object) -> PublicKey | None:
    if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str) or len(jwk["kid"]) > MAX_KEY_ID:
        return None
    algorithm, operations = jwk.get("alg"), jwk.get("key_ops", ["verify"])
    if not isinstance(algorithm, str | None) or not isinstance(operations, list):
        return None
    try:
        if jwk.get("use", "sig") != "sig" or "verify" not in operations:
            return None
        if jwk.get("kty") not in {"RSA", "EC", "OKP"} or "d" in jwk:
            return None
        key = jwt.PyJWK.from_dict(jwk).key
    except _MALFORMED:
        return None
    sound = not isinstance(key, RSAPublicKey) or MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS
    return PublicKey(key, algorithm) if sound else None
