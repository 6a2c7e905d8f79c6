"""Secrets and their versions: what clients send, and what they get."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

import msgspec
from msgspec import UNSET, Meta, UnsetType

from holdfast.domain.intent import MAX_TAGS
from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import (
    Attributes,
    DeletedSecret,
    RotationPolicy,
    Secret,
    SecretSettings,
    SecretSummary,
    SecretValue,
    SecretVersion,
    Source,
    State,
    WriteResult,
)
from holdfast.domain.validation import (
    MAX_ADDRESS,
    MAX_ADDRESSES,
    MAX_CONTENT_TYPE,
    MAX_DESCRIPTION,
    MAX_INTERVAL_DAYS,
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_TAG_LENGTH,
    MAX_VALUE_BYTES,
)
from holdfast.v1_wire.documents import Confidential, Document, Moment, Name, Request, Version, VersionId
from holdfast.v1_wire.problems import Problem

MAX_BATCH = 100
"""Secrets in one batch."""

Value = Annotated[
    Confidential, Meta(max_length=MAX_VALUE_BYTES, description=f"At most {MAX_VALUE_BYTES:,} bytes in UTF-8.")
]
Description = Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
ContentType = Annotated[str, Meta(max_length=MAX_CONTENT_TYPE)]
Tag = Annotated[str, Meta(max_length=MAX_TAG_LENGTH)]
Tags = Annotated[dict[Annotated[str, Meta(min_length=1, max_length=MAX_TAG_LENGTH)], Tag], Meta(max_length=MAX_TAGS)]
Handler = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,62}$")]
Options = Annotated[dict[Handler, Annotated[str, Meta(max_length=MAX_OPTION)]], Meta(max_length=MAX_OPTIONS)]
Addresses = Annotated[list[Annotated[str, Meta(max_length=MAX_ADDRESS)]], Meta(max_length=MAX_ADDRESSES)]

_OF_A_VERSION: Final = (
    *("version", "version_id", "vault_version_id", "current"),
    *("created_at", "updated_at", "created_by"),
)
_OF_A_SECRET: Final = (
    *("version", "version_id", "source", "as_of", "stale", "expired", "not_yet_valid"),
    *("description", "created_at", "updated_at"),
)
"""Members of documents that have the library's own names and types."""


class RotationPolicyDocument(Request):
    """When a secret is to be rotated, in days, and how; ``auto_rotate`` false asks a person first.

    ``handler`` names a built-in one, which finds in ``options`` what it works on; never a credential.
    ``retire_after_days``: when the old credential is revoked although somebody still uses it; null: a person decides.
    """

    enabled: bool = True
    interval_days: Annotated[int, Meta(ge=1, le=MAX_INTERVAL_DAYS)] = 90
    notify_days_before: Annotated[int, Meta(ge=0, le=MAX_INTERVAL_DAYS)] = 14
    auto_rotate: bool = False
    handler: Handler | None = None
    options: Options = msgspec.field(default_factory=dict)
    retire_after_days: Annotated[int, Meta(ge=1, le=MAX_INTERVAL_DAYS)] | None = None

    @classmethod
    def of_policy(cls, policy: RotationPolicy) -> Self:
        """Return the document of a policy."""
        return msgspec.convert(policy, cls, from_attributes=True)

    def policy(self) -> RotationPolicy:
        """Return the policy."""
        return msgspec.convert(self, RotationPolicy, from_attributes=True)


class SetSecret(Request):
    """A new current version. Description, notices and rotation policy stay as they are when not given."""

    value: Value
    description: Description | None = None
    content_type: ContentType | None = None
    expires_at: Moment | None = None
    not_before: Moment | None = None
    enabled: bool = True
    tags: Tags | None = None
    notify_on_expiry: Addresses | None = None
    rotation_policy: RotationPolicyDocument | None = None
    refuse_outside_validity: bool | None = None

    def options(self) -> dict[str, Any]:
        """The keyword arguments that ``set_secret`` takes for this."""
        return _options(self, leave_out=("value",))


