"""A change that has passed every check and is yet to be made, the same whether Key Vault is asked first or not."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.intent import Intent, IntentKind
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM
from holdfast.domain.secret import SecretValue, SecretVersion, State
from holdfast.errors import UNREADABLE, IntegrityFailure
from holdfast.ports import Clock, Head, LedgerTransaction, Sealer, StoredVersion
from holdfast.ports.places import PROPOSAL, proposal_place
from holdfast.service.secrets.content import Content, content_of
from holdfast.service.secrets.mirror import place_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one secret, complete.

    ``before``: the revision that it was checked against, None for a name that was free. ``head``: the head
    afterwards, not attested yet. ``version``: the version that is made or changed, or else the current one.
    ``value``: what is to be sealed for it, if anything. ``journalled``: Key Vault must learn of it. ``reschedule``: the
    rotation schedule follows the settings. ``dropped``: dates of the former version that a new one lacks.
    """

    intent_id: UUID
    kind: IntentKind
    before: int | None
    head: Head
    version: SecretVersion
    value: SecretValue | None
    record: AuditRecord
    journalled: bool = True
    reschedule: bool = False
    dropped: tuple[str, ...] = ()

    @property
    def name(self) -> SecretName:
        """The secret."""
        return self.head.name

    @property
    def subject(self) -> SecretVersion | None:
        """The version that Key Vault is to set or update."""
        return self.version if self.kind in (IntentKind.SET, IntentKind.UPDATE) else None

    def standing(self, now: datetime) -> Content | None:
        """What readers get from now on; None if nothing, or what was current before."""
        disclosed = self.head.state is State.ACTIVE and self.version.enabled
        if self.value is None or not disclosed or self.version.version != self.head.version:
            return None
        return content_of(self.head, self.version, self.value, now, now)

    def as_intent(self, clock: Clock) -> Intent:
        """The change as its first attempt at Key Vault sees it."""
        return Intent(
            id=self.intent_id,
            sequence=0,
            incarnation=self.head.incarnation,
            name=self.name,
            display_name=self.head.display_name,
            kind=self.kind,
            version=self.subject.version if self.subject else None,
            attributes=self.subject.attributes if self.subject else None,
            attempts=1,
            created_at=clock.now(),
        )


def _plain(each: Any) -> Any:
    if isinstance(each, SecretValue):
        return each.reveal()
    raise NotImplementedError(type(each))


def _typed(kind: type, raw: Any) -> Any:
    if kind is SecretValue:
        return SecretValue(raw)
    raise NotImplementedError(kind)


_encoder: Final = msgspec.json.Encoder(enc_hook=_plain)  # JSON has integers of any size
_decoder: Final = msgspec.json.Decoder(Change, dec_hook=_typed)


class Enactor:
    """Makes changes, within a transaction that holds their name."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def sealed(self, change: Change) -> bytes:
        """The change as it is kept while Key Vault is asked about it."""
        place = proposal_place(change.intent_id, change.name)
        return self._sealer.seal_bytes(PROPOSAL, place, _encoder.encode(change))

    def opened(self, intent: Intent, sealed: bytes) -> Change:
        """Such a change again.

        Raises:
            IntegrityFailure: it was edited.
        """
        plain = self._sealer.open_bytes(PROPOSAL, proposal_place(intent.id, intent.name), sealed)
        try:
            return _decoder.decode(plain)
        except UNREADABLE:
            raise IntegrityFailure(f"A change of {intent.name!r} cannot be read: another release wrote it") from None

    async def enact(self, tx: LedgerTransaction, change: Change) -> int:
        """Make a change, with everything that belongs to it; returns the revision."""
        await tx.record(change.record)
        if change.journalled and change.before is not None:
            await self._overtake(tx, change)
        if change.kind is IntentKind.PURGE:
            await tx.supersede_intents(change.head, change.intent_id)
            if change.journalled:
                await tx.supersede_purges(change.name, change.intent_id)
            return await tx.remove(change.head)
        head = await self._written(tx, change)
        if change.reschedule:
            await tx.put_schedule(head.name, head.settings.rotation_policy)
        return head.revision

    async def _written(self, tx: LedgerTransaction, change: Change) -> Head:
        head = replace(change.head, attestation=self._sealer.attest(change.head.facts()))
        if change.kind is IntentKind.UPDATE and change.journalled:
            return await tx.rewrite(head, self._stored(change), by=change.record.user_id)
        if change.kind is not IntentKind.SET:
            return await tx.put_head(head)
        if change.before is None:
            return await tx.create(head, self._stored(change))
        return await tx.append(head, self._stored(change))

    async def _overtake(self, tx: LedgerTransaction, change: Change) -> None:
        """What Key Vault refuses is superseded by what makes it void: that is on record."""
        now, subject = change.record.timestamp, change.subject
        number = subject.version if subject else None
        for version in await tx.supersede_refused(change.head, change.intent_id, change.kind, number):
            await tx.record(record_of(SYSTEM, "supersede", change.name, now, version=version))

    def _stored(self, change: Change) -> StoredVersion:
        if change.value is None:
            return StoredVersion(version=change.version, sealed=None)
        sealed = self._sealer.seal(place_of(change.head, change.version), change.value)
        return StoredVersion(version=change.version, sealed=sealed)
