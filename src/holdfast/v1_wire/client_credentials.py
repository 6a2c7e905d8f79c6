"""What clients show the token endpoint instead of a secret."""

from typing import Annotated, Final, Self
from uuid import UUID

from msgspec import Meta

from holdfast.domain.assertions import MAX_TERM, ClientCredential, CredentialKind
from holdfast.v1_wire.documents import Document, Moment, Request

CredentialName = Annotated[
    str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$", description="By which the credential is removed again.")
]
Term = Annotated[
    str, Meta(pattern="^[!-~]([ -~]*[!-~])?$", max_length=MAX_TERM, description="Compared exactly with the claim.")
]


_OF_RECORD: Final = ("thumbprint", "expires_at", "created_at", "created_by", "trusted")


class FederateClient(Request):
    """Tokens of a trusted issuer that may log in as a client: those with exactly these claims."""

    name: CredentialName
    issuer: Term
    subject: Term
    audience: Term


class CertifyClient(Request):
    """A certificate whose key signs assertions of a client: PEM, the public part alone."""

    name: CredentialName
    certificate: Annotated[str, Meta(min_length=1, max_length=16_384)]


class CredentialDocument(Document):
    """A credential of a client. ``issuer``, ``subject`` and ``audience`` belong to a federated one, the rest to a
    certificate: PEM, the SHA-1 of it in hex, and its end. ``trusted``: whether the node that answers trusts the issuer.
    """

    id: UUID
    name: str
    kind: CredentialKind
    issuer: str | None
    subject: str | None
    audience: str | None
    certificate: str | None
    thumbprint: str | None
    expires_at: Moment | None
    created_at: Moment
    created_by: str
    trusted: bool | None = None

    @classmethod
    def of_credential(cls, credential: ClientCredential, record: object) -> Self:
        """Return the document of a credential; ``record`` has what else is known of it."""
        return cls(
            id=credential.id,
            name=credential.name,
            kind=credential.kind,
            issuer=credential.issuer or None,
            subject=credential.subject or None,
            audience=credential.audience or None,
            certificate=credential.certificate or None,
            **{name: getattr(record, name) for name in _OF_RECORD},
        )

    def credential(self) -> ClientCredential:
        """Return the credential."""
        return ClientCredential(
            id=self.id,
            name=self.name,
            kind=self.kind,
            issuer=self.issuer or "",
            subject=self.subject or "",
            audience=self.audience or "",
            certificate=self.certificate or "",
        )
