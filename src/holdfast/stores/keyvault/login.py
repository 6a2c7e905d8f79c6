"""The node's identity as it is given: who that is, in words, and what lies in its files."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from holdfast.config.azure import AzureSettings, Identity
from holdfast.crypto.client_certificates import ClientCertificate, read_client_certificate
from holdfast.errors import ConfigurationError, InvalidInput
from holdfast.resilience.ownership import open_file

_MAX_BYTES: Final = 256 * 1024
"""More than any secret, certificate with its chain, or token has."""

_IMDS: Final = "a virtual machine's endpoint"

Stamp = tuple[tuple[int, int, int], ...]
"""Which files there are: one that is replaced or written has another stamp."""


def whom(login: AzureSettings, environ: Mapping[str, str] | None = None) -> str:
    """Return who is shown to Entra ID, and by what, without any secret."""
    client = f"the client {login.client_id} of the tenant {login.tenant_id}"
    if login.identity is Identity.MANAGED:
        kind = f"the user-assigned managed identity {login.client_id}" if login.client_id else _SYSTEM
        return f"{kind} ({platform(environ)})"
    return {
        Identity.SECRET: f"{client}, by its secret",
        Identity.CERTIFICATE: f"{client}, by the certificate in {login.client_certificate}",
        Identity.FEDERATED: f"{client}, by the federated token in {login.federated_token_file}",
        Identity.DEVELOPER: "who is logged in on this machine (az, azd or Azure PowerShell)",
    }[login.identity]


_SYSTEM: Final = "the system-assigned managed identity"


def platform(environ: Mapping[str, str] | None = None) -> str:
    """Return whose endpoint azure-identity asks for a managed identity's token, by the variables that it goes by."""
    environ = os.environ if environ is None else environ
    if environ.get("IDENTITY_ENDPOINT"):
        if environ.get("IDENTITY_HEADER"):
            return "Service Fabric" if environ.get("IDENTITY_SERVER_THUMBPRINT") else "App Service, or alike"
        return "Azure Arc" if environ.get("IMDS_ENDPOINT") else _IMDS
    if environ.get("MSI_ENDPOINT"):
        return "Azure ML" if environ.get("MSI_SECRET") else "Cloud Shell"
    return _IMDS


def check(login: AzureSettings) -> None:
    """See that an identity can be used, before anything is opened for it.

    Raises:
        ConfigurationError: something that it needs is missing, or a file of it is not usable.
    """
    if login.identity in _READERS:
        if not login.tenant_id or not login.client_id:
            raise ConfigurationError(["AZURE_TENANT_ID and AZURE_CLIENT_ID are needed: a client is known by both."])
        _READERS[login.identity](login)


def secret_of(login: AzureSettings) -> str:
    """Return the client's secret, from wherever it is given.

    Raises:
        ConfigurationError: its file cannot be read, or holds none.
    """
    if login.client_secret is not None:
        return login.client_secret
    name = "HOLDFAST_AZURE_CLIENT_SECRET_FILE"
    secret = _read(name, login.client_secret_file).strip()
    if not secret or not secret.isascii() or any(each <= 32 for each in secret):
        raise ConfigurationError([f"{name} must name a file with one secret of printable ASCII characters."])
    return secret.decode()


def certificate_of(login: AzureSettings) -> tuple[bytes, ClientCertificate]:
    """Return the certificate's file, and what may be told of it.

    Raises:
        ConfigurationError: it cannot be read, or is no certificate with its RSA key.
    """
    name = "AZURE_CLIENT_CERTIFICATE_PATH"
    data = _read(name, login.client_certificate)
    try:
        return data, read_client_certificate(data, login.client_certificate_password)
    except InvalidInput as fault:
        raise ConfigurationError(
            [f"{name} names {login.client_certificate}, which {fault} (AZURE_CLIENT_CERTIFICATE_PASSWORD)."]
        ) from None


def assertion_of(login: AzureSettings) -> str:
    """Return the federated token, as it is now.

    Raises:
        ConfigurationError: its file cannot be read, or holds no token.
    """
    name = "AZURE_FEDERATED_TOKEN_FILE"
    token = _read(name, login.federated_token_file).strip()
    if token.count(b".") != 2 or not token.isascii() or any(each <= 32 for each in token):
        raise ConfigurationError([f"{name} must name a file with one token of three parts (a JWT)."])
    return token.decode()


_READERS: Final[Mapping[Identity, Callable[[AzureSettings], object]]] = {
    Identity.SECRET: secret_of,
    Identity.CERTIFICATE: certificate_of,
    Identity.FEDERATED: assertion_of,
}


def stamp_of(login: AzureSettings) -> Stamp:
    """Return which files the identity is made of; what is not there has no stamp."""
    files = {Identity.SECRET: login.client_secret_file, Identity.CERTIFICATE: login.client_certificate}
    path = files.get(login.identity)
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return ()
    return () if found is None else ((found.st_ino, found.st_size, found.st_mtime_ns),)


def _read(name: str, path: Path | None) -> bytes:
    if path is None:
        raise ConfigurationError([f"{name} is missing."])
    try:
        with open_file(path) as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError([f"{name} must name a readable file ({error.strerror})."]) from None
    if len(data) > _MAX_BYTES:
        raise ConfigurationError([f"{name} must name a file of at most {_MAX_BYTES >> 10} KiB."])
    return data
