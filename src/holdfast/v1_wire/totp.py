"""Second factors."""

from typing import Annotated

from msgspec import Meta

from holdfast.v1_wire.documents import Confidential, Document, Identity, Request

Code = Annotated[Confidential, Meta(pattern="^[0-9]{6}$", description="Six digits, as the app shows them; good once.")]


class EnrolTotp(Request):
    """Whose second factor: the caller's own unless another identity is named."""

    identity: Identity | None = None


class EnrolmentDocument(Document):
    """What the app reads, as an address or a QR code made of it; it is shown this once."""

    identity: str
    uri: Confidential


class TotpCode(Request):
    """A code from the app."""

    code: Code