class UpdateSecret(Request):
    """Changes that make no new version. What is not given stays; null clears; tags replace all tags."""

    enabled: bool | UnsetType = UNSET
    expires_at: Moment | UnsetType | None = UNSET
    not_before: Moment | UnsetType | None = UNSET
    content_type: ContentType | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    notify_on_expiry: Addresses | UnsetType | None = UNSET
    rotation_policy: RotationPolicyDocument | UnsetType | None = UNSET
    refuse_outside_validity: bool | UnsetType | None = UNSET

    def options(self) -> dict[str, Any]:
        """The keyword arguments that ``update_secret`` takes for this."""
        return _options(self)


class Rollback(Request):
    """The version, by number or id, whose value becomes current again as a new version."""

    version: Version | VersionId
    reapply: Annotated[bool, Meta(description="have the target accept the value again, by a rotation")] = False


class RestoreSecret(Request):
    """A blob that ``backup`` gave out."""

    backup: Annotated[str, Meta(min_length=1, description="base64url without padding")]


class BatchItem(Request):
    """One secret of a batch; its current version unless another is named."""

    name: Name
    version: Version | VersionId | UnsetType = UNSET


class BatchGet(Request):
    """Which secrets to read."""

    items: Annotated[list[BatchItem], Meta(min_length=1, max_length=MAX_BATCH)]


class VaultFactsDocument(Document):
    """What Key Vault alone decides of a version, as it told it; null where it told nothing.

    ``managed``: it backs a certificate, and changes with that only. ``kid``: the id of that certificate's key.
    """

    managed: bool | None = None
    kid: str | None = None
    recovery_level: str | None = None
    recoverable_days: int | None = None


class _Attributed(Document, kw_only=True):
    """The attributes of a version among the members of a document.

    ``not_before_seconds``, ``expires_at_seconds``: since 1970, what Key Vault holds where no date can; the date is only
    the nearest one then. They are null as a rule.
    """

    enabled: bool
    not_before: Moment | None
    expires_at: Moment | None
    content_type: str | None
    tags: dict[str, str]
    not_before_seconds: int | None = None
    expires_at_seconds: int | None = None
    vault: VaultFactsDocument = msgspec.field(default_factory=VaultFactsDocument)

    def attributes(self) -> Attributes:
        """Return the attributes."""
        return msgspec.convert(self, Attributes, from_attributes=True)


class SecretDocument(_Attributed, kw_only=True):
    """A secret with its value. ``source`` is the tier that answered."""

    name: str
    value: Confidential
    version: int
    version_id: str
    source: Source
    as_of: Moment
    stale: bool
    expired: bool
    not_yet_valid: bool
    description: str | None
    created_at: Moment
    updated_at: Moment

    @classmethod
    def of_secret(cls, secret: Secret) -> Self:
        """Return the document of a secret."""
        return cls(
            name=secret.display_name,
            value=secret.value,
            **{name: getattr(secret, name) for name in _OF_A_SECRET},
            **_attributes(secret.attributes),
        )

    def secret(self) -> Secret:
        """Return the secret."""
        return Secret(
            name=canonical_name(self.name),
            display_name=self.name,
            secret_value=SecretValue(self.value),
            attributes=self.attributes(),
            **{name: getattr(self, name) for name in _OF_A_SECRET},
        )


class _Versioned(_Attributed, kw_only=True):
    """The facts of a version among the members of a document."""

    name: str
    version: int
    version_id: str
    vault_version_id: str | None
    current: bool
    created_at: Moment
    updated_at: Moment
    created_by: str | None

    def secret_version(self) -> SecretVersion:
        """Return the version."""
        return SecretVersion(
            name=SecretName(self.name.lower()),
            attributes=self.attributes(),
            **{name: getattr(self, name) for name in _OF_A_VERSION},
        )


class VersionDocument(_Versioned):
    """A version, without its value."""

    @classmethod
    def of_version(cls, version: SecretVersion) -> Self:
        """Return the document of a version."""
        return cls(**_version_members(version))


