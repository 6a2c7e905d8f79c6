"""What Key Vault does to secrets, as a model without I/O: versions, soft deletion, and the limbo in between."""

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from holdfast.domain.names import new_version_id
from holdfast.domain.secret import Attributes
from holdfast.errors import (
    BackendUnavailable,
    Rejected,
    SecretDeleted,
    SecretDisabled,
    SecretNotFound,
    TransitionPending,
)
from holdfast.ports import Clock


class Phase(enum.StrEnum):
    ACTIVE = "active"
    DELETING = "deleting"
    DELETED = "deleted"
    RECOVERING = "recovering"
    PURGING = "purging"


@dataclass(kw_only=True)
class ModelVersion:
    """One version in the vault."""

    id: str
    value: str
    attributes: Attributes
    created_at: datetime
    updated_at: datetime


@dataclass(kw_only=True)
class ModelSecret:
    """One name in the vault, in the casing of its first set."""

    name: str
    versions: list[ModelVersion] = field(default_factory=list)
    phase: Phase = Phase.ACTIVE
    settles_at: float = 0.0
    deleted_at: datetime | None = None

    @property
    def newest(self) -> ModelVersion:
        return self.versions[-1]


class VaultModel:
    """A vault's secrets. ``settle_s``: how long deletions, recoveries and purges stay in limbo, in seconds.

    ``read_only``: the regional failover, in which every change is refused. Raises the errors of ``ports.Vault``.
    """

    def __init__(self, clock: Clock, *, settle_s: float = 0.0) -> None:
        self._clock = clock
        self._secrets: dict[str, ModelSecret] = {}
        self.settle_s = settle_s
        self.read_only = False
        self.purge_protection = False

    def reset(self) -> None:
        """Forget everything."""
        self._secrets.clear()
        self.settle_s = 0.0
        self.read_only = self.purge_protection = False

    # --- what callers of the vault do

    def get(self, name: str, version_id: str | None = None) -> tuple[ModelSecret, ModelVersion]:
        secret = self._in(name, Phase.ACTIVE)
        version = self._version(secret, version_id)
        if not version.attributes.enabled:
            raise SecretDisabled(f"{name} is disabled")
        return secret, version

    def set(self, name: str, value: str, attributes: Attributes) -> tuple[ModelSecret, ModelVersion]:
        self._writable()
        secret = self._find(name)
        if secret and secret.phase is Phase.DELETED:
            raise SecretDeleted(f"{name} is deleted")
        if secret and secret.phase is not Phase.ACTIVE:
            raise TransitionPending(secret.phase)
        if secret is None:
            secret = self._secrets[name.lower()] = ModelSecret(name=name)
        now = self._clock.now().replace(microsecond=0)
        attributes = replace(attributes, tags=dict(attributes.tags))
        version = ModelVersion(id=new_version_id(), value=value, attributes=attributes, created_at=now, updated_at=now)
        secret.versions.append(version)
        return secret, version

    def update(
        self, name: str, version_id: str | None, change: Callable[[Attributes], Attributes]
    ) -> tuple[ModelSecret, ModelVersion]:
        self._writable()
        secret = self._in(name, Phase.ACTIVE)
        version = self._version(secret, version_id)
        version.attributes = change(version.attributes)
        version.updated_at = self._clock.now().replace(microsecond=0)
        return secret, version

    def delete(self, name: str) -> ModelSecret:
        self._writable()
        secret = self._in(name, Phase.ACTIVE, pending=(Phase.DELETING, Phase.RECOVERING, Phase.PURGING))
        secret.deleted_at = self._clock.now().replace(microsecond=0)
        return self._enter(secret, Phase.DELETING)

    def recover(self, name: str) -> ModelSecret:
        self._writable()
        secret = self._in(name, Phase.DELETED, pending=(Phase.DELETING, Phase.RECOVERING, Phase.PURGING))
        secret.deleted_at = None
        return self._enter(secret, Phase.RECOVERING)

    def purge(self, name: str) -> None:
        self._writable()
        secret = self._in(name, Phase.DELETED, pending=(Phase.DELETING, Phase.RECOVERING, Phase.PURGING))
        if self.purge_protection:
            raise Rejected("purge protection")
        self._enter(secret, Phase.PURGING)

    def deleted(self, name: str) -> ModelSecret:
        return self._in(name, Phase.DELETED)

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions of an active secret in the order of their ids, as the service walks them."""
        secret = self._find(name)
        if secret is None or secret.phase is not Phase.ACTIVE:
            return []
        return sorted(secret.versions, key=lambda version: version.id)

    def secrets(self, phase: Phase = Phase.ACTIVE) -> list[ModelSecret]:
        """Secrets in a phase, by upper-cased name."""
        found = (secret for name in list(self._secrets) if (secret := self._find(name)) and secret.phase is phase)
        return sorted(found, key=lambda secret: secret.name.upper())

    # --- what tests look at

    def history(self, name: str) -> list[ModelVersion]:
        """Every version of a name, oldest first, whatever its phase."""
        secret = self._find(name)
        return list(secret.versions) if secret else []

    def phase(self, name: str) -> Phase | None:
        """The phase of a name; None if the vault has never heard of it, or no more."""
        secret = self._find(name)
        return secret.phase if secret else None

    def __iter__(self) -> Iterator[ModelSecret]:
        return iter(list(self._secrets.values()))

    # --- inside

    def _writable(self) -> None:
        if self.read_only:
            raise BackendUnavailable("the vault is in read-only failover")

    def _enter(self, secret: ModelSecret, phase: Phase) -> ModelSecret:
        secret.phase = phase
        secret.settles_at = self._clock.monotonic() + self.settle_s
        return secret

    def _find(self, name: str) -> ModelSecret | None:
        """Return a secret in the phase it has settled into by now."""
        secret = self._secrets.get(name.lower())
        if secret and self._clock.monotonic() >= secret.settles_at:
            if secret.phase is Phase.PURGING:
                del self._secrets[name.lower()]
                return None
            secret.phase = {Phase.DELETING: Phase.DELETED, Phase.RECOVERING: Phase.ACTIVE}.get(
                secret.phase, secret.phase
            )
        return secret

    def _in(self, name: str, phase: Phase, pending: tuple[Phase, ...] = ()) -> ModelSecret:
        secret = self._find(name)
        if secret and secret.phase in pending:
            raise TransitionPending(secret.phase)
        if secret is None or secret.phase is not phase:
            raise SecretNotFound(f"{name} is not {phase}")
        return secret

    @staticmethod
    def _version(secret: ModelSecret, version_id: str | None) -> ModelVersion:
        if not version_id:
            return secret.newest
        for version in secret.versions:
            if version.id == version_id.lower():
                return version
        raise SecretNotFound(f"no version {version_id}")
