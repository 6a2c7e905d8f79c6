"""Responses: what the use cases answer, as Key Vault's JSON.

What is not set is left out, never null (the .NET client throws on null); times are whole seconds; ids lead back to the
host and port that the client used.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from holdfast.domain.attributes import seconds_of
from holdfast.domain.secret import Attributes, DeletedSecret, Secret, SecretSummary, SecretVersion
from holdfast.keyvault_wire.requests import SetRequest

FULL_RETENTION_DAYS: Final = 90
"""Days; Key Vault calls every shorter retention customized."""

_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Vault:
    """The vault as one client sees it. ``origin`` is ``https://host[:port]`` as the client wrote it."""

    origin: str
    retention_days: int = FULL_RETENTION_DAYS
    purge_protection: bool = False

    @property
    def recovery_level(self) -> str:
        """Key Vault's word for how a deleted secret can be got back."""
        level = "Recoverable" if self.retention_days == FULL_RETENTION_DAYS else "CustomizedRecoverable"
        return level if self.purge_protection else f"{level}+Purgeable"

    def secret_id(self, name: str, version_id: str | None = None) -> str:
        """The URL of a secret or of one version."""
        base = f"{self.origin}/secrets/{name}"
        return base if version_id is None else f"{base}/{version_id}"


def secret_bundle(vault: Vault, secret: Secret) -> bytes:
    """The answer to a get."""
    bundle = _bundle(
        vault,
        vault.secret_id(secret.display_name, secret.version_id),
        secret.attributes,
        (secret.created_at, secret.updated_at),
    )
    return _encode({"value": secret.value, **bundle})


def new_secret_bundle(vault: Vault, name: str, version_id: str, created_at: datetime, request: SetRequest) -> bytes:
    """The answer to a set: the only other one that holds the value, because the caller has just sent it."""
    attributes = Attributes(
        enabled=request.enabled,
        not_before=request.not_before,
        expires_at=request.expires_at,
        content_type=request.content_type,
        tags=request.tags or {},
        empty_tags=request.tags == {},
    )
    bundle = _bundle(vault, vault.secret_id(name, version_id), attributes, (created_at, created_at))
    return _encode({"value": request.value, **bundle})


def version_bundle(vault: Vault, version: SecretVersion) -> bytes:
    """The answer to an update, a recovery or a restore: no value."""
    return _encode(_version(vault, _versioned(vault, version), version))


def deleted_bundle(vault: Vault, deleted: DeletedSecret) -> bytes:
    """The answer to a delete or to a look at a deleted secret."""
    current = deleted.current
    versioned = vault.secret_id(deleted.display_name or deleted.name, current.version_id)
    return _encode({**_deletion(vault, deleted), **_version(vault, versioned, current)})


def secret_page(vault: Vault, secrets: Sequence[SecretSummary], next_link: str | None) -> bytes:
    """A page of a listing of secrets: ids without version, attributes of the latest one."""
    items = [_version(vault, vault.secret_id(each.display_name or each.name), each.current) for each in secrets]
    return _page(items, next_link)


def version_page(vault: Vault, versions: Sequence[SecretVersion], next_link: str | None) -> bytes:
    """A page of a listing of one secret's versions."""
    return _page([_version(vault, _versioned(vault, each), each) for each in versions], next_link)


def deleted_page(vault: Vault, deleted: Sequence[DeletedSecret], next_link: str | None) -> bytes:
    """A page of a listing of deleted secrets: their ids are those of live ones, without version."""
    items = [
        {**_deletion(vault, each), **_version(vault, vault.secret_id(each.display_name or each.name), each.current)}
        for each in deleted
    ]
    return _page(items, next_link)


def backup_result(blob: bytes) -> bytes:
    """The answer to a backup: base64url without padding, which every SDK decodes and encodes again."""
    return _encode({"value": base64.urlsafe_b64encode(blob).rstrip(b"=").decode()})


def error_body(code: str, message: str, inner_code: str | None = None) -> bytes:
    """The body of every refusal and failure."""
    error: dict[str, Any] = {"code": code, "message": message}
    if inner_code is not None:
        error["innererror"] = {"code": inner_code}
    return _encode({"error": error})


def unix_seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down."""
    return seconds_of(moment)


def _page(items: list[dict[str, Any]], next_link: str | None) -> bytes:
    return _encode({"value": items, "nextLink": next_link})


def _versioned(vault: Vault, version: SecretVersion) -> str:
    return vault.secret_id(version.display_name or version.name, version.version_id)


def _version(vault: Vault, secret_id: str, version: SecretVersion) -> dict[str, Any]:
    return _bundle(vault, secret_id, version.attributes, (version.created_at, version.updated_at))


def _bundle(
    vault: Vault, secret_id: str, attributes: Attributes, created_updated: tuple[datetime, datetime]
) -> dict[str, Any]:
    bundle: dict[str, Any] = {}
    if attributes.content_type is not None:
        bundle["contentType"] = attributes.content_type
    bundle["id"] = secret_id
    bundle["attributes"] = _attributes(vault, attributes, created_updated)
    if attributes.tags or attributes.empty_tags:
        bundle["tags"] = dict(attributes.tags)
    told = {"kid": attributes.vault.kid, "managed": attributes.vault.managed}
    return bundle | {member: fact for member, fact in told.items() if fact is not None}


def _attributes(
    vault: Vault, attributes: Attributes, created_updated: tuple[datetime, datetime]
) -> dict[str, bool | int | str]:
    shown: dict[str, bool | int | str] = {"enabled": attributes.enabled}
    if attributes.nbf is not None:
        shown["nbf"] = attributes.nbf
    if attributes.exp is not None:
        shown["exp"] = attributes.exp
    shown["created"], shown["updated"] = map(unix_seconds, created_updated)
    told = attributes.vault
    shown["recoveryLevel"] = told.recovery_level or vault.recovery_level
    shown["recoverableDays"] = vault.retention_days if told.recoverable_days is None else told.recoverable_days
    return shown


def _deletion(vault: Vault, deleted: DeletedSecret) -> dict[str, str | int]:
    return {
        "recoveryId": f"{vault.origin}/deletedsecrets/{deleted.display_name or deleted.name}",
        "deletedDate": unix_seconds(deleted.deleted_at),
        "scheduledPurgeDate": unix_seconds(deleted.scheduled_purge_at),
    }
