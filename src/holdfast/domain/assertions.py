"""Credentials by which a client logs in without a secret of ours: what others sign for it, and what it signs itself."""

import enum
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from holdfast.errors import InvalidInput

MAX_CREDENTIALS: Final = 20
"""Of one client. Entra ID allows 20 federated credentials of an application."""

MAX_TERM: Final = 600
"""Characters of an issuer, a subject or an audience, as in Entra ID's federated credentials."""

ENTRA_EXCHANGE: Final = "api://AzureADTokenExchange"
"""The audience that Azure's workload identity asks for by default. Such a token is also good at Entra ID."""

MAX_FEDERATED_LIFETIME: Final = timedelta(hours=24)
"""From ``iat`` to ``exp`` of a token that another issuer signed: the most that AKS' workload identity asks for."""

MAX_CERTIFIED_LIFETIME: Final = timedelta(minutes=15)
"""From its beginning to its end of an assertion that a client signs; Microsoft's libraries make them for 10 minutes."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)


class CredentialKind(enum.StrEnum):
    """Who signs the assertion that a credential is for."""

    FEDERATED = "federated"
    """A trusted issuer."""
    CERTIFICATE = "certificate"
    """The client itself, with the key of a registered certificate."""
    UNKNOWN = "unknown"
    """Of a kind that this release does not know: listed and removed, and no one is let in by it."""

    @classmethod
    def _missing_(cls, value: object) -> "CredentialKind":
        """What any other word stands for, in a row or in the answer of a later release."""
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredential:
    """What an assertion has to show to log in as a client.

    ``id`` is never another's. ``issuer``, ``subject`` and ``audience``: claims of a federated one, compared exactly.
    ``certificate``: PEM, the public part. What a kind has no use for is empty.
    """

    id: UUID
    name: str
    kind: CredentialKind
    issuer: str = ""
    subject: str = ""
    audience: str = ""
    certificate: str = ""

    @property
    def registration(self) -> str:
        """What tokens name that were given for it."""
        return self.id.hex

    @property
    def terms(self) -> tuple[str, ...]:
        """All that decides who is let in by it, as texts."""
        return (
            str(self.id),
            self.name,
            self.kind.value,
            self.issuer,
            self.subject,
            self.audience,
            self.certificate,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What people see of a certificate: its PEM alone, its SHA-1 thumbprint in hex, and its end."""

    pem: str
    thumbprint: str
    expires_at: datetime


def credential_name(raw: object) -> str:
    """Return the name by which a client's credential is removed again.

    Raises:
        InvalidInput: it is not 1 to 63 of a-z, 0-9, ``.``, ``_`` and ``-``, a letter or digit first.
    """
    if not isinstance(raw, str) or not _NAME.fullmatch(raw):
        raise InvalidInput(
            "name must be 1 to 63 characters out of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit.",
            field="name",
        )
    return raw


def issuer_address(raw: object) -> str:
    """Return the ``iss`` of tokens, an https address without a fragment.

    Raises:
        InvalidInput: it is none.
    """
    text = _term("issuer", raw)
    try:
        url = urlsplit(text)
        sound = url.scheme == "https" and bool(url.hostname) and "@" not in url.netloc and not url.fragment
    except ValueError:
        sound = False
    if not sound or " " in text:
        raise InvalidInput("issuer must be an https:// address, exactly as the tokens have it.", field="issuer")
    return text


def subject_of_tokens(raw: object) -> str:
    """Return the ``sub`` of tokens.

    Raises:
        InvalidInput: empty, longer than 600 characters, not printable ASCII, or with spaces around.
    """
    return _term("subject", raw)


def audience_of_tokens(raw: object) -> str:
    """Return the ``aud`` of tokens.

    Raises:
        InvalidInput: empty, longer than 600 characters, not printable ASCII, or with spaces around.
    """
    return _term("audience", raw)


def _term(field: str, raw: object) -> str:
    if (
        not isinstance(raw, str)
        or not 0 < len(raw) <= MAX_TERM
        or not (raw.isascii() and raw.isprintable())
        or raw != raw.strip()
    ):
        raise InvalidInput(
            f"{field} must be 1 to {MAX_TERM} printable ASCII characters without spaces around, exactly as the tokens "
            "have it; there are no patterns.",
            field=field,
        )
    return raw
