"""The certificate that a client proves itself with to Microsoft Entra ID: a file with its RSA key."""

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from holdfast.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """What may be told of one. ``thumbprint``: of SHA-1 in capitals, as Azure's portal lists the registered ones."""

    starts_at: datetime
    expires_at: datetime
    thumbprint: str


def read_client_certificate(data: bytes, password: str | None = None) -> ClientCertificate:
    """Read the PEM text or PKCS #12 bundle of a certificate and its key.

    Raises:
        InvalidInput: azure-identity could not use it. The text completes "it …", and holds nothing of the file.
    """
    key, certificate = _pem(data, password) if b"-----BEGIN" in data else _pkcs12(data, password)
    if not isinstance(key, RSAPrivateKey):
        raise InvalidInput("holds no RSA key, and Entra ID takes no other")
    if key.public_key() != certificate.public_key():
        raise InvalidInput("holds a key that is not its certificate's")
    return ClientCertificate(
        starts_at=certificate.not_valid_before_utc,
        expires_at=certificate.not_valid_after_utc,
        thumbprint=certificate.fingerprint(SHA1()).hex().upper(),  # noqa: S303 - a name of it, no proof
    )


def _pem(data: bytes, password: str | None) -> tuple[object, x509.Certificate]:
    try:
        certificate = x509.load_pem_x509_certificate(data)
    except ValueError:
        raise InvalidInput("holds no PEM certificate, or a broken one") from None
    try:
        return load_pem_private_key(data, password.encode() if password else None), certificate
    except TypeError:  # a password without need, or a need without password
        wrong = "is not encrypted, but a password is given" if password else "has an encrypted key: give its password"
        raise InvalidInput(wrong) from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidInput("holds no usable private key next to its certificate, or the password is wrong") from None


def _pkcs12(data: bytes, password: str | None) -> tuple[object, x509.Certificate]:
    try:
        key, certificate, _ = pkcs12.load_key_and_certificates(data, password.encode() if password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidInput("is neither PEM nor PKCS #12, or the password is wrong or missing") from None
    if key is None or certificate is None:
        raise InvalidInput("does not hold both a certificate and its key")
    return key, certificate
