"""TLS with no certificate authority at hand: a private CA, and a server certificate that renews itself.

The folder holds three files. Each is replaced in one step, so that a crash leaves the old one or the new one:

    ca.pem       the CA's certificate, for clients to trust
    ca-key.pem   the CA's key and certificate (mode 0600)
    server.pem   the server's key and its certificate (mode 0600)

The CA is not name-constrained: a new host would then need a new CA, and every client to be told of it. Its key never
leaves the folder, and may sign no further CA.
"""

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from holdfast.crypto.issuing import Identity, general_names, issue_server, new_ca
from holdfast.errors import StartupError

RENEW_BEFORE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCertificate:
    """Files for a TLS server. ``chain_file`` holds key and certificate, so it serves as both."""

    ca_file: Path
    chain_file: Path
    expires_at: datetime
    renewed: bool


def ensure_server_certificate(folder: Path, hosts: Iterable[str], *, now: datetime) -> ServerCertificate:
    """Return a server certificate for loopback and ``hosts`` (names or IP addresses), made or renewed if need be.

    It is renewed when fewer than 30 days are left, the hosts changed or the CA did. The CA is made on first use.

    Raises:
        ConfigurationError: a host is neither a DNS name nor an IP address.
        StartupError: the CA's files are broken, expired or open to others.
    """
    names = general_names(hosts)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(folder):
        ca = _ensure_ca(folder, now)
        chain_file = folder / "server.pem"
        kept = _load(chain_file)
        renew = kept is None or not _serves(kept.certificate, ca.certificate, names, now)
        if kept is None or renew:
            kept = issue_server(ca, names, now)
            _replace(chain_file, kept.pem(), 0o600)
    expires_at = kept.certificate.not_valid_after_utc
    return ServerCertificate(ca_file=folder / "ca.pem", chain_file=chain_file, expires_at=expires_at, renewed=renew)


def names_in(file: Path) -> frozenset[str]:
    """Return the DNS names and addresses, in lower case, of the first certificate in a PEM file; of none, nothing."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return frozenset()
    names = (*held.get_values_for_type(x509.DNSName), *held.get_values_for_type(x509.IPAddress))
    return frozenset(str(each).lower() for each in names)


def _ensure_ca(folder: Path, now: datetime) -> Identity:
    key_file, ca_file = folder / "ca-key.pem", folder / "ca.pem"
    if not key_file.exists():
        _replace(key_file, new_ca(now).pem(), 0o600)
    ca = _load(key_file)
    mend = f"Move {key_file} away to have a new CA made, and give the new {ca_file.name} to every client."
    if ca is None:
        raise StartupError(f"{key_file} does not hold a key and its certificate. Restore it from a backup. Or: {mend}")
    if stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        raise StartupError(f"{key_file} can be read by others: whoever did can pose as this server. {mend}")
    if ca.certificate.not_valid_after_utc <= now:
        raise StartupError(f"The CA in {key_file} has expired. {mend}")
    public = ca.certificate.public_bytes(Encoding.PEM)
    if not ca_file.exists() or ca_file.read_bytes() != public:
        _replace(ca_file, public, 0o644)
    return ca


def _serves(certificate: x509.Certificate, ca: x509.Certificate, names: list[x509.GeneralName], now: datetime) -> bool:
    """Whether a kept certificate is still the one to show."""
    try:
        certificate.verify_directly_issued_by(ca)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (InvalidSignature, x509.ExtensionNotFound, ValueError, TypeError):
        return False
    # Near the CA's own end a new certificate would last no longer than the kept one.
    lasts_until = min(now + RENEW_BEFORE, ca.not_valid_after_utc)
    return set(held) == set(names) and certificate.not_valid_after_utc >= lasts_until


def _load(path: Path) -> Identity | None:
    """The key and certificate in a file; None if there is no such file, or they do not belong together."""
    try:
        pem = path.read_bytes()
        key, certificate = load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        return None
    return Identity(key, certificate)


def _replace(path: Path, content: bytes, mode: int) -> None:
    """Write a file in one step, durably, never with more rights than ``mode``."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    with _opened(path.parent) as folder:
        os.fsync(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time work on the folder; the lock ends with the process."""
    with _opened(folder) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
