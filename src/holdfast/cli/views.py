"""Secrets, versions and answers as JSON documents and table rows: the contract with scripts."""

from typing import Any, Final

from holdfast.cli.output import moment
from holdfast.domain.secret import (
    Attributes,
    DeletedSecret,
    Secret,
    SecretSummary,
    SecretVersion,
    State,
    WriteResult,
)

VERSION_COLUMNS: Final = ("VERSION", "ID", "CURRENT", "ENABLED", "EXPIRES", "CREATED", "BY")
SUMMARY_COLUMNS: Final = ("NAME", "VERSION", "ENABLED", "EXPIRES", "UPDATED", "DESCRIPTION")
DELETED_COLUMNS: Final = ("NAME", "DELETED", "PURGED AFTER")


def secret_document(secret: Secret) -> dict[str, Any]:
    """A secret with its value: ``get --json`` and nothing else prints one."""
    return {
        "name": secret.display_name,
        "value": secret.value,
        "version": secret.version,
        "version_id": secret.version_id,
        "source": secret.source,
        "as_of": secret.as_of,
        "stale": secret.stale,
        "expired": secret.expired,
        "not_yet_valid": secret.not_yet_valid,
        "description": secret.description,
        "created_at": secret.created_at,
        "updated_at": secret.updated_at,
        **_attributes(secret.attributes),
    }


def version_document(version: SecretVersion) -> dict[str, Any]:
    """A version, without its value."""
    return {
        "name": version.name,
        "version": version.version,
        "version_id": version.version_id,
        "vault_version_id": version.vault_version_id,
        "current": version.current,
        "created_at": version.created_at,
        "updated_at": version.updated_at,
        "created_by": version.created_by,
        **_attributes(version.attributes),
    }


def version_row(version: SecretVersion) -> tuple[object, ...]:
    """A version in ``VERSION_COLUMNS``."""
    return (
        *(version.version, version.version_id, version.current, version.enabled),
        *(_expiry(version.attributes), version.created_at, version.created_by),
    )


def summary_document(summary: SecretSummary) -> dict[str, Any]:
    """A secret as a listing shows it."""
    return {
        **version_document(summary.current),
        "name": summary.display_name,
        "state": summary.state,
        "description": summary.settings.description,
        "notify_on_expiry": summary.settings.notify_on_expiry,
        "rotation_policy": summary.settings.rotation_policy,
        "refuse_outside_validity": summary.settings.refuse_outside_validity,
    }


def summary_row(summary: SecretSummary) -> tuple[object, ...]:
    """A secret in ``SUMMARY_COLUMNS``."""
    current = summary.current
    return (
        *(summary.display_name, current.version, current.enabled),
        *(_expiry(current.attributes), current.updated_at, summary.settings.description),
    )


def deleted_document(deleted: DeletedSecret) -> dict[str, Any]:
    """A deleted secret."""
    return {
        "name": deleted.display_name or deleted.name,
        "state": State.DELETED,
        "deleted_at": deleted.deleted_at,
        "scheduled_purge_at": deleted.scheduled_purge_at,
        "replicated": deleted.replicated,
    }


def deleted_row(deleted: DeletedSecret) -> tuple[object, ...]:
    """A deleted secret in ``DELETED_COLUMNS``."""
    return deleted.display_name or deleted.name, deleted.deleted_at, deleted.scheduled_purge_at


def written_text(result: WriteResult) -> str:
    """What a person is told about a write."""
    return f"{result.name} is now at version {result.version}{pending(replicated=result.replicated)}."


def dropped_texts(result: WriteResult) -> list[str]:
    """What a person is told about dates that the version before had, and the one just made has not."""
    found = [
        ("expires_at", "does not expire", "--expires"),
        ("not_before", "is valid from now on", "--not-before"),
    ]
    return [
        f"Note: this version {what}; the one before had a date. To give it one: "
        f"holdfast update {result.name} {option} WHEN"
        for date, what, option in found
        if date in result.dropped
    ]


def written_document(result: WriteResult) -> dict[str, Any]:
    """A write as ``--json`` shows it, in process and from a server alike."""
    return {
        "name": result.name,
        "version": result.version,
        "version_id": result.version_id,
        "replicated": result.replicated,
        "created_at": result.created_at,
    }


def pending(*, replicated: bool) -> str:
    """The end of a sentence about a change that Key Vault may not have yet."""
    return "" if replicated else "; it is safe here, and Key Vault gets it as soon as it answers"


def warnings(secret: Secret) -> list[str]:
    """What whoever reads a secret should know: that it may be out of date, or outside its validity."""
    name = secret.display_name
    found = [(secret.stale, f"{name} is as of {moment(secret.as_of)}: Key Vault cannot confirm it at present.")]
    if secret.expires_at:
        found.append((secret.expired, f"{name} expired on {moment(secret.expires_at)}."))
    if secret.not_before:
        found.append((secret.not_yet_valid, f"{name} is valid only from {moment(secret.not_before)}."))
    return [f"Warning: {text}" for applies, text in found if applies]


def _expiry(attributes: Attributes) -> str | None:
    """When it expires; said to be before or after the nearest date where none can hold what Key Vault holds."""
    if attributes.expires_at is None:
        return None
    beyond = attributes.expires_at_seconds
    side = "" if beyond is None else "before " if beyond < 0 else "after "
    return side + moment(attributes.expires_at)


def _attributes(attributes: Attributes) -> dict[str, Any]:
    return {
        "enabled": attributes.enabled,
        "not_before": attributes.not_before,
        "expires_at": attributes.expires_at,
        "content_type": attributes.content_type,
        "tags": attributes.tags,
        "not_before_seconds": attributes.not_before_seconds,
        "expires_at_seconds": attributes.expires_at_seconds,
        "vault": attributes.vault,
    }
