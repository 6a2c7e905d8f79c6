"""Secrets over the API, with the names and answers of ``SecretsService``."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from holdfast.client.connection import Connection, path
from holdfast.client.listings import MAX_PAGE, Listings
from holdfast.domain.changes import KEEP
from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import DeletedSecret, RotationPolicy, Secret, SecretSummary, SecretVersion, WriteResult
from holdfast.domain.validation import valid_rotation_policy, valid_stage, valid_value, valid_version
from holdfast.errors import InvalidInput
from holdfast.v1_wire.secrets import (
    BackupDocument,
    DeletedDocument,
    RestoreSecret,
    Rollback,
    RotationPolicyDocument,
    SecretDocument,
    SetSecret,
    SummaryDocument,
    UpdateSecret,
    VersionDocument,
    WrittenDocument,
)


class RemoteSecrets:
    """Reads and changes secrets. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._listings = Listings(connection)

    async def get_secret(self, name: str, *, stage: str = "current", context: object = None) -> Secret:
        """Return the current version of a secret, or the previous one."""
        asked = {"stage": stage} if valid_stage(stage) != "current" else None
        found = await self._connection.call("GET", _secret(name), SecretDocument, query=asked)
        return found.secret()

    async def get_secret_version(self, name: str, version: int | str, *, context: object = None) -> Secret:
        """Return one version."""
        found = await self._connection.call("GET", _version(name, version), SecretDocument)
        return found.secret()

    async def set_secret(
        self,
        name: str,
        value: str,
        *,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
        context: object = None,
        **options: Any,
    ) -> WriteResult:
        """Make a new version the current one."""
        body = _request({"value": valid_value(value).reveal(), **options}, SetSecret)
        headers = _preconditions(expected_generation, idempotency_key)
        written = await self._connection.call("PUT", _secret(name), WrittenDocument, body=body, headers=headers)
        return written.result()

    async def update_secret(
        self,
        name: str,
        *,
        version: int | str | None = None,
        expected_generation: int | None = None,
        context: object = None,
        **changes: Any,
    ) -> SecretVersion:
        """Change attributes of a version, or of the secret."""
        target = _secret(name) if version is None else _version(name, version)
        body = _request({key: value for key, value in changes.items() if value is not KEEP}, UpdateSecret)
        headers = _preconditions(expected_generation, None)
        changed = await self._connection.call("PATCH", target, VersionDocument, body=body, headers=headers)
        return changed.secret_version()

    async def rollback_secret(
        self,
        name: str,
        version: int | str,
        *,
        reapply: bool = False,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
        context: object = None,
    ) -> WriteResult:
        """Make a new version with the value of an earlier one."""
        written = await self._connection.call(
            "POST",
            _secret(name) + "/rollback",
            WrittenDocument,
            body=Rollback(version=valid_version(version), reapply=reapply),
            headers=_preconditions(expected_generation, idempotency_key),
        )
        return written.result()

    async def list_secrets(
        self, *, after: str | None = None, limit: int = 1000, context: object = None
    ) -> list[SecretSummary]:
        """Return up to ``limit`` secrets in name order, those after ``after``."""
        found = await self._listings.page("/v1/secrets", SummaryDocument, after, limit)
        return [each.summary() for each in found]

    async def list_secret_versions(self, name: str, *, context: object = None) -> list[SecretVersion]:
        """Return all versions of a secret, oldest first."""
        listed = self._connection.items(_secret(name) + "/versions", VersionDocument, limit=MAX_PAGE)
        return [each.secret_version() async for each in listed]

    async def delete_secret(self, name: str, *, context: object = None) -> DeletedSecret:
        """Delete a secret, recoverably."""
        return (await self._connection.call("DELETE", _secret(name), DeletedDocument)).deleted()

    async def recover_secret(self, name: str, *, context: object = None) -> SecretVersion:
        """Bring a deleted secret back."""
        back = await self._connection.call("POST", _deleted(name) + "/recover", VersionDocument)
        return back.secret_version()

    async def purge_secret(self, name: str, *, context: object = None) -> None:
        """Destroy a deleted secret."""
        await self._connection.send("DELETE", _deleted(name))

    async def get_deleted_secret(self, name: str, *, context: object = None) -> DeletedSecret:
        """Return the facts of a deleted secret."""
        return (await self._connection.call("GET", _deleted(name), DeletedDocument)).deleted()

    async def list_deleted_secrets(
        self, *, after: str | None = None, limit: int = 1000, context: object = None
    ) -> list[DeletedSecret]:
        """Return up to ``limit`` deleted secrets in name order, those after ``after``."""
        found = await self._listings.page("/v1/deleted-secrets", DeletedDocument, after, limit)
        return [each.deleted() for each in found]

    async def backup_secret(self, name: str, *, context: object = None) -> bytes:
        """Return a secret with all its versions as one sealed blob."""
        backup = (await self._connection.call("POST", _secret(name) + "/backup", BackupDocument)).backup
        try:
            return base64.urlsafe_b64decode(backup + "=" * (-len(backup) % 4))
        except ValueError:
            raise self._connection.other_answer() from None

    async def restore_secret(self, blob: bytes, *, context: object = None) -> SecretVersion:
        """Bring a secret back from such a blob."""
        body = RestoreSecret(backup=base64.urlsafe_b64encode(blob).rstrip(b"=").decode())
        back = await self._connection.call("POST", "/v1/secrets:restore", VersionDocument, body=body)
        return back.secret_version()


def _secret(name: str) -> str:
    canonical_name(name)
    return path("/v1/secrets/{name}", name=name)


def _deleted(name: str) -> str:
    return path("/v1/deleted-secrets/{name}", name=_checked(name))


def _version(name: str, version: int | str) -> str:
    return path("/v1/secrets/{name}/versions/{version}", name=_checked(name), version=valid_version(version))


def _checked(name: str) -> SecretName:
    return canonical_name(name)


def _request(given: Mapping[str, Any], kind: type[Any]) -> Any:
    """The request that keyword arguments of the library make.

    Raises:
        InvalidInput: one of them is of the wrong kind.
    """
    try:
        return msgspec.convert({key: _plain(value) for key, value in given.items()}, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"An option is not valid: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, RotationPolicy):
        return msgspec.convert(valid_rotation_policy(value), RotationPolicyDocument, from_attributes=True)
    if isinstance(value, datetime | str | bool | int | None):
        return value
    return dict(value) if isinstance(value, Mapping) else list(value)


def _preconditions(expected_generation: int | None, idempotency_key: str | None) -> dict[str, str]:
    headers = {}
    if expected_generation is not None:
        headers["If-None-Match" if expected_generation == 0 else "If-Match"] = (
            "*" if expected_generation == 0 else f'"{expected_generation}"'
        )
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key
    return headers
