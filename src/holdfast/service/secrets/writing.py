"""What a change of a secret is: the checks that it must pass, and the secret afterwards.

Each is planned in a transaction that holds the secret. How it comes to count, before Key Vault has it or after, is the
same for all of them (``making.py``).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

from msgspec import structs

from holdfast.domain.intent import IntentKind
from holdfast.domain.lifecycle import Event, advance, not_found
from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.secret import DeletedSecret, RotationPolicy, SecretSettings, SecretVersion, State, WriteResult
from holdfast.errors import (
    Conflict,
    GenerationMismatch,
    IntegrityFailure,
    PurgeProtected,
    VaultRefusal,
    VersionNotFound,
)
from holdfast.ports import Clock, Head, Ledger, LedgerTransaction, Sealer, StoredVersion
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.access.policies import PolicyRights
from holdfast.service.secrets.announcing import Announcer
from holdfast.service.secrets.changes import Change
from holdfast.service.secrets.idempotency import Made, recall, remember
from holdfast.service.secrets.making import AlsoWrite, Enacted, Maker
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.numbering import Histories, fetched, numbered, settled
from holdfast.service.secrets.outcomes import deleted_secret, written
from holdfast.service.secrets.vetoes import check_managed, check_purgeable
from holdfast.service.secrets.wishes import NewVersion, Revision, fingerprint_of, merged


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
        policies: PolicyRights,
        announcer: Announcer,
        maker: Maker,
        retention_days: int,
        purge_protection: bool,
        histories: Histories | None = None,
    ) -> None:
        self._ledger, self._mirror, self._sealer, self._clock = ledger, mirror, sealer, clock
        self._guard, self._policies = guard, policies
        self._announcer, self._maker, self._histories = announcer, maker, histories
        self._retention, self._purge_protection = timedelta(days=retention_days), purge_protection

    async def set(self, authorized: Authorized, new: NewVersion, also: AlsoWrite | None = None) -> WriteResult:
        """Make a version the current one, creating the secret if need be.

        Args:
            also: writes in the same transaction; Key Vault is not asked first then.

        Raises:
            SecretDeleted: the name belongs to a deleted secret, here or in Key Vault.
            GenerationMismatch: the current generation is not the expected one.
            IdempotencyMismatch: the key was used for another request.
            VaultRefusal: Key Vault refuses it; nothing has changed.
            BackendUnavailable: a generation is expected, and those of Key Vault are not numbered yet.
        """
        await numbered(self._histories, self._ledger, authorized.name, needed=new.expected_generation is not None)

        async def plan(tx: LedgerTransaction) -> Change | Made:
            return await self._plan_set(tx, authorized, new)

        made = await self._maker.make(authorized.name, IntentKind.SET, plan, also)
        if isinstance(made, Made):
            repeated = await self._repeat(authorized.name, made)
            await self._guard.record(authorized, version=repeated.version, detail="repeated")
            return repeated
        return written(made)

    async def foresee(self, name: SecretName) -> None:
        """See that Key Vault would take another version of a secret, as far as can be known without writing one.

        Policies that no one has run into yet cannot be known, nor rights that are taken away meanwhile.

        Raises:
            VaultRefusal: it would not.
        """
        found = await self._mirror.current(name)
        if found is not None:
            check_managed(found[1].version)
        reason = await self._announcer.refusal(name)
        if reason is not None:
            raise VaultRefusal(
                f"Key Vault refuses changes of {name!r} ({reason}): mend that and run `holdfast reconcile --retry`.",
                status=409,
                vault_code="Conflict",
            )

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
            VaultRefusal: Key Vault refuses it; nothing has changed.
        """
        needed = change.expected_generation is not None
        await numbered(self._histories, self._ledger, authorized.name, needed=needed)

        async def plan(tx: LedgerTransaction) -> Change:
            head = await self._locked(tx, authorized.name, Event.UPDATE)
            self._expect(head, change.expected_generation)
            stored = await tx.stored(head, change.version)
            if stored is None:
                raise VersionNotFound(f"Secret not found: {head.name!r} has no version {change.version!r}.")
            check_managed(stored.version)
            settings = self._policies.settled(authorized, head.settings, change.settings(head.settings))
            attributes = change.attributes(stored.version.attributes)
            return Change(
                intent_id=uuid4(),
                kind=IntentKind.UPDATE,
                before=head.revision,
                head=replace(head, settings=settings),
                version=structs.replace(stored.version, attributes=attributes, updated_at=self._clock.now()),
                value=self._mirror.value(head, stored) if stored.sealed else None,
                record=self._guard.success(authorized, version=stored.version.version),
                reschedule=True,
            )

        return _enacted(await self._maker.make(authorized.name, IntentKind.UPDATE, plan)).version.told()

    async def reschedule(self, authorized: Authorized, interval_days: int, *, auto_rotate: bool) -> RotationPolicy:
        """Give a secret a rotation interval, counted from its last rotation; the rest of its policy stays."""

        def resettle(before: SecretSettings) -> SecretSettings:
            policy = (before.rotation_policy or RotationPolicy()).every(interval_days, auto_rotate=auto_rotate)
            return structs.replace(before, rotation_policy=policy)

        async def plan(tx: LedgerTransaction) -> Change:
            head = await self._locked(tx, authorized.name, Event.UPDATE)
            return Change(
                intent_id=uuid4(),
                kind=IntentKind.UPDATE,
                before=head.revision,
                head=replace(head, settings=resettle(head.settings)),
                version=(await self._current(tx, head)).version,
                value=None,
                record=self._guard.success(authorized),
                journalled=False,
                reschedule=True,
            )

        made = _enacted(await self._maker.make(authorized.name, IntentKind.UPDATE, plan))
        return made.change.head.settings.rotation_policy or RotationPolicy()

    async def delete(self, authorized: Authorized) -> DeletedSecret:
        """Delete a secret; it can be recovered for the retention time.

        Raises:
            VaultRefusal: Key Vault refuses it; nothing has changed.
        """

        def deleted(head: Head, current: SecretVersion) -> Head:
            now = self._clock.now()
            until = current.attributes.vault.purged_at(now, self._retention)
            return replace(head, state=State.DELETED, deleted_at=now, scheduled_purge_at=until)

        made = await self._transit(authorized, Event.DELETE, deleted)
        return deleted_secret(made.change.head, made.change.version, replicated=made.replicated)

    async def recover(self, authorized: Authorized) -> SecretVersion:
        """Bring a deleted secret back with all its versions.

        Raises:
            VaultRefusal: Key Vault refuses it; nothing has changed.
        """

        def living(head: Head, _: SecretVersion) -> Head:
            return replace(head, state=State.ACTIVE, deleted_at=None, scheduled_purge_at=None)

        return (await self._transit(authorized, Event.RECOVER, living)).version.told()

    async def purge(self, authorized: Authorized, *, retention_over: bool = False) -> None:
        """Destroy a deleted secret: its versions, data keys and exact grants. Its name is free afterwards.

        Raises:
            PurgeProtected: the retention time is not over.
            Conflict: ``retention_over`` is said, and it is not over any more.
            VaultRefusal: Key Vault refuses it; nothing has changed.
        """
        if self._purge_protection and not retention_over:
            raise PurgeProtected(
                f"Purge is not allowed: purge protection keeps {authorized.name!r} until its retention time is over."
            )

        async def plan(tx: LedgerTransaction) -> Change:
            head = await self._locked(tx, authorized.name, Event.PURGE)
            if retention_over and not self._is_overdue(head):
                raise Conflict(f"Secret {head.name!r} is not overdue any more: somebody recovered it meanwhile.")
            intent_id, current = uuid4(), (await self._current(tx, head)).version
            if not retention_over:
                check_purgeable(current)
            return Change(
                intent_id=intent_id,
                kind=IntentKind.PURGE,
                before=head.revision,
                head=head,
                version=current,
                value=None,
                record=self._guard.success(authorized),
                # Key Vault ends its own retention times by itself.
                journalled=not retention_over and await tx.is_in_vault(head, intent_id),
            )

        await self._maker.make(authorized.name, IntentKind.PURGE, plan)

    # --- plans, in a transaction that holds the secret ---

    async def _plan_set(self, tx: LedgerTransaction, authorized: Authorized, new: NewVersion) -> Change | Made:
        before = await tx.lock(authorized.name)
        key, request = new.idempotency_key, fingerprint_of(new)
        answered = await recall(tx, self._sealer, authorized, key, request)
        if answered is not None:
            return answered
        advance(before.state if before else None, Event.SET, authorized.name)
        self._expect(before, new.expected_generation)
        if new.incarnation is not None and (before is None or before.incarnation != new.incarnation):
            raise not_found(authorized.name)  # purged meanwhile, with the value
        former = before.settings if before else None
        settings = self._policies.settled(authorized, former, merged(former or SecretSettings(), new.settings))
        dropped: tuple[str, ...] = ()
        if before is not None:
            current = (await self._current(tx, before)).version
            check_managed(current)
            dropped = current.attributes.dates_not_in(new.attributes)
        before = before and await settled(tx, before, self._sealer, self._clock.now())
        head, version = self._next(authorized, before, new, settings)
        change = Change(
            intent_id=uuid4(),
            kind=IntentKind.SET,
            before=before.revision if before else None,
            head=head,
            version=version,
            value=new.value,
            record=self._guard.success(authorized, version=head.version),
            reschedule=new.settings.rotation_policy is not None,
            dropped=dropped,
        )
        made = Made.of(version, change.intent_id, dropped, head.display_name)
        await remember(tx, self._sealer, authorized, key, request, made)
        return change

    async def _transit(
        self, authorized: Authorized, event: Event, moved: Callable[[Head, SecretVersion], Head]
    ) -> Enacted:
        kind = IntentKind(event.value)

        async def plan(tx: LedgerTransaction) -> Change:
            head = await self._locked(tx, authorized.name, event)
            current = (await self._current(tx, head)).version
            check_managed(current)
            return Change(
                intent_id=uuid4(),
                kind=kind,
                before=head.revision,
                head=moved(head, current),
                version=current,
                value=None,
                record=self._guard.success(authorized, version=head.version),
            )

        return _enacted(await self._maker.make(authorized.name, kind, plan))

    async def _locked(self, tx: LedgerTransaction, name: SecretName, event: Event) -> Head:
        head = await tx.lock(name)
        advance(head.state if head else None, event, name)
        if head is None:
            raise not_found(name)
        self._sealer.verify(head.facts(), head.attestation)
        if event is Event.RECOVER:
            return head  # it numbers nothing, and the history can be listed again afterwards
        return await settled(tx, head, self._sealer, self._clock.now())

    async def _current(self, tx: LedgerTransaction, head: Head) -> StoredVersion:
        current = await tx.stored(head)
        if current is None:
            raise IntegrityFailure(f"Secret {head.name!r} has no current version")
        return current

    async def _repeat(self, name: SecretName, made: Made) -> WriteResult:
        replicated = await self._announcer.settled(name, made.intent)
        return WriteResult(
            name=name,
            version=made.version,
            version_id=made.version_id,
            created_at=made.created_at,
            replicated=replicated,
            dropped=made.dropped,
            display_name=made.display_name,
        )

    # --- versions and heads ---

    def _next(
        self, authorized: Authorized, before: Head | None, new: NewVersion, settings: SecretSettings
    ) -> tuple[Head, SecretVersion]:
        """The head and the version after a set."""
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
            settings=settings,
            attestation="",
            verified_at=now,
        )
        return head, version

    def _is_overdue(self, head: Head) -> bool:
        return head.scheduled_purge_at is not None and head.scheduled_purge_at <= self._clock.now()

    def _expect(self, head: Head | None, expected: int | None) -> None:
        current = head.version if head else 0
        if expected is not None and expected != current:
            raise GenerationMismatch(
                f"expected_generation is {expected} and the current generation is {current}: "
                "read the secret again and decide anew."
            )


def _enacted(made: Enacted | Made) -> Enacted:
    """What came of a change that has no idempotency key."""
    if isinstance(made, Made):
        raise TypeError("only a set has an idempotency key")
    return made
