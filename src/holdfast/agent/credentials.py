"""What the agent proves itself with: a client's id and secret in a file, or a token that an issuer renews in one.

Files are read at each use, as their owners replace them: systemd at a start, Kubernetes every hour, people when they
rotate.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from holdfast.errors import ConfigurationError
from holdfast.resilience.ownership import changed_by_others, open_file

CREDENTIAL: Final = "holdfast.client"
"""The name of systemd's credential: ``LoadCredentialEncrypted=holdfast.client:/etc/holdfast/client.cred``."""

MAX_BYTES: Final = 16 * 1024
"""Of either file. A Kubernetes token has some 1200 characters, with many groups in it some thousands."""

_OTHERS_READ: Final = 0o004


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client's id and secret."""

    client_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A token of a trusted issuer, for a client that it is registered for (RFC 7523). ``tenant``: as URLs have it."""

    client_id: str
    tenant: str
    token: str = field(repr=False)


Credential = ClientSecret | Assertion


class Source(Protocol):
    """Where a credential comes from."""

    def read(self) -> Credential:
        """Return it as it is now.

        Raises:
            ConfigurationError: there is none, or others may change or read what it is in.
        """


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file with one line: the client id, a colon and the client secret."""

    path: Path

    def read(self) -> ClientSecret:
        """Return what the file holds; see ``Source``. Not even what it lacks is told of by its content."""
        client_id, _, secret = _line(self.path, closed_to=_OTHERS_READ).rpartition(":")
        if not client_id or not secret:
            raise ConfigurationError([f"{self.path} must hold one line: the client id, a colon and the client secret"])
        return ClientSecret(client_id, secret)


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A file with a token. Kubernetes lets every account of a pod read it, so its mode is not judged."""

    path: Path
    client_id: str
    tenant: str

    def read(self) -> Assertion:
        """Return what the file holds; see ``Source``."""
        return Assertion(self.client_id, self.tenant, _line(self.path, closed_to=0))


def of_systemd(environ: Mapping[str, str]) -> SecretFile | None:
    """Return the credential that systemd has handed over, if there is one (systemd.exec(5), CREDENTIALS_DIRECTORY)."""
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / CREDENTIAL
    return SecretFile(path) if folder and path.is_file() else None


def _line(path: Path, *, closed_to: int) -> str:
    """The one line of a file.

    Raises:
        ConfigurationError: it cannot be read, others may change it, or read it in spite of ``closed_to``.
    """
    try:
        with open_file(path) as file:
            mode = os.fstat(file.fileno()).st_mode
            fault, content = changed_by_others(path), file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError([f"{path} cannot be read ({error.strerror})"]) from None
    if mode & closed_to:
        raise ConfigurationError([f"{path} can be read by others: chmod o-r it, and replace what is in it"])
    if fault is not None:
        raise ConfigurationError([fault])
    text = content.decode("ascii", "replace").strip()
    if len(content) > MAX_BYTES or not text or not text.isascii() or not text.isprintable():
        raise ConfigurationError([f"{path} must hold one line of printable ASCII, of {MAX_BYTES:,} characters at most"])
    return text
