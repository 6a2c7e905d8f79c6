"""Making X.509 certificates (RFC 5280): a certificate authority's own, and a server's."""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from holdfast.errors import ConfigurationError

LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
CA_LIFETIME: Final = timedelta(days=3650)
SERVER_LIFETIME: Final = timedelta(days=365)

_BACKDATED: Final = timedelta(hours=1)
"""For clients whose clocks are slow."""


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """A private key and the certificate for it. It does not show the key."""

    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> bytes:
        """Return both as PEM, the key first and not encrypted."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)


def new_ca(now: datetime) -> Identity:
    """Return a new certificate authority that may sign server certificates and no further authority."""
    key = generate_private_key(SECP256R1())
    ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    # A name of its own, so that clients never confuse two CAs of ours.
    name = _subject(f"Holdfast CA {ski.digest.hex()[:12]}")
    builder = (
        _builder(name, name, key, now, now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(sign_certificates=True), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    )
    return Identity(key, builder.sign(key, SHA256()))


def issue_server(ca: Identity, names: list[x509.GeneralName], now: datetime) -> Identity:
    """Return a new server key with a certificate of the authority for these names."""
    key = generate_private_key(SECP256R1())
    ends = min(now + SERVER_LIFETIME, ca.certificate.not_valid_after_utc)
    ski = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_subject("Holdfast server"), ca.certificate.subject, key, now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), critical=False)
    )
    return Identity(key, builder.sign(ca.key, SHA256()))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, starts: datetime, ends: datetime
) -> x509.CertificateBuilder:
    public_key = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts - _BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _subject(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def general_names(hosts: Iterable[str]) -> list[x509.GeneralName]:
    """Return the names of loopback and of ``hosts`` as certificates carry them.

    Raises:
        ConfigurationError: a host is neither a DNS name nor an IP address.
    """
    names, faults = list[x509.GeneralName](), list[str]()
    for host in dict.fromkeys((*LOOPBACK_HOSTS, *hosts)):
        try:
            names.append(_general_name(host))
        except ValueError:
            faults.append(f"{ascii(host)[:80]} is neither a DNS name nor an IP address")
    if faults:
        raise ConfigurationError(faults)
    return list(dict.fromkeys(names))


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        name = host.lower().rstrip(".")
        labels = name.split(".")
        if len(name) > 253 or not all(_is_label(label) for label in labels):
            raise
        return x509.DNSName(name)


def _is_label(label: str) -> bool:
    """Whether a text is one label of a host name (RFC 1123, 2.1)."""
    inner = label.replace("-", "")
    return 0 < len(label) <= 63 and inner.isascii() and inner.isalnum() and label[0] != "-" != label[-1]
