"""A throw-away certificate authority for servers on loopback."""

import base64
import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


def make_authority(folder: Path, host: str = "127.0.0.1", names: Sequence[str] = ()) -> tuple[Path, ssl.SSLContext]:
    """Write ``ca.pem`` into a folder; return its path and the context of a server that it vouches for as ``host``.

    ``names``: further names of that server.
    """
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "throw-away CA")])
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key(), ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    certificate = (
        _builder(subject, ca_name, key.public_key(), ca_key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(host)), *map(x509.DNSName, names)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(ca_key, SHA256())
    )
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
    ca_file.chmod(0o644)
    server_file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_file)
    return ca_file, context


def make_client_certificate(
    folder: Path, password: str | None = None, *, days: int = 365, name: str = "client.pem"
) -> Path:
    """Write an RSA key and its self-signed certificate into a file, as a client of Entra ID is given one."""
    key, certificate = self_signed(days=days)
    lock = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    file = folder / name
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock) + certificate.public_bytes(Encoding.PEM)
    )
    file.chmod(0o600)
    return file


def self_signed(*, days: int = 365, bits: int = 2048) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    """An RSA key and its certificate, good since a month ago."""
    key = rsa.generate_private_key(65537, bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "holdfast")])
    builder = _builder(subject, subject, key.public_key(), key.public_key(), timedelta(days=days))
    return key, builder.sign(key, SHA256())


def public_part(file: Path) -> str:
    """The certificate in a file that holds its key as well."""
    pem = file.read_text()
    return pem[pem.index("-----BEGIN CERTIFICATE") :]


def signed_by(file: Path, client_id: str, endpoint: str) -> str:
    """What a client with the key and certificate in a file shows to a token endpoint, as MSAL makes it."""
    pem, now = file.read_bytes(), int(time.time())
    digest = x509.load_pem_x509_certificate(pem).fingerprint(SHA256())
    claims = {"aud": endpoint, "iss": client_id, "sub": client_id, "jti": str(uuid4()), "nbf": now, "exp": now + 600}
    thumbprint = base64.urlsafe_b64encode(digest).decode()
    return jwt.encode(claims, pem, "PS256", headers={"x5t#S256": thumbprint})


@cache
def public_pem() -> str:
    """The certificate of a client, the same at every call."""
    return self_signed()[1].public_bytes(Encoding.PEM).decode()


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: PublicKey,
    issuer_key: PublicKey,
    lasts: timedelta = timedelta(days=1),
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
