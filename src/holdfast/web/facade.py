"""What the server needs of the service."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from holdfast.domain.changes import KEEP, Held, Keep
from holdfast.domain.policy import Caller
from holdfast.domain.secret import DeletedSecret, Secret, SecretSummary, SecretVersion, WriteResult


class Secrets(Protocol):
    """The use cases that Key Vault's API exposes; ``SecretsService`` is one. Each authorises and audits ``context``."""

    async def get_secret(self, name: str, *, context: Caller) -> Secret:
        """Return the current version with its value."""

    async def get_secret_version(self, name: str, version: int | str, *, context: Caller) -> Secret:
        """Return one version with its value."""

    async def set_secret(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        expires_at: datetime | None = None,
        not_before: datetime | None = None,
        enabled: bool = True,
        tags: Mapping[str, str] | None = None,
        context: Caller,
    ) -> WriteResult:
        """Make a new version."""

    async def update_secret(
        self,
        name: str,
        *,
        version: int | str | None = None,
        enabled: bool | Keep = KEEP,
        expires_at: datetime | Held | Keep | None = KEEP,
        not_before: datetime | Held | Keep | None = KEEP,
        content_type: str | Keep | None = KEEP,
        tags: Mapping[str, str] | Keep | None = KEEP,
        context: Caller,
    ) -> SecretVersion:
        """Change attributes of a version."""

    async def list_secrets(
        self, *, after: str | None = None, limit: int = 1000, strict: bool = False, context: Caller
    ) -> list[SecretSummary]:
        """Return secrets in name order."""

    async def list_secret_versions(self, name: str, *, context: Caller) -> list[SecretVersion]:
        """Return all versions of a secret."""

    async def delete_secret(self, name: str, *, context: Caller) -> DeletedSecret:
        """Delete recoverably."""

    async def get_deleted_secret(self, name: str, *, context: Caller) -> DeletedSecret:
        """Return a deleted secret's facts."""

    async def list_deleted_secrets(
        self, *, after: str | None = None, limit: int = 1000, strict: bool = False, context: Caller
    ) -> list[DeletedSecret]:
        """Return deleted secrets in name order."""

    async def recover_secret(self, name: str, *, context: Caller) -> SecretVersion:
        """Bring a deleted secret back."""

    async def purge_secret(self, name: str, *, context: Caller) -> None:
        """Destroy a deleted secret."""

    async def backup_secret(self, name: str, *, context: Caller) -> bytes:
        """Return all versions, sealed."""

    async def check_may_restore(self, *, context: Caller) -> None:
        """See that the caller may restore any secret at all, before a backup is read."""

    async def restore_secret(self, blob: bytes, *, context: Caller) -> SecretVersion:
        """Bring a backup back."""


class Installation(Protocol):
    """What a resource manager needs: a look at the installation that is on record."""

    async def whoami(self, *, context: Caller) -> object:
        """Return who asks, and which installation answers."""
