"""The life of a write: one transaction, then Key Vault.

The transaction locks the secret's row, checks the state and the expected generation, stores the sealed version, the
intent for Key Vault and the audit record, and commits: from then on the change is durable and every read sees it.
Caches are told before the caller is. Key Vault learns of it within the deadline, or by replay.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from holdfast.domain.intent import IntentKind
from holdfast.domain.lifecycle import Event, advance, not_found
from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.secret import (
    Attributes,
    DeletedSecret,
    RotationPolicy,
    SecretSettings,
    SecretValue,
    SecretVersion,
    State,
    WriteResult,
)
from holdfast.errors import (
    GenerationMismatch,
    IntegrityFailure,
    PurgeProtected,
    TransitionPending,
    VersionNotFound,
)
from holdfast.ports import Clock, Head, Ledger, LedgerTransaction, SealedValue, Sealer, StoredVersion
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.idempotency import Made, recall, remember
from holdfast.service.secrets.mirror import Mirror, place_of
from holdfast.service.secrets.numbering import Histories, fetched, numbered, settled

AlsoWrite = Callable[[LedgerTransaction, SecretVersion], Awaitable[None]]
"""What else is to be committed with a new version, or with none at all if it raises."""

_CREATE_RACES: Final = 5
"""How often a set begins anew when others create the same name at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be made. Settings that are None leave what the secret has.

    ``incarnation``: the life of the name that the value comes from; None for a value from outside.
    """

    display_name: str
    value: SecretValue
    attributes: Attributes
    settings: SecretSettings
    expected_generation: int | None = None
    idempotency_key: str | None = None
    incarnation: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A change of a version's attributes and of the secret's settings, as functions of what they are."""

    version: int | str | None
    attributes: Callable[[Attributes], Attributes]
    settings: Callable[[SecretSettings], SecretSettings]
    expected_generation: int | None = None


