"""Identities and the tokens that they prove themselves with."""

from datetime import timedelta
from typing import Annotated, Any, Final, Self
from uuid import UUID

from msgspec import Meta

from holdfast.domain.identities import (
    DEFAULT_TOKEN_LIFETIME,
    MAX_GROUPS,
    MAX_NETWORKS,
    MAX_TOKEN_DESCRIPTION,
    MAX_TOKEN_LIFETIME,
    MIN_TOKEN_LIFETIME,
    IdentityKind,
    valid_networks,
)
from holdfast.v1_wire.documents import AcceptCredentials, Confidential, Document, Identity, Moment, Request

Seconds = Annotated[int, Meta(ge=int(MIN_TOKEN_LIFETIME.total_seconds()), le=int(MAX_TOKEN_LIFETIME.total_seconds()))]
LocalGroup = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,62}$")]


_AS_THEY_ARE: Final = (
    *("id", "identity", "created_by", "created_at", "expires_at", "max_expires_at"),
    *("description", "renewals", "revoked_at", "last_used_at"),
)
"""Members of a token's document that have the library's own names and types."""


class AddIdentity(Request):
    """An identity to be made. It holds no credential and no permission yet."""

    name: Identity
    kind: IdentityKind = IdentityKind.APPLICATION


class NewIdentity(Document):
    """An identity that was just made."""

    name: str
    kind: IdentityKind


class IdentityDocument(Document):
    """An identity, without what it proves itself with. ``tokens``: how many of its tokens are good now."""

    name: str
    kind: IdentityKind
    created_by: str
    created_at: Moment
    disabled_at: Moment | None
    groups: list[str]
    has_client_secret: bool
    has_totp: bool
    tokens: int


class SetGroups(Request):
    """The groups that an identity is to be a member of: exactly these."""

    groups: Annotated[list[LocalGroup], Meta(max_length=MAX_GROUPS)]
    accept_existing_credentials: AcceptCredentials = False


class GroupsDocument(Document):
    """The groups, kept here, that an identity is a member of."""

    groups: list[str]


class CreateToken(Request):
    """A token to be made. ``networks``: where it may be used from, in CIDR notation; none: from everywhere."""

    identity: Identity
    lifetime_s: Annotated[Seconds, Meta(description="Seconds until it has to be renewed.")] = int(
        DEFAULT_TOKEN_LIFETIME.total_seconds()
    )
    max_lifetime_s: Annotated[Seconds, Meta(description="Seconds until no renewal helps.")] = int(
        MAX_TOKEN_LIFETIME.total_seconds()
    )
    networks: Annotated[list[str], Meta(max_length=MAX_NETWORKS)] | None = None
    description: Annotated[str, Meta(max_length=MAX_TOKEN_DESCRIPTION)] | None = None


class TokenDocument(Document):
    """A token, without the token. ``expires_at`` moves with renewals, at most up to ``max_expires_at``."""

    id: UUID
    identity: str
    created_by: str
    created_at: Moment
    lifetime_s: int
    expires_at: Moment
    max_expires_at: Moment
    description: str | None
    networks: list[str]
    renewals: int
    revoked_at: Moment | None
    last_used_at: Moment | None

    @classmethod
    def of_token(cls, token: Any) -> Self:
        """Return the document of what is kept of a token."""
        return cls(
            lifetime_s=int(token.lifetime.total_seconds()),
            networks=[str(network) for network in token.networks],
            **{name: getattr(token, name) for name in _AS_THEY_ARE},
        )

    def members(self) -> dict[str, Any]:
        """What is kept of the token, by name, in the types of the library."""
        return {
            "lifetime": timedelta(seconds=self.lifetime_s),
            "networks": valid_networks(self.networks),
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
        }


class NewToken(Document):
    """A token that was just made, which is shown this once, and what is kept of it."""

    token: Confidential
    record: TokenDocument
