"""Taking over into the mirror what Key Vault shows, within one transaction that holds the secret's row."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, TypedDict
from uuid import UUID, uuid4

from msgspec import structs

from holdfast.domain.audit import record_of
from holdfast.domain.intent import IntentKind
from holdfast.domain.names import SecretName, new_version_id
from holdfast.domain.policy import SYSTEM
from holdfast.domain.secret import Attributes, SecretSettings, SecretValue, SecretVersion, Source, State
from holdfast.errors import IntegrityFailure
from holdfast.ports import Head, LedgerTransaction, Sealer, StoredVersion, VaultVersion
from holdfast.resilience.events import Event, Log
from holdfast.service.secrets.mirror import CREATED_THERE, place_of
from holdfast.service.secrets.numbering import settled
from holdfast.service.vault.comparison import Plan, is_edited
from holdfast.service.vault.sighting import own_attributes

_log: Final = Log(__name__)

MISSING: Final = "missing_in_vault"
"""The drift of a secret that Key Vault does not have, and does not list as deleted either."""


class Takeover:
    """The changes of one secret; ``head`` is its head after them."""

    def __init__(self, tx: LedgerTransaction, head: Head, sealer: Sealer, now: datetime) -> None:
        self._tx, self.head, self._sealer, self._now = tx, head, sealer, now

    @classmethod
    async def create(
        cls,
        tx: LedgerTransaction,
        name: SecretName,
        seen: Sequence[VaultVersion],
        sealer: Sealer,
        now: datetime,
        *,
        provisional: bool = False,
        retention: timedelta | None = None,
    ) -> "Takeover":
        """Begin an incarnation with versions that Key Vault has, oldest first.

        ``retention``: it is a deleted one, which can be recovered for so long unless Key Vault says otherwise.
        """
        nothing = Head(
            incarnation=uuid4(),
            name=name,
            display_name=seen[-1].name,
            state=State.ACTIVE,
            revision=0,
            version=0,
            version_id="",
            settings=SecretSettings(),
            attestation="",
            verified_at=now,
        )
        if retention is not None:
            nothing = replace(nothing, state=State.DELETED, **_deletion(seen[-1], retention, now))
        takeover = cls(tx, nothing, sealer, now)
        *former, current = takeover._numbered(seen, after=0)
        seen_at = seen[-1].updated_at if retention is None else None  # once it is recovered, it is news
        head = takeover._current(current.version, seen_at, provisional=provisional)
        takeover.head = await tx.create(head, current)
        await tx.add_history(takeover.head, former)
        return takeover

    async def carry_out(self, plan: Plan) -> None:
        """Do what was decided."""
        if plan.repoint:
            await self._repoint(plan.repoint)
        for mine, theirs in plan.edits:
            await self.take_attributes(mine, theirs)
        for mine in plan.restore:
            await self._journal(IntentKind.UPDATE, mine)
        current = await self._stored(self.head.version)
        if plan.adopt:
            await self.adopt(plan.adopt, provisional=plan.provisional)
        if plan.settle:
            self.head = await settled(self._tx, self.head, self._sealer, self._now)
        if plan.follow:
            await self._follow(*plan.follow)
        if plan.reassert:
            await self._reassert(current)

    async def adopt(self, foreign: Sequence[VaultVersion], *, provisional: bool = False) -> None:
        """Make versions of Key Vault's the next generations, in place of the one whose number was provisional.

        ``provisional``: others may lie between them and those known here, so that the number is not certain yet.
        """
        before = self.head
        known = await self._stored(before.version) if before.provisional else None
        *former, current = self._numbered(foreign, after=before.version - before.provisional, known=known)
        head = self._current(current.version, foreign[-1].updated_at, provisional=provisional)
        put = self._tx.supplant if before.provisional else self._tx.append
        self.head = await put(head, current)
        await self._tx.add_history(self.head, former)
        if not provisional:
            await self.record_adoption()

    async def record_adoption(self) -> None:
        """Put on record that versions made in Key Vault were taken in."""
        await self._record("adopt")
        _log(Event.FOREIGN_VERSION, name=self.head.name, version=self.head.version)

    async def revive(self) -> None:
        """Honour a recovery made in Key Vault."""
        head = replace(self.head, state=State.ACTIVE, drift=None, deleted_at=None, scheduled_purge_at=None)
        self.head = await self._tx.put_head(self._attested(head))
        await self._record("recover")
        _log(Event.FOREIGN_RECOVERY, name=self.head.name)

    async def bury(self, gone: VaultVersion | None, retention: timedelta) -> None:
        """Honour a deletion made in Key Vault, with the dates that it tells.

        ``retention``: how long it can be recovered where Key Vault does not say.
        """
        news = self.head.state is not State.DELETED
        buried = replace(self.head, state=State.DELETED, drift=None, **_deletion(gone, retention, self._now))
        if buried == self.head:
            return
        self.head = await self._tx.put_head(self._attested(buried))
        if news:
            await self._record("delete")
            _log(Event.FOREIGN_DELETION, name=self.head.name)

    async def reassert_state(self, ours: IntentKind) -> None:
        """Make a change of state once more, which an earlier one of ours undid by arriving late."""
        await self._tx.add_intent(uuid4(), self.head, ours)
        await self._record("conflict")
        _log(Event.CONFLICT_STATE, change=ours.value, name=self.head.name)

    async def mark_missing(self) -> None:
        """Flag a secret that Key Vault lacks. It is kept and served."""
        if self.head.drift != MISSING:
            self.head = await self._tx.put_head(replace(self.head, drift=MISSING))
            _log(Event.MISSING_IN_VAULT, name=self.head.name)

    async def confirm(self, newest: VaultVersion) -> None:
        """Note what Key Vault showed, so that it is not taken for news again."""
        seen = replace(self.head, vault_updated_at=newest.updated_at, drift=None)
        if self.head.vault_version_id == newest.vault_version_id and seen != self.head:
            self.head = await self._tx.put_head(replace(seen, verified_at=self._now))

    def _numbered(
        self, seen: Sequence[VaultVersion], *, after: int, known: StoredVersion | None = None
    ) -> list[StoredVersion]:
        """Versions of Key Vault's as they are stored here. ``known``: one of them that is stored already."""
        return [self._as_stored(theirs, number, known) for number, theirs in enumerate(seen, after + 1)]

    def _as_stored(self, theirs: VaultVersion, number: int, known: StoredVersion | None) -> StoredVersion:
        same = known if known and known.version.vault_version_id == theirs.vault_version_id else None
        version = SecretVersion(
            name=self.head.name,
            version=number,
            version_id=same.version.version_id if same else new_version_id(),
            attributes=own_attributes(theirs.attributes),
            created_at=theirs.created_at,
            updated_at=theirs.updated_at,
            created_by=CREATED_THERE,
            vault_version_id=theirs.vault_version_id,
            told_id=theirs.vault_version_id,
            current=True,
        )
        return self._sealed(version, theirs.value or (self._value(same) if same else None))

    def _current(self, version: SecretVersion, vault_updated_at: datetime | None, *, provisional: bool = False) -> Head:
        """The head with this version as the current one."""
        return self._attested(
            replace(
                self.head,
                version=version.version,
                version_id=version.version_id,
                vault_version_id=version.vault_version_id,
                vault_updated_at=vault_updated_at,
                verified_at=self._now,
                drift=None,
                provisional=provisional,
            )
        )

    async def _reassert(self, stored: StoredVersion) -> None:
        """Write what was acknowledged once more, as a further generation with an intent of its own."""
        if stored.sealed is None:
            _log(Event.CONFLICT_WITHOUT_VALUE, name=self.head.name)
            return
        again = await self._repeat(stored, self._value(stored), vault_version_id=None, vault_updated_at=None)
        await self._journal(IntentKind.SET, again)
        await self._record("conflict")
        _log(Event.CONFLICT_VERSION, name=self.head.name, version=again.version)

    async def _follow(self, mine: SecretVersion, theirs: VaultVersion) -> None:
        """Key Vault's state stands: make an earlier version current again."""
        stored = await self._stored(mine.version)
        value = self._value(stored) or theirs.value
        await self._repeat(stored, value, vault_version_id=theirs.vault_version_id, vault_updated_at=theirs.updated_at)
        await self._record("adopt")
        _log(Event.FOREIGN_RETURN, name=self.head.name, version=mine.version)

    async def _repeat(
        self,
        stored: StoredVersion,
        value: SecretValue | None,
        *,
        vault_version_id: str | None,
        vault_updated_at: datetime | None,
    ) -> SecretVersion:
        """Append a version with the content of an earlier one."""
        again = structs.replace(
            stored.version,
            version=self.head.version + 1,
            version_id=new_version_id(),
            created_at=self._now,
            updated_at=self._now,
            vault_version_id=vault_version_id,
            told_id=vault_version_id,
            current=True,
        )
        self.head = await self._tx.append(self._current(again, vault_updated_at), self._sealed(again, value))
        return again

    async def _repoint(self, theirs: VaultVersion) -> None:
        """Our current version exists twice in Key Vault: stay with the one that it serves."""
        stored = await self._stored(self.head.version)
        twin = replace(stored, version=structs.replace(stored.version, vault_version_id=theirs.vault_version_id))
        head = replace(
            self.head, vault_version_id=theirs.vault_version_id, vault_updated_at=theirs.updated_at, drift=None
        )
        self.head = await self._tx.rewrite(head, twin)

    async def take_attributes(self, mine: SecretVersion, theirs: VaultVersion) -> None:
        """Take over attributes that were edited in Key Vault."""
        stored = await self._stored(mine.version)
        value = theirs.value if stored.sealed is None else self._value(stored)
        version = structs.replace(stored.version, attributes=_taken(mine, theirs), updated_at=theirs.updated_at)
        if not is_edited(mine, theirs) and (stored.sealed is not None or value is None):
            await self._tx.carry(self.head, version)  # what Key Vault alone says of it is no one's change
            return
        self.head = await self._tx.rewrite(self.head, self._sealed(version, value), by=CREATED_THERE)
        await self._record("adopt", mine.version)
        _log(Event.FOREIGN_ATTRIBUTES, name=self.head.name, version=mine.version)

    async def _stored(self, version: int) -> StoredVersion:
        stored = await self._tx.stored(self.head, version)
        if stored is None:
            raise IntegrityFailure(f"Secret {self.head.name!r} lost its version {version}")
        return stored

    def _value(self, stored: StoredVersion) -> SecretValue | None:
        return self._sealer.open(place_of(self.head, stored.version), stored.sealed) if stored.sealed else None

    def _sealed(self, version: SecretVersion, value: SecretValue | None) -> StoredVersion:
        bare = StoredVersion(version=version, sealed=None)
        if value is None:
            return bare
        return replace(bare, sealed=self._sealer.seal(place_of(self.head, version), value))

    def _attested(self, head: Head) -> Head:
        return replace(head, attestation=self._sealer.attest(head.facts()))

    async def _journal(self, kind: IntentKind, version: SecretVersion) -> UUID:
        intent_id = uuid4()
        await self._tx.add_intent(intent_id, self.head, kind, version)
        return intent_id

    async def _record(self, operation: str, version: int | None = None) -> None:
        source = Source.KEYVAULT.value
        await self._tx.record(
            record_of(SYSTEM, operation, self.head.name, self._now, version=version or self.head.version, source=source)
        )


def _taken(mine: SecretVersion, theirs: VaultVersion) -> Attributes:
    """Their attributes. With our marker among the tags no one can tell there whether there were empty ones."""
    taken = own_attributes(theirs.attributes)
    return structs.replace(taken, empty_tags=mine.attributes.empty_tags) if theirs.marker else taken


class _Deletion(TypedDict):
    deleted_at: datetime
    scheduled_purge_at: datetime


def _deletion(gone: VaultVersion | None, retention: timedelta, now: datetime) -> _Deletion:
    """When a secret was deleted, and when it vanishes: as Key Vault tells it, where it does."""
    if gone is None:
        return {"deleted_at": now, "scheduled_purge_at": now + retention}
    deleted_at = gone.deleted_at or now
    until = gone.scheduled_purge_at or gone.attributes.vault.purged_at(deleted_at, retention)
    return {"deleted_at": deleted_at, "scheduled_purge_at": until}
