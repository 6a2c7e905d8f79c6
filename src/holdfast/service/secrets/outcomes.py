"""What callers are told of a change."""

from holdfast.domain.secret import DeletedSecret, SecretVersion, WriteResult
from holdfast.errors import IntegrityFailure
from holdfast.ports import Head
from holdfast.service.secrets.making import Enacted


def deleted_secret(head: Head, current: SecretVersion, *, replicated: bool) -> DeletedSecret:
    """A deleted head as callers see it."""
    if head.deleted_at is None or head.scheduled_purge_at is None:
        raise IntegrityFailure(f"Secret {head.name!r} is deleted and has no time of deletion")
    return DeletedSecret(
        name=head.name,
        display_name=head.display_name,
        deleted_at=head.deleted_at,
        scheduled_purge_at=head.scheduled_purge_at,
        current=current.told(),
        replicated=replicated,
    )


def written(made: Enacted) -> WriteResult:
    """A new version as whoever made it sees it."""
    version = made.version.told()
    return WriteResult(
        name=version.name,
        version=version.version,
        version_id=version.version_id,
        created_at=version.created_at,
        replicated=made.replicated,
        display_name=version.display_name,
        dropped=made.change.dropped,
    )
