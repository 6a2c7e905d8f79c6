"""Database rows as domain objects, and back."""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import structs

from holdfast.domain.attributes import carried, with_carried
from holdfast.domain.names import SecretName
from holdfast.domain.secret import (
    Attributes,
    JSONObject,
    PolicyAuthor,
    RotationPolicy,
    SecretSettings,
    SecretSummary,
    SecretVersion,
    State,
)
from holdfast.errors import UNREADABLE, IntegrityFailure
from holdfast.ports import Head, SealedValue, StoredVersion


def head_of(row: Mapping[str, Any]) -> Head:
    """The head that a row of ``secrets_vault`` describes.

    Raises:
        IntegrityFailure: the row was edited, so that it contradicts itself or the history.
    """
    if row.get("contradicted"):
        raise IntegrityFailure(
            f"Secret {row['secret_name']!r} was rolled back in the database: its history is newer than its head"
        )
    if row["display_name"].lower() != row["secret_name"]:  # Key Vault is written to under this name
        raise _edited(row["secret_name"], "display_name")
    return Head(
        incarnation=row["incarnation"],
        name=SecretName(row["secret_name"]),
        display_name=row["display_name"],
        state=State(row["state"]),
        revision=row["revision"],
        version=row["version"],
        version_id=row["version_id"],
        settings=settings_of(row["metadata"], row["secret_name"]),
        attestation=row["attestation"],
        verified_at=row["verified_at"],
        vault_version_id=row["vault_version_id"],
        vault_updated_at=row["vault_updated_at"],
        open_intents=row["open_intents"],
        deleted_at=row["deleted_at"],
        scheduled_purge_at=row["scheduled_purge_at"],
        drift=row["drift"],
        provisional=row["provisional"],
    )


def version_of(row: Mapping[str, Any], name: str, *, current: bool) -> SecretVersion:
    """The version that a row of either table describes."""
    return SecretVersion(
        name=SecretName(name),
        version=row["version"],
        version_id=row["version_id"],
        attributes=attributes_in(row, name),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        created_by=row["created_by"],
        vault_version_id=row["vault_version_id"],
        told_id=row["told_id"],
        current=current,
        provisional=current and row["provisional"],
    )


def attributes_in(row: Mapping[str, Any], name: str) -> Attributes:
    """The attributes of the version that a row of either table describes.

    Raises:
        IntegrityFailure: one of their columns was edited to what is never stored.
    """
    plain = Attributes(
        enabled=row["enabled"],
        not_before=_moment(row, name, "not_before"),
        expires_at=_moment(row, name, "expires_at"),
        content_type=row["content_type"],
        tags=_tags(row["tags"], name),
    )
    try:
        return with_carried(plain, row["carried"])
    except ValueError:
        raise _edited(name, "carried") from None


def stored_of(row: Mapping[str, Any], name: str, *, current: bool) -> StoredVersion:
    """The version with its seal."""
    return StoredVersion(version=version_of(row, name, current=current), sealed=_sealed_of(row))


def summary_of(row: Mapping[str, Any]) -> SecretSummary:
    """The listing entry that a row of ``secrets_vault`` describes."""
    return SecretSummary(
        name=SecretName(row["secret_name"]),
        display_name=row["display_name"],
        state=State(row["state"]),
        current=version_of(row, row["secret_name"], current=True),
        settings=settings_of(row["metadata"], row["secret_name"]),
        deleted_at=row["deleted_at"],
        scheduled_purge_at=row["scheduled_purge_at"],
    )


_SEAL_COLUMNS = ("encrypted_value", "iv", "auth_tag", "wrapped_key")


def _sealed_of(row: Mapping[str, Any]) -> SealedValue | None:
    columns = [row[column] for column in _SEAL_COLUMNS]
    if row["key_id"] is None and not any(columns):
        return None
    try:
        ciphertext, iv, auth_tag, wrapped_key = (b64decode(column, validate=True) for column in columns)
    except (TypeError, ValueError):
        raise IntegrityFailure("A stored value is not readable: its columns were edited") from None
    return SealedValue(
        key_id=row["key_id"] or "", wrapped_key=wrapped_key, iv=iv, ciphertext=ciphertext, auth_tag=auth_tag
    )