class SummaryDocument(_Versioned, kw_only=True):
    """A secret as a listing shows it: its current version's facts and its own, no value."""

    state: State
    description: str | None
    notify_on_expiry: list[str]
    rotation_policy: RotationPolicyDocument | None
    refuse_outside_validity: bool | None

    @classmethod
    def of_summary(cls, summary: SecretSummary) -> Self:
        """Return the document of a listing's entry."""
        policy = summary.settings.rotation_policy
        members = {**_version_members(summary.current), "name": summary.display_name}
        return cls(
            state=summary.state,
            description=summary.settings.description,
            notify_on_expiry=list(summary.settings.notify_on_expiry),
            rotation_policy=msgspec.convert(policy, RotationPolicyDocument | None, from_attributes=True),
            refuse_outside_validity=summary.settings.refuse_outside_validity,
            **members,
        )

    def summary(self) -> SecretSummary:
        """Return the entry."""
        return SecretSummary(
            name=canonical_name(self.name),
            display_name=self.name,
            state=self.state,
            current=self.secret_version(),
            settings=SecretSettings(
                description=self.description,
                notify_on_expiry=tuple(self.notify_on_expiry),
                rotation_policy=self.rotation_policy.policy() if self.rotation_policy else None,
                refuse_outside_validity=self.refuse_outside_validity,
            ),
        )


class DeletedDocument(Document):
    """A deleted secret, which can be recovered until it is purged."""

    name: str
    deleted_at: Moment
    scheduled_purge_at: Moment
    replicated: bool
    current: VersionDocument
    state: State = State.DELETED

    @classmethod
    def of_deleted(cls, deleted: DeletedSecret) -> Self:
        """Return the document of a deleted secret."""
        return cls(
            name=deleted.display_name or deleted.name,
            deleted_at=deleted.deleted_at,
            scheduled_purge_at=deleted.scheduled_purge_at,
            replicated=deleted.replicated,
            current=VersionDocument.of_version(deleted.current),
        )

    def deleted(self) -> DeletedSecret:
        """Return the deleted secret."""
        return DeletedSecret(
            name=canonical_name(self.name),
            deleted_at=self.deleted_at,
            scheduled_purge_at=self.scheduled_purge_at,
            current=self.current.secret_version(),
            display_name=self.name,
            replicated=self.replicated,
        )


class WrittenDocument(Document):
    """The version that a write made. ``replicated``: Key Vault has it already.

    ``dropped``: which of ``not_before`` and ``expires_at`` the version before had and this one has not.
    """

    name: str
    version: int
    version_id: str
    replicated: bool
    created_at: Moment | None
    dropped: tuple[str, ...] = ()

    def result(self) -> WriteResult:
        """Return the answer to the write."""
        return WriteResult(
            name=canonical_name(self.name),
            version=self.version,
            version_id=self.version_id,
            replicated=self.replicated,
            created_at=self.created_at,
            dropped=self.dropped,
        )


class BackupDocument(Document):
    """A secret with all its versions, sealed: base64url without padding."""

    backup: str


class BatchOutcome(Document):
    """How one item of a batch ended: with a secret, or with a problem."""

    name: str
    status: int
    secret: SecretDocument | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class BatchOutcomes(Document):
    """One outcome per item, in the order of the request."""

    items: list[BatchOutcome]


def _options(request: Request, leave_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The members that are given, by name, as the facade takes them."""
    given = {
        name: getattr(request, name)
        for name in request.__struct_fields__
        if name not in leave_out and getattr(request, name) is not UNSET
    }
    policy = given.get("rotation_policy")
    return {**given, "rotation_policy": policy.policy()} if policy is not None else given


def _attributes(attributes: Attributes) -> Mapping[str, Any]:
    return {
        "enabled": attributes.enabled,
        "not_before": attributes.not_before,
        "expires_at": attributes.expires_at,
        "content_type": attributes.content_type,
        "tags": dict(attributes.tags),
        "not_before_seconds": attributes.not_before_seconds,
        "expires_at_seconds": attributes.expires_at_seconds,
        "vault": VaultFactsDocument.of(attributes.vault),
    }


def _version_members(version: SecretVersion) -> dict[str, Any]:
    members = {name: getattr(version, name) for name in _OF_A_VERSION}
    return {"name": version.name, **members, **_attributes(version.attributes)}