class Writer:
    """Makes changes that the guard has authorised.

    Args:
        retention_days: how long a deleted secret can be recovered.
        histories: None when this installation stands alone.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        mirror: Mirror,
        sealer: Sealer,
        clock: Clock,
        guard: Guard,
        announcer: Announcer,
        retention_days: int,
        purge_protection: bool,
        histories: Histories | None = None,
    ) -> None:
        self._ledger, self._mirror, self._sealer, self._clock = ledger, mirror, sealer, clock
        self._guard, self._announcer, self._histories = guard, announcer, histories
        self._retention, self._purge_protection = timedelta(days=retention_days), purge_protection

    async def set(self, authorized: Authorized, new: NewVersion, also: AlsoWrite | None = None) -> WriteResult:
        """Make a version the current one, creating the secret if need be; ``also`` writes in the same transaction.

        Raises:
            SecretDeleted: the name belongs to a deleted secret.
            GenerationMismatch: the current generation is not the expected one.
            IdempotencyMismatch: the key was used for another request.
            TransitionPending: others keep creating the same name.
            BackendUnavailable: a generation is expected, and those of Key Vault are not numbered yet.
        """
        await numbered(self._histories, self._ledger, authorized.name, needed=new.expected_generation is not None)
        for _ in range(_CREATE_RACES - 1):
            try:
                return await self._set(authorized, new, also)
            except TransitionPending:
                continue
        return await self._set(authorized, new, also)

    async def rollback(
        self, authorized: Authorized, version: int | str, expected_generation: int | None, idempotency_key: str | None
    ) -> WriteResult:
        """Make a new version with the value, content type and tags of an earlier one. The history stays.

        Raises:
            VersionNotFound: there is no such version.
        """
        head, stored = await self.former(authorized.name, version)
        former = stored.version.attributes
        new = NewVersion(
            display_name=head.display_name,
            value=self._mirror.value(head, stored),
            attributes=former.inherited,
            settings=SecretSettings(),
            expected_generation=expected_generation,
            idempotency_key=idempotency_key,
            incarnation=head.incarnation,
        )
        return await self.set(authorized, new)

    async def former(self, name: SecretName, version: int | str) -> tuple[Head, StoredVersion]:
        """A version to go back to, with its value.

        Raises:
            VersionNotFound: there is no such version.
        """
        await numbered(self._histories, self._ledger, name, needed=False)
        found = await self._ledger.version(name, version)
        if found is None:
            raise not_found(name)
        head, stored = found
        self._mirror.check_living(head)
        if stored is None:
            raise VersionNotFound(f"Secret not found: {name!r} has no version {version!r}. List its versions.")
        return head, await fetched(self._histories, self._ledger, head, stored)

    async def update(self, authorized: Authorized, change: Revision) -> SecretVersion:
        """Change attributes of a version, and settings of the secret, without making a version.

        Raises:
            VersionNotFound: there is no such version.
        """
        needed = change.expected_generation is not None
        await numbered(self._histories, self._ledger, authorized.name, needed=needed)
        intent_id = uuid4()
        async with self._ledger.transaction() as tx:
            head = await self._locked(tx, authorized.name, Event.UPDATE)
            self._expect(head, change.expected_generation)
            stored = await tx.stored(head, change.version)
            if stored is None:
                raise VersionNotFound(f"Secret not found: {head.name!r} has no version {change.version!r}.")
            revised = self._revise(head, stored, change.attributes(stored.version.attributes))
            settings = change.settings(head.settings)
            self._guard.check_borrowing(authorized, settings.rotation_policy, head)
            attested = self._attested(replace(head, settings=settings))
            head = await tx.rewrite(attested, revised, by=authorized.caller.id)
            await tx.put_schedule(head.name, settings.rotation_policy)
            await self._announcer.journal(tx, intent_id, head, IntentKind.UPDATE, revised.version)
            await tx.record(self._guard.success(authorized, version=revised.version.version))
        await self._announcer.announce(head.name, head.revision, intent_id, self._mirror.standing(head, revised))
        return revised.version.told()

    async def reschedule(self, authorized: Authorized, interval_days: int, *, auto_rotate: bool) -> RotationPolicy:
        """Give a secret a rotation interval, counted from its last rotation; the rest of its policy stays."""

        def resettle(before: SecretSettings) -> SecretSettings:
            former = before.rotation_policy or RotationPolicy()
            notice = min(former.notify_days_before, interval_days)
            policy = replace(
                former, enabled=True, interval_days=interval_days, notify_days_before=notice, auto_rotate=auto_rotate
            )
            return replace(before, rotation_policy=policy)

        async with self._ledger.transaction() as tx:
            head = await self._locked(tx, authorized.name, Event.UPDATE)
            settings = resettle(head.settings)
            head = await tx.put_head(self._attested(replace(head, settings=settings)))
            await tx.put_schedule(head.name, settings.rotation_policy)
            await tx.record(self._guard.success(authorized))
        await self._announcer.announce(head.name, head.revision, None)
        return settings.rotation_policy or RotationPolicy()

    async def delete(self, authorized: Authorized) -> DeletedSecret:
        """Delete a secret; it can be recovered for the retention time."""
        now = self._clock.now()

        def deleted(head: Head) -> Head:
            return replace(head, state=State.DELETED, deleted_at=now, scheduled_purge_at=now + self._retention)

        head, current, replicated = await self._transit(authorized, Event.DELETE, deleted)
        return deleted_secret(head, current, replicated=replicated)

    async def recover(self, authorized: Authorized) -> SecretVersion:
        """Bring a deleted secret back with all its versions."""

        def living(head: Head) -> Head:
            return replace(head, state=State.ACTIVE, deleted_at=None, scheduled_purge_at=None)

        _, current, _ = await self._transit(authorized, Event.RECOVER, living)
        return current.told()

    async def purge(self, authorized: Authorized, *, retention_over: bool = False) -> None:
        """Destroy a deleted secret: its versions, data keys and exact grants. Its name is free afterwards.

        Raises:
            PurgeProtected: the retention time is not over.
        """
        if self._purge_protection and not retention_over:
            raise PurgeProtected(
                f"Purge is not allowed: purge protection keeps {authorized.name!r} until its retention time is over."
            )
        intent_id = None if retention_over else uuid4()  # Key Vault ends its own retention times by itself
        async with self._ledger.transaction() as tx:
            head = await self._locked(tx, authorized.name, Event.PURGE)
            if retention_over and not self._is_overdue(head):
                return  # recovered and deleted again since it was found to be overdue
            await tx.supersede_intents(head)
            if intent_id is not None:
                await self._announcer.journal(tx, intent_id, head, IntentKind.PURGE)
            await tx.record(self._guard.success(authorized))
            revision = await tx.remove(head)
        await self._announcer.announce_purge(head.name, revision, intent_id)

    # --- one transaction ---

    async def _set(self, authorized: Authorized, new: NewVersion, also: AlsoWrite | None) -> WriteResult:
        intent_id = uuid4()
        async with self._ledger.transaction() as tx:
            before = await tx.lock(authorized.name)
            key = new.idempotency_key
            answered = await recall(tx, self._sealer, authorized, key, _request(new))
            if answered is None:
                advance(before.state if before else None, Event.SET, authorized.name)
                self._expect(before, new.expected_generation)
                if new.incarnation is not None and (before is None or before.incarnation != new.incarnation):
                    raise not_found(authorized.name)  # purged meanwhile, with the value
                self._guard.check_borrowing(authorized, new.settings.rotation_policy, before)
                before = before and await settled(tx, before, self._sealer, self._clock.now())
                head, stored = self._next(authorized, before, new)
                head = await (tx.append(head, stored) if before else tx.create(head, stored))
                if new.settings.rotation_policy is not None:
                    await tx.put_schedule(head.name, new.settings.rotation_policy)
                await self._announcer.journal(tx, intent_id, head, IntentKind.SET, stored.version)
                await tx.record(self._guard.success(authorized, version=head.version))
                if also is not None:
                    await also(tx, stored.version)
                made = Made.of(stored.version, intent_id)
                await remember(tx, self._sealer, authorized, key, _request(new), made)
        if answered is not None:
            return await self._repeat(authorized.name, answered)
        standing = self._mirror.standing(head, stored)
        replicated = await self._announcer.announce(head.name, head.revision, intent_id, standing)
        return _result(head.name, stored.version, replicated=replicated)

    async def _transit(
        self, authorized: Authorized, event: Event, change: Callable[[Head], Head]
    ) -> tuple[Head, SecretVersion, bool]:
        intent_id = uuid4()
        async with self._ledger.transaction() as tx:
            head = self._attested(change(await self._locked(tx, authorized.name, event)))
            current = await tx.stored(head)
            if current is None:
                raise IntegrityFailure(f"Secret {head.name!r} has no current version")
            head = await tx.put_head(head)
            await self._announcer.journal(tx, intent_id, head, IntentKind(event.value))
            await tx.record(self._guard.success(authorized, version=head.version))
        standing = self._mirror.standing(head, current)
        replicated = await self._announcer.announce(head.name, head.revision, intent_id, standing)
        return head, current.version, replicated

    async def _locked(self, tx: LedgerTransaction, name: SecretName, event: Event) -> Head:
        head = await tx.lock(name)
        advance(head.state if head else None, event, name)
        if head is None:
            raise not_found(name)
        self._sealer.verify(head.facts(), head.attestation)
        if event is Event.RECOVER:
            return head  # it numbers nothing, and the history can be listed again afterwards
        return await settled(tx, head, self._sealer, self._clock.now())

    async def _repeat(self, name: SecretName, made: Made) -> WriteResult:
        replicated = await self._announcer.replicated(name, made.intent)
        return WriteResult(
            name=name,
            version=made.version,
            version_id=made.version_id,
            created_at=made.created_at,
            replicated=replicated,
        )

    # --- versions and heads ---

    def _next(self, authorized: Authorized, before: Head | None, new: NewVersion) -> tuple[Head, StoredVersion]:
        """The head and the version after a set, sealed for their place."""
        now = self._clock.now()
        if before is not None:
            self._sealer.verify(before.facts(), before.attestation)
        version = SecretVersion(
            name=authorized.name,
            version=before.version + 1 if before else 1,
            version_id=new_version_id(),
            attributes=new.attributes,
            created_at=now,
            updated_at=now,
            created_by=authorized.caller.id,
            current=True,
        )
        head = Head(
            incarnation=before.incarnation if before else uuid4(),
            name=authorized.name,
            display_name=before.display_name if before else new.display_name,
            state=State.ACTIVE,
            revision=0,
            version=version.version,
            version_id=version.version_id,
            settings=_merged(before.settings if before else SecretSettings(), new.settings),
            attestation="",
            verified_at=now,
        )
        return self._attested(head), StoredVersion(version=version, sealed=self._sealed(head, version, new.value))

    def _revise(self, head: Head, stored: StoredVersion, attributes: Attributes) -> StoredVersion:
        """The version with other attributes, sealed anew: its attributes are part of the place it is bound to."""
        version = replace(stored.version, attributes=attributes, updated_at=self._clock.now())
        if stored.sealed is None:
            return StoredVersion(version=version, sealed=None)
        return StoredVersion(version=version, sealed=self._sealed(head, version, self._mirror.value(head, stored)))

    def _sealed(self, head: Head, version: SecretVersion, value: SecretValue) -> SealedValue:
        return self._sealer.seal(place_of(head, version), value)

    def _attested(self, head: Head) -> Head:
        return replace(head, attestation=self._sealer.attest(head.facts()))

    def _is_overdue(self, head: Head) -> bool:
        return head.scheduled_purge_at is not None and head.scheduled_purge_at <= self._clock.now()

    def _expect(self, head: Head | None, expected: int | None) -> None:
        current = head.version if head else 0
        if expected is not None and expected != current:
            raise GenerationMismatch(
                f"expected_generation is {expected} and the current generation is {current}: "
                "read the secret again and decide anew."
            )


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


def _result(name: SecretName, version: SecretVersion, *, replicated: bool) -> WriteResult:
    return WriteResult(
        name=name,
        version=version.version,
        version_id=version.version_id,
        created_at=version.created_at,
        replicated=replicated,
    )


def _merged(before: SecretSettings, given: SecretSettings) -> SecretSettings:
    """What a set says of the secret as a whole replaces what it says nothing of."""
    refuse = before.refuse_outside_validity if given.refuse_outside_validity is None else given.refuse_outside_validity
    return SecretSettings(
        description=before.description if given.description is None else given.description,
        notify_on_expiry=given.notify_on_expiry or before.notify_on_expiry,
        rotation_policy=given.rotation_policy or before.rotation_policy,
        refuse_outside_validity=refuse,
    )


def _request(new: NewVersion) -> tuple[str, ...]:
    """What makes two requests the same."""
    attributes = new.attributes
    return (
        new.value.reveal(),
        repr(new.expected_generation),
        repr(new.settings),
        repr((attributes.enabled, attributes.not_before, attributes.expires_at, attributes.content_type)),
        repr(sorted(attributes.tags.items())),
    )