def sealed_columns(sealed: SealedValue | None) -> tuple[str | None, ...]:
    """encrypted_value, iv, auth_tag, key_id, wrapped_key."""
    if sealed is None:
        return (None,) * 5
    ciphertext, iv, auth_tag, wrapped_key = (
        b64encode(part).decode() for part in (sealed.ciphertext, sealed.iv, sealed.auth_tag, sealed.wrapped_key)
    )
    return ciphertext, iv, auth_tag, sealed.key_id, wrapped_key


def attribute_columns(attributes: Attributes) -> tuple[Any, ...]:
    """content_type, tags, enabled, not_before, expires_at, carried."""
    return (
        attributes.content_type,
        json.dumps(dict(attributes.tags)),
        attributes.enabled,
        attributes.not_before,
        attributes.expires_at,
        carried(attributes),
    )


def settings_of(text: str, name: str) -> SecretSettings:
    """Settings from the ``metadata`` column."""
    try:
        data: JSONObject = json.loads(text)
        policy = data.get("rotation_policy")
        return SecretSettings(
            description=data.get("description"),
            notify_on_expiry=tuple(data.get("notify_on_expiry", ())),
            rotation_policy=RotationPolicy(**policy) if policy else None,
            refuse_outside_validity=data.get("refuse_outside_validity"),
            rotation_author=_author(data.get("rotation_author")),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise _edited(name, "metadata") from None


def _author(data: JSONObject | None) -> PolicyAuthor | None:
    return PolicyAuthor(**{**data, "groups": tuple(data["groups"])}) if data else None


def _tags(text: str, name: str) -> dict[str, str]:
    try:
        tags = json.loads(text)
    except UNREADABLE:  # PostgreSQL takes longer numbers and deeper documents than Python reads
        raise _edited(name, "tags") from None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise _edited(name, "tags")
    return tags


def _moment(row: Mapping[str, Any], name: str, column: str) -> datetime | None:
    moment: datetime | None = row[column]
    if moment is not None and moment.tzinfo is None:  # how asyncpg shows an infinite one
        raise _edited(name, column)
    return moment


def _edited(name: str, column: str) -> IntegrityFailure:
    return IntegrityFailure(f"The row of secret {name!r} was edited: its {column} is none that is ever stored here")


def settings_column(settings: SecretSettings) -> str:
    """The ``metadata`` column of settings; defaults are left out."""
    data = {
        "description": settings.description,
        "notify_on_expiry": list(settings.notify_on_expiry),
        "rotation_policy": policy_object(settings.rotation_policy),
        "refuse_outside_validity": settings.refuse_outside_validity,
        "rotation_author": structs.asdict(settings.rotation_author) if settings.rotation_author is not None else None,
    }
    return json.dumps({key: value for key, value in data.items() if value not in (None, [])})


def policy_object(policy: RotationPolicy | None) -> JSONObject | None:
    """A rotation policy as the JSON that the specification's column holds."""
    if policy is None:
        return None
    return {
        "enabled": policy.enabled,
        "interval_days": policy.interval_days,
        "notify_days_before": policy.notify_days_before,
        "auto_rotate": policy.auto_rotate,
        **({"handler": policy.handler} if policy.handler is not None else {}),
        **({"options": dict(policy.options)} if policy.options else {}),
        **({"retire_after_days": policy.retire_after_days} if policy.retire_after_days is not None else {}),
    }


def attributes_object(attributes: Attributes) -> JSONObject:
    """Attributes as JSON, times in ISO 8601."""
    return {
        "enabled": attributes.enabled,
        "not_before": attributes.not_before.isoformat() if attributes.not_before else None,
        "expires_at": attributes.expires_at.isoformat() if attributes.expires_at else None,
        "content_type": attributes.content_type,
        "tags": dict(attributes.tags),
        "carried": carried(attributes),
    }


def attributes_of(data: JSONObject) -> Attributes:
    """Attributes from that JSON."""
    plain = Attributes(
        enabled=data["enabled"],
        not_before=datetime.fromisoformat(data["not_before"]) if data["not_before"] else None,
        expires_at=datetime.fromisoformat(data["expires_at"]) if data["expires_at"] else None,
        content_type=data["content_type"],
        tags=data["tags"],
    )
    return with_carried(plain, data.get("carried", "{}"))
