"""The certificate that a node shows Entra ID: read whole, and refused for its own reason."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from holdfast.crypto.client_certificates import read_client_certificate
from holdfast.errors import InvalidInput

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=90)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "node")])
KEY, OTHER = generate_private_key(65537, 2048), generate_private_key(65537, 2048)


def certificate_of(key: RSAPrivateKey) -> x509.Certificate:
    builder = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, START, END)
    return builder.sign(key, SHA256())


def pem(key: RSAPrivateKey, certificate: x509.Certificate, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption) + certificate.public_bytes(Encoding.PEM)


def test_pem_and_pkcs12_are_read_with_and_without_a_password() -> None:
    certificate = certificate_of(KEY)
    bundle = pkcs12.serialize_key_and_certificates(b"n", KEY, certificate, None, BestAvailableEncryption(b"secret"))
    given = [(pem(KEY, certificate), None), (pem(KEY, certificate, b"secret"), "secret"), (bundle, "secret")]
    for data, password in given:
        found = read_client_certificate(data, password)
        assert (found.starts_at, found.expires_at) == (START, END)
        assert found.thumbprint == certificate.fingerprint(SHA1()).hex().upper()


@pytest.mark.parametrize(
    ("data", "password", "why"),
    [
        (pem(OTHER, certificate_of(KEY)), None, "not its certificate's"),
        (pem(KEY, certificate_of(KEY)), "secret", "is not encrypted"),
        (pem(KEY, certificate_of(KEY), b"secret"), None, "give its password"),
        (pem(KEY, certificate_of(KEY), b"secret"), "wrong", "password is wrong"),
        (certificate_of(KEY).public_bytes(Encoding.PEM), None, "no usable private key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", None, "no PEM certificate"),
        (b"\x30\x82", None, "neither PEM nor PKCS #12"),
        (
            generate_ec(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate_of(KEY).public_bytes(Encoding.PEM),
            None,
            "no RSA key",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_reason(data: bytes, password: str | None, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        read_client_certificate(data, password)
