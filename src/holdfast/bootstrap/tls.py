"""The certificate that a node shows: a configured one, or one of a private CA in the data folder."""

from pathlib import Path

from holdfast.bootstrap.datafolder import TLS, check_data_folder
from holdfast.config import Settings
from holdfast.crypto.certificates import ensure_server_certificate, names_in
from holdfast.errors import ConfigurationError
from holdfast.resilience.clock import SystemClock


def certificate_files(settings: Settings) -> tuple[Path, Path]:
    """Return certificate chain and key: the configured ones, or ones that the private CA in the data folder issues.

    Raises:
        ConfigurationError: one of the two is configured without the other.
        StartupError: others may change what is in the data folder.
    """
    if settings.tls_cert and settings.tls_key:
        return settings.tls_cert, settings.tls_key
    if settings.tls_cert or settings.tls_key:
        raise ConfigurationError(["HOLDFAST_TLS_CERT and HOLDFAST_TLS_KEY belong together: give both or neither"])
    check_data_folder(settings.data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # as a parent of the CA's it would be open
    made = ensure_server_certificate(tls_folder(settings), settings.tls_hosts, now=SystemClock().now())
    return made.chain_file, made.chain_file


def certified_names(settings: Settings) -> frozenset[str]:
    """Return the names and addresses that are this server's for certain: its certificate's, and HOLDFAST_TLS_HOSTS."""
    return names_in(certificate_file(settings)) | {each.lower() for each in settings.tls_hosts}


def certificate_file(settings: Settings) -> Path:
    """Where the certificate is that this server shows; nothing may be there yet."""
    return settings.tls_cert or tls_folder(settings) / "server.pem"


def tls_folder(settings: Settings) -> Path:
    """Where the private CA lives; ``ca.pem`` in it is what clients trust."""
    return settings.data_dir / TLS
