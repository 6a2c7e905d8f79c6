"""The end of a secret, its return, and its backups."""

import base64
import binascii
from http import HTTPStatus
from typing import Final

from holdfast.errors import (
    Conflict,
    IntegrityFailure,
    InvalidInput,
    KeyUnavailable,
    SecretDeleted,
    SecretNotFound,
    SecretUnusable,
)
from holdfast.keyvault_wire.requests import MalformedBackup
from holdfast.v1_wire.documents import Page
from holdfast.v1_wire.secrets import BackupDocument, DeletedDocument, RestoreSecret, VersionDocument
from holdfast.web.limits import MAX_RESTORE_BYTES
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, Operation
from holdfast.web.v1.paging import Paged, paged, position


async def delete_secret(call: Call) -> Answer:
    """A deletion that can be undone."""
    return Answer(DeletedDocument.of_deleted(await call.service.delete_secret(call.name, context=call.caller)))


async def list_deleted(call: Call) -> Answer:
    """A page of the deleted secrets that the caller may list."""
    size = call.query.limit
    found = await call.service.list_deleted_secrets(after=position(call), limit=size + 1, context=call.caller)
    page = found[:size]
    return paged(call, map(DeletedDocument.of_deleted, page), page[-1].name if len(found) > size else None)


async def get_deleted(call: Call) -> Answer:
    """A deleted secret's facts."""
    return Answer(DeletedDocument.of_deleted(await call.service.get_deleted_secret(call.name, context=call.caller)))


async def recover_secret(call: Call) -> Answer:
    """The secret as it was."""
    return Answer(VersionDocument.of_version(await call.service.recover_secret(call.name, context=call.caller)))


async def purge_secret(call: Call) -> Answer:
    """Nothing is left."""
    await call.service.purge_secret(call.name, context=call.caller)
    return Answer()


async def backup_secret(call: Call) -> Answer:
    """All versions, sealed."""
    blob = await call.service.backup_secret(call.name, context=call.caller)
    return Answer(BackupDocument(backup=base64.urlsafe_b64encode(blob).rstrip(b"=").decode()))


async def restore_secret(call: Call) -> Answer:
    """All versions, back."""
    body: RestoreSecret = call.body
    blob = _blob(body.backup)
    try:
        version = await call.service.restore_secret(blob, context=call.caller)
    except (IntegrityFailure, KeyUnavailable, InvalidInput):
        raise MalformedBackup("backup is damaged, or sealed by another installation.", field="backup") from None
    return Answer(VersionDocument.of_version(version))


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
    except (ValueError, binascii.Error):
        raise MalformedBackup("backup is not base64url.", field="backup") from None


_TAG: Final = "Deletion and backup"

OPERATIONS: Final = (
    Operation(
        id="deleteSecret",
        method="DELETE",
        path="/v1/secrets/{name}",
        summary="Delete a secret; it can be recovered until its retention ends",
        needs="`delete` on the secret",
        tag=_TAG,
        handle=delete_secret,
        answer=DeletedDocument,
        errors=(SecretNotFound, SecretDeleted, Conflict),
    ),
    Operation(
        id="listDeletedSecrets",
        method="GET",
        path="/v1/deleted-secrets",
        summary="List deleted secrets",
        needs=SOMEBODY,
        tag=_TAG,
        handle=list_deleted,
        query=Paged,
        answer=Page[DeletedDocument],
    ),
    Operation(
        id="getDeletedSecret",
        method="GET",
        path="/v1/deleted-secrets/{name}",
        summary="Look at a deleted secret",
        needs="`list` on the secret",
        tag=_TAG,
        handle=get_deleted,
        answer=DeletedDocument,
        errors=(SecretNotFound,),
    ),
    Operation(
        id="recoverSecret",
        method="POST",
        path="/v1/deleted-secrets/{name}/recover",
        summary="Bring a deleted secret back, with all its versions",
        needs="`recover` on the secret",
        tag=_TAG,
        handle=recover_secret,
        answer=VersionDocument,
        errors=(SecretNotFound, Conflict),
    ),
    Operation(
        id="purgeSecret",
        method="DELETE",
        path="/v1/deleted-secrets/{name}",
        summary="Destroy a deleted secret for ever, with the grants on its exact name",
        needs="`purge` on the secret",
        tag=_TAG,
        handle=purge_secret,
        status=HTTPStatus.NO_CONTENT,
        errors=(SecretNotFound, Conflict),
    ),
    Operation(
        id="backupSecret",
        method="POST",
        path="/v1/secrets/{name}/backup",
        summary="Take a sealed backup of all versions, which only this installation opens",
        needs="`get` on the secret",
        tag=_TAG,
        handle=backup_secret,
        answer=BackupDocument,
        errors=(SecretNotFound, SecretUnusable, Conflict),
    ),
    Operation(
        id="restoreSecret",
        method="POST",
        path="/v1/secrets:restore",
        summary="Bring a secret back from a backup",
        needs="`set` on the secret in the backup",
        tag=_TAG,
        handle=restore_secret,
        body=RestoreSecret,
        body_limit=MAX_RESTORE_BYTES,
        answer=VersionDocument,
        errors=(Conflict,),
    ),
)
