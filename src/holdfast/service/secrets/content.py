"""What the caches hold: everything an answer needs, sealed for one name and one revision."""

from datetime import datetime
from typing import Any, Final

import msgspec

from holdfast.domain.attributes import carried, with_carried
from holdfast.domain.lifecycle import check_disclosable
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, Secret, SecretValue, SecretVersion, Source
from holdfast.errors import UNREADABLE, IntegrityFailure, KeyUnavailable
from holdfast.ports import CacheEntry, Head, Sealer

_PURPOSE: Final = "cache"


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A readable version of a secret.

    ``checked_at``: when it was last compared with its source. ``as_of``: when it was last known to be current.
    ``vault_version_id`` and ``vault_updated_at``: its id and time of change in Key Vault, where known.
    ``timeline``: that of the database which held it.
    ``told``: Key Vault alone told it, while PostgreSQL could not be asked, so no one could confirm it.
    """

    display_name: str
    version: int
    version_id: str
    value: str
    created_at: datetime
    updated_at: datetime
    checked_at: datetime
    as_of: datetime
    vault_version_id: str | None = None
    vault_updated_at: datetime | None = None
    timeline: str = ""
    told: bool = False
    not_before: datetime | None = None
    expires_at: datetime | None = None
    content_type: str | None = None
    tags: dict[str, str] = {}
    carried: str = "{}"
    description: str | None = None
    refuse_outside_validity: bool | None = None

    def __repr__(self) -> str:
        return f"Content(version={self.version})"

    @property
    def attributes(self) -> Attributes:
        """The attributes; only enabled versions are ever kept."""
        plain = Attributes(
            not_before=self.not_before, expires_at=self.expires_at, content_type=self.content_type, tags=self.tags
        )
        return with_carried(plain, self.carried)


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Content)


def content_of(head: Head, version: SecretVersion, value: SecretValue, now: datetime, as_of: datetime) -> Content:
    """Gather the content of a version."""
    return Content(
        display_name=head.display_name,
        version=version.public_number,
        version_id=version.public_id,
        value=value.reveal(),
        created_at=version.created_at,
        updated_at=version.updated_at,
        checked_at=now,
        as_of=as_of,
        vault_version_id=head.vault_version_id,
        vault_updated_at=head.vault_updated_at,
        **described(version.attributes),
        description=head.settings.description,
        refuse_outside_validity=head.settings.refuse_outside_validity,
    )


def described(attributes: Attributes) -> dict[str, Any]:
    """Return the members of a content that hold the attributes."""
    return {
        "not_before": attributes.not_before,
        "expires_at": attributes.expires_at,
        "content_type": attributes.content_type,
        "tags": dict(attributes.tags),
        "carried": carried(attributes),
    }


def seal(sealer: Sealer, name: SecretName, revision: int, content: Content) -> CacheEntry:
    """Seal a content for a cache."""
    blob = sealer.seal_bytes(_PURPOSE, _context(name, revision), _encoder.encode(content))
    return CacheEntry(revision=revision, sealed=blob)


def unseal(sealer: Sealer, name: SecretName, entry: CacheEntry) -> Content | None:
    """Return the content of an entry; one that is not ours, or not for this place, is a miss."""
    try:
        blob = sealer.open_bytes(_PURPOSE, _context(name, entry.revision), entry.sealed)
        return _decoder.decode(blob)
    except (IntegrityFailure, KeyUnavailable, *UNREADABLE):
        return None


def _context(name: SecretName, revision: int) -> bytes:
    return f"{name}:{revision}".encode()


def answer(
    name: SecretName, content: Content, source: Source, now: datetime, *, stale: bool, refuse_outside_validity: bool
) -> Secret:
    """Return the answer to a read, the same whichever tier the content came from.

    Raises:
        SecretOutsideValidity: outside its validity, where the secret or the global setting refuses that.
    """
    attributes = content.attributes
    own = content.refuse_outside_validity
    refuse = refuse_outside_validity if own is None else own
    validity = check_disclosable(name, attributes, now, refuse_outside_validity=refuse)
    return Secret(
        name=name,
        display_name=content.display_name,
        version=content.version,
        version_id=content.version_id,
        secret_value=SecretValue(content.value),
        attributes=attributes,
        created_at=content.created_at,
        updated_at=content.updated_at,
        source=source,
        as_of=content.as_of,
        stale=stale,
        expired=validity.expired,
        not_yet_valid=validity.not_yet_valid,
        description=content.description,
    )
