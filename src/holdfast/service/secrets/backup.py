"""A secret with all its versions as one sealed blob, and back."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import uuid4

import msgspec
from msgspec import structs

from holdfast.domain.attributes import carried, with_carried
from holdfast.domain.intent import IntentKind
from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, RotationPolicy, SecretSettings, SecretValue, SecretVersion, State
from holdfast.errors import UNREADABLE, Conflict, IntegrityFailure, InvalidInput, KeyUnavailable
from holdfast.ports import Clock, Head, Ledger, Sealer, StoredVersion
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.access.policies import PolicyRights
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.mirror import Mirror, is_undisclosed, place_of
from holdfast.service.secrets.numbering import Histories, numbered

_PURPOSE: Final = "backup"


class _Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    version: int
    version_id: str
    value: str | None
    enabled: bool
    created_at: datetime
    updated_at: datetime
    not_before: datetime | None = None
    expires_at: datetime | None = None
    content_type: str | None = None
    tags: dict[str, str] = {}
    carried: str = "{}"
    created_by: str | None = None

    def __repr__(self) -> str:
        return f"_Version({self.version})"


class _Backup(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    display_name: str
    versions: list[_Version]
    description: str | None = None
    notify_on_expiry: tuple[str, ...] = ()
    rotation_policy: RotationPolicy | None = None
    refuse_outside_validity: bool | None = None


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Backup)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a blob holds, before it is restored. ``name`` is what the caller must be allowed to set."""

    name: SecretName
    content: _Backup


class Backup:
    """Makes and restores backups. A blob opens only with the key ring that sealed it."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        mirror: Mirror,
        sealer: Sealer,
        clock: Clock,
        guard: Guard,
        policies: PolicyRights,
        announcer: Announcer,
        histories: Histories | None = None,
    ) -> None:
        self._ledger, self._mirror, self._sealer = ledger, mirror, sealer
        self._clock, self._guard, self._policies = clock, guard, policies
        self._announcer, self._histories = announcer, histories

    async def pack(self, authorized: Authorized) -> bytes:
        """Return a secret with all its versions, sealed.

        Raises:
            SecretNotFound: it is not there, or deleted.
            BackendUnavailable: Key Vault does not give what the mirror lacks of it.
        """
        await numbered(self._histories, self._ledger, authorized.name, needed=True)
        if self._histories is not None:
            await self._histories.fetch_all(authorized.name)
        found = await self._ledger.contents(authorized.name)
        if found is None:
            raise not_found(authorized.name)
        head, versions = found
        self._mirror.check_living(head)
        settings = head.settings
        content = _Backup(
            display_name=head.display_name,
            versions=[self._pack(head, version) for version in versions],
            description=settings.description,
            notify_on_expiry=settings.notify_on_expiry,
            rotation_policy=settings.rotation_policy,
            refuse_outside_validity=settings.refuse_outside_validity,
        )
        return self._sealer.seal_bytes(_PURPOSE, b"", _encoder.encode(content))

    def unpack(self, blob: bytes) -> Unpacked:
        """Open a blob.

        Raises:
            InvalidInput: it is no blob, is damaged, or was sealed by another key ring.
        """
        if not isinstance(blob, bytes):
            raise InvalidInput(f"backup must be bytes, not {type(blob).__name__}.", field="backup")
        try:
            content = _decoder.decode(self._sealer.open_bytes(_PURPOSE, b"", blob))
        except KeyUnavailable as error:
            raise InvalidInput(
                f"backup was made under an encryption key that is not at hand. {error} If that key is gone for good, "
                "so is what is in the backup: make a new one of the secret as it is now.",
                field="backup",
            ) from None
        except (IntegrityFailure, *UNREADABLE):
            raise InvalidInput("backup is corrupt.", field="backup") from None
        return Unpacked(SecretName(content.display_name.lower()), content)

    async def restore(self, authorized: Authorized, unpacked: Unpacked) -> SecretVersion:
        """Bring a secret back with all its versions, their ids and times.

        Raises:
            Conflict: the name is in use, by a deleted secret possibly.
            AccessDenied: it has a rotation policy that the caller may not give a secret.
        """
        content, intents = unpacked.content, []
        await self._announcer.reach(authorized.name, IntentKind.SET)  # takes over what others wrote under this name
        async with self._ledger.transaction() as tx:
            if await tx.lock(authorized.name) is not None:
                raise Conflict(f"Secret {authorized.name!r} exists, or is deleted but recoverable: it is not replaced.")
            head = self._head(authorized, content)
            stored = [self._unpack(head, version) for version in content.versions]
            head = await tx.create(head, stored[-1])
            await tx.add_history(head, stored[:-1])
            await tx.put_schedule(head.name, head.settings.rotation_policy)
            for version in stored:
                intents.append(uuid4())
                await self._announcer.journal(tx, intents[-1], head, IntentKind.SET, version.version)
            await tx.record(self._guard.success(authorized, version=head.version))
        await self._announcer.announce(head.name, head.revision, intents[-1])
        return structs.replace(stored[-1].version, display_name=head.display_name)

    def _pack(self, head: Head, stored: StoredVersion) -> _Version:
        version, attributes = stored.version, stored.version.attributes
        return _Version(
            version=version.version,
            version_id=version.public_id,
            value=None
            if is_undisclosed(stored) and not attributes.enabled
            else self._mirror.value(head, stored).reveal(),
            enabled=attributes.enabled,
            created_at=version.created_at,
            updated_at=version.updated_at,
            not_before=attributes.not_before,
            expires_at=attributes.expires_at,
            content_type=attributes.content_type,
            tags=dict(attributes.tags),
            carried=carried(attributes),
            created_by=version.created_by,
        )

    def _head(self, authorized: Authorized, content: _Backup) -> Head:
        newest = content.versions[-1]
        settings = SecretSettings(
            description=content.description,
            notify_on_expiry=content.notify_on_expiry,
            rotation_policy=content.rotation_policy,
            refuse_outside_validity=content.refuse_outside_validity,
        )
        settings = self._policies.settled(authorized, None, settings)
        head = Head(
            incarnation=uuid4(),
            name=authorized.name,
            display_name=content.display_name,
            state=State.ACTIVE,
            revision=0,
            version=newest.version,
            version_id=newest.version_id,
            settings=settings,
            attestation="",
            verified_at=self._clock.now(),
        )
        return replace(head, attestation=self._sealer.attest(head.facts()))

    def _unpack(self, head: Head, packed: _Version) -> StoredVersion:
        version = SecretVersion(
            name=head.name,
            version=packed.version,
            version_id=packed.version_id,
            attributes=_attributes(packed),
            created_at=packed.created_at,
            updated_at=packed.updated_at,
            created_by=packed.created_by,
            current=packed.version == head.version,
        )
        if packed.value is None:
            return StoredVersion(version=version, sealed=None)
        sealed = self._sealer.seal(place_of(head, version), SecretValue(packed.value))
        return StoredVersion(version=version, sealed=sealed)


def _attributes(packed: _Version) -> Attributes:
    plain = Attributes(
        enabled=packed.enabled,
        not_before=packed.not_before,
        expires_at=packed.expires_at,
        content_type=packed.content_type,
        tags=packed.tags,
    )
    return with_carried(plain, packed.carried)
