"""What a secret is: its value, its attributes, its versions, and what a read of it answers."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NoReturn, final

import msgspec
from msgspec.structs import replace

from holdfast.domain.attributes import Attributes as Attributes  # noqa: PLC0414 - they are a part of what a secret is
from holdfast.domain.names import SecretName, is_version_id

MASK: Final = "*****"


class Source(enum.StrEnum):
    """The tier that answered a read."""

    CACHE = "cache"
    REDIS = "redis"
    KEYVAULT = "keyvault"
    MIRROR = "mirror"


class State(enum.StrEnum):
    """Where a secret stands in its life; purged ones are no longer there."""

    ACTIVE = "active"
    DELETED = "deleted"


@final
class SecretValue:
    """Plaintext that does not show itself: text, logs, pickle, JSON and equality give nothing away."""

    __slots__ = ("_plaintext",)

    def __init__(self, plaintext: str) -> None:
        self._plaintext = plaintext

    def reveal(self) -> str:
        """Return the plaintext. Every place that reads a secret calls this."""
        return self._plaintext

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret value is not to be pickled or copied")


class RotationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a secret is to be rotated, and how. Days; ``auto_rotate`` False asks a person first.

    ``handler`` names a built-in one, and ``options`` say what it works on; never a credential, but the name of the
    secret that holds one. ``retire_after_days``: when the old credential is revoked although somebody still uses it;
    None: a person decides.
    """

    enabled: bool = True
    interval_days: int = 90
    notify_days_before: int = 14
    auto_rotate: bool = False
    handler: str | None = None
    options: Mapping[str, str] = msgspec.field(default_factory=dict)
    retire_after_days: int | None = None

    @property
    def steers(self) -> bool:
        """Whether it says who takes the steps of a rotation, and on what."""
        return self.handler is not None or bool(self.options)

    def steers_like(self, other: "RotationPolicy | None") -> bool:
        """Whether another policy says the same of that."""
        return other is not None and (other.handler, other.options) == (self.handler, self.options)

    def every(self, days: int, *, auto_rotate: bool) -> "RotationPolicy":
        """This policy, in force, with an interval of some days; no notice comes before the interval begins."""
        notice = min(self.notify_days_before, days)
        return replace(self, enabled=True, interval_days=days, notify_days_before=notice, auto_rotate=auto_rotate)

    @property
    def goes_by_itself(self) -> bool:
        """Whether what is due is rotated without anybody's word."""
        return self.enabled and self.auto_rotate


class PolicyAuthor(msgspec.Struct, frozen=True, kw_only=True):
    """Whose word the handler and options of a rotation policy are.

    ``groups``: those that the proof of identity vouched for then. ``system``: the owner of the service, or an operator.
    """

    id: str
    groups: tuple[str, ...] = ()
    system: bool = False


class SecretSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What belongs to the secret as a whole, not to a version of it.

    ``refuse_outside_validity``: refuse expired and not-yet-valid reads; None follows the global setting.
    ``notify_on_expiry``: e-mail addresses. ``rotation_author``: None where the policy has no handler, or was stored
    before authors were kept.
    """

    description: str | None = None
    notify_on_expiry: tuple[str, ...] = ()
    rotation_policy: RotationPolicy | None = None
    refuse_outside_validity: bool | None = None
    rotation_author: PolicyAuthor | None = None


class SecretVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a secret, without its value.

    ``version`` is the generation (1, 2, 3 …), 0 while the history of the secret in Key Vault is not numbered yet.
    ``version_id`` is 32 hex digits: to callers the id that Key Vault gave it, and our own until it is there.
    ``vault_version_id`` is what Key Vault serves it as now, ``told_id`` the first id that Key Vault gave it.
    ``display_name``, where it is told, is the name in the casing of its first set. ``provisional``: see ``Head``.
    """

    name: SecretName
    version: int
    version_id: str
    attributes: Attributes
    created_at: datetime
    updated_at: datetime
    created_by: str | None = None
    vault_version_id: str | None = None
    told_id: str | None = None
    current: bool = False
    provisional: bool = False
    display_name: str = ""

    @property
    def public_id(self) -> str:
        """The id that callers are told."""
        return self.told_id if is_version_id(self.told_id) else self.version_id

    @property
    def public_number(self) -> int:
        """The generation that callers are told; 0 while it is provisional."""
        return 0 if self.provisional else self.version

    def is_known_as(self, asked: int | str) -> bool:
        """Whether this is the version of that number or id."""
        return asked in (self.version, self.version_id, self.told_id, self.vault_version_id)

    def told(self) -> "SecretVersion":
        """This version as callers see it."""
        return replace(self, version=self.public_number, version_id=self.public_id)

    @property
    def enabled(self) -> bool:
        """Whether this version may be read."""
        return self.attributes.enabled

    @property
    def expires_at(self) -> datetime | None:
        """When this version expires, in UTC, or None."""
        return self.attributes.expires_at


class SecretSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as a listing shows it: the current version's facts, no value."""

    name: SecretName
    display_name: str
    state: State
    current: SecretVersion
    settings: SecretSettings
    deleted_at: datetime | None = None
    scheduled_purge_at: datetime | None = None


@final
class Secret(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The answer to a read. ``str``, ``repr``, ``format``, ``pickle`` and ``json`` of it mask the value.

    ``source`` is the tier that answered; ``as_of`` the moment its content was last known to be current;
    ``stale`` says that this is longer ago than the cache TTL because the primary could not confirm it.
    ``version`` is 0, which no version ever has, where nobody can tell it: PostgreSQL is away, and the version was made
    in Key Vault and not read here before. ``version_id`` is Key Vault's id of it then.
    """

    name: SecretName
    display_name: str
    version: int
    version_id: str
    secret_value: SecretValue
    attributes: Attributes
    created_at: datetime
    updated_at: datetime
    source: Source
    as_of: datetime
    stale: bool = False
    expired: bool = False
    not_yet_valid: bool = False
    description: str | None = None

    @property
    def value(self) -> str:
        """The plaintext."""
        return self.secret_value.reveal()

    @property
    def expires_at(self) -> datetime | None:
        """When this version expires, in UTC, or None."""
        return self.attributes.expires_at

    @property
    def not_before(self) -> datetime | None:
        """When this version becomes valid, in UTC, or None."""
        return self.attributes.not_before

    @property
    def content_type(self) -> str | None:
        """The content type given with the value, or None."""
        return self.attributes.content_type

    @property
    def tags(self) -> Mapping[str, str]:
        """The tags of this version."""
        return self.attributes.tags

    def __repr__(self) -> str:
        return f"Secret(name={self.name!r}, version={self.version}, value={MASK}, source={self.source.value!r})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not to be pickled or copied; keep its name and read it again")


class WriteResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a change. ``replicated``: Key Vault has it already (always True when standalone).

    ``created_at`` is when the version was made, in UTC. ``display_name``, where it is told, is the name in the casing
    of its first set. ``dropped``: which of ``not_before`` and ``expires_at`` the version before had and this one does
    not have.
    """

    name: SecretName
    version: int
    version_id: str
    replicated: bool
    created_at: datetime | None = None
    display_name: str = ""
    dropped: tuple[str, ...] = ()


class DeletedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A deleted secret that can still be recovered. ``replicated``: Key Vault has deleted it too."""

    name: SecretName
    deleted_at: datetime
    scheduled_purge_at: datetime
    current: SecretVersion
    display_name: str = ""
    replicated: bool = True


JSONObject = dict[str, Any]
