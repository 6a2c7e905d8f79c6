"""Certificates by which clients sign their own assertions: named by a thumbprint, proven with the whole of them."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from hmac import compare_digest
from typing import Any, Final

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from holdfast.crypto.assertions import Assertion
from holdfast.crypto.foreign_tokens import MAX_RSA_BITS, MIN_RSA_BITS
from holdfast.domain.assertions import CertificateFacts
from holdfast.errors import InvalidInput

MAX_PEM: Final = 16_384
"""Characters of a certificate. One with many names has some 4,000."""

ALGORITHMS: Final = ("PS256", "RS256")
"""What Microsoft's libraries sign with: PS256, and RS256 where the tenant is ``adfs`` or the library is old."""

_THUMBPRINTS: Final = ("x5t#S256", "x5t")
_URL_SAFE: Final = str.maketrans("+/", "-_")
_ONLY_THE_SIGNATURE: Final[Any] = {"verify_signature": True} | {
    f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "iss", "aud", "sub", "jti")
}


@dataclass(frozen=True, slots=True)
class AssertionCertificate:
    """A registered certificate. ``thumbprints``: SHA-256 and SHA-1 of it, by the header that carries them."""

    pem: str = field(repr=False)
    key: RSAPublicKey = field(repr=False)
    thumbprints: Mapping[str, bytes]
    not_before: datetime
    not_after: datetime

    def is_named_by(self, assertion: Assertion) -> bool:
        """Whether an assertion names this certificate, and no other one beside it (RFC 7515, 4.1.7 and 4.1.8)."""
        named = {name: assertion.header[name] for name in _THUMBPRINTS if name in assertion.header}
        return bool(named) and all(
            compare_digest(_decoded(given), self.thumbprints[name]) for name, given in named.items()
        )

    def signed(self, assertion: Assertion) -> bool:
        """Whether the certificate's key signed an assertion, with an algorithm that is for such a key."""
        algorithm = assertion.header.get("alg")
        if algorithm not in ALGORITHMS:
            return False
        try:
            jwt.decode(assertion.text, self.key, algorithms=[algorithm], options=_ONLY_THE_SIGNATURE)
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return False
        return True

    @property
    def thumbprint(self) -> str:
        """SHA-1 of the certificate in hex, by which people know it from Azure's portal."""
        return self.thumbprints["x5t"].hex().upper()

    def is_valid_at(self, moment: datetime) -> bool:
        """Whether the certificate has begun and not expired."""
        return self.not_before <= moment < self.not_after


def read_certificate(pem: object) -> AssertionCertificate:
    """Return the certificate in a PEM text, with nothing else kept of it.

    Raises:
        InvalidInput: it is not exactly one certificate, comes with a private key, or its key is not RSA of 2048 to
            8192 bits.
    """
    if not isinstance(pem, str) or len(pem) > MAX_PEM or not pem.isascii():
        raise _wrong(f"must be PEM text of at most {MAX_PEM} characters")
    if "PRIVATE KEY" in pem:
        raise _wrong("holds a private key, which belongs to the client alone: give the certificate without it")
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        found = []
    if len(found) != 1:
        raise _wrong("must hold exactly one PEM certificate, the client's own")
    return _parsed(found[0].public_bytes(Encoding.PEM).decode())


@lru_cache(maxsize=256)
def _parsed(pem: str) -> AssertionCertificate:
    certificate = x509.load_pem_x509_certificate(pem.encode())
    key = _key_of(certificate)
    if not isinstance(key, RSAPublicKey) or not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise _wrong(f"must have an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    # SHA-1 only finds the certificate: a second one of the same thumbprint has another key, which proves nothing.
    thumbprints = {"x5t#S256": certificate.fingerprint(SHA256()), "x5t": certificate.fingerprint(SHA1())}  # noqa: S303
    return AssertionCertificate(
        pem, key, thumbprints, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    )


def _key_of(certificate: x509.Certificate) -> object:
    try:
        return certificate.public_key()
    except Exception:
        return None


def certificate_facts(pem: str) -> CertificateFacts:
    """Return what people see of a certificate.

    Raises:
        InvalidInput: as for ``read_certificate``.
    """
    found = read_certificate(pem)
    return CertificateFacts(pem=found.pem, thumbprint=found.thumbprint, expires_at=found.not_after)


def stored_certificate(pem: str) -> AssertionCertificate | None:
    """Return a certificate that was registered; None: it is none that would be registered today."""
    try:
        return _parsed(pem)
    except (InvalidInput, ValueError):
        return None


def _decoded(thumbprint: object) -> bytes:
    """The bytes of a thumbprint. MSAL for Python keeps the padding, and the one for Go writes plain base64."""
    if not isinstance(thumbprint, str) or len(thumbprint) > 64:
        return b""
    bare = thumbprint.rstrip("=").translate(_URL_SAFE)
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"certificate {what}.", field="certificate")
