"""Looking at both sides of one secret, over the network and in the ledger, and deciding. Nothing is changed here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.intent import Intent, IntentKind
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretValue, SecretVersion, State
from holdfast.errors import NameUnavailable
from holdfast.ports import Clock, Head, Journal, Ledger, Sealer, StoredVersion, VaultVersion
from holdfast.service.secrets.mirror import place_of
from holdfast.service.vault.comparison import Knowledge, Plan, decide, differing, is_equal, unknown
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.sighting import Sighting, disclose, sight

LATE: Final = timedelta(hours=1)
"""How late a request whose answer was lost may still arrive: far longer than proxies and gateways hold one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a look found. ``before`` is None for a name that the mirror does not know.

    ``void``: Key Vault has nothing but late writes of this purged incarnation. ``undone``: the change of state that a
    late request of ours may have undone there.
    """

    before: Head | None
    seen: Sighting
    plan: Plan = field(default_factory=Plan)
    void: UUID | None = None
    undone: IntentKind | None = None


class Inquiry:
    """Finds out what sets the mirror of a secret apart from Key Vault's state of it."""

    def __init__(self, *, ledger: Ledger, journal: Journal, sealer: Sealer, primary: Primary, clock: Clock) -> None:
        self._ledger, self._journal, self._sealer = ledger, journal, sealer
        self._primary, self._clock = primary, clock

    async def look(self, name: SecretName) -> Findings | None:
        """Look at a secret; None if there is nothing to take over and nothing to compare."""
        found = await self._ledger.current(name)
        if await self._journal.hands_off(name):
            return None  # what Key Vault has under this name is in our hands at this moment
        if found is None:
            return await self._look_at_unknown(name)
        head, current = found
        versions = await self._ledger.versions(name)
        seen = await sight(self._primary, name)
        undone = await self._undone(head, seen)
        if not seen.versions or not versions or undone or (head.state is State.DELETED and head.open_intents):
            return Findings(before=head, seen=seen, undone=undone)
        _see_no_clash(name, versions, seen.versions)
        known = await self._learn(_knowledge(head, current, versions), seen)
        return Findings(before=head, seen=seen, plan=decide(known, seen, self._clock.now()))

    async def glance(self, name: SecretName, newest: VaultVersion) -> Findings | None:
        """The same from one answer of Key Vault; None where that is not enough to decide.

        Raises:
            NameUnavailable: Key Vault gave an id twice.
        """
        found = await self._ledger.current(name)
        if await self._journal.hands_off(name) or await self._may_be_an_echo(found, newest):
            return None
        if found is None:
            return Findings(before=None, seen=Sighting((newest,)), plan=Plan(provisional=True))
        head, current = found
        if head.state is not State.ACTIVE or head.open_intents:
            return None
        known = await self._ledger.version(name, newest.vault_version_id)
        same = [known[1].version] if known and known[1] else []
        _see_no_clash(name, same, [newest])
        plan = _at_a_glance(head, current, same[0] if same else None, newest)
        return Findings(before=head, seen=Sighting((newest,)), plan=plan) if plan else None

    async def _may_be_an_echo(self, found: tuple[Head, StoredVersion] | None, seen: VaultVersion) -> bool:
        """Whether a request of ours may have made this, or undone a later one; not if it was the last one."""
        intent = _maker(await self._named_intents([seen]), seen)
        if intent is None:
            return False
        if found is None or found[1].version.vault_version_id != seen.vault_version_id or intent.version is None:
            return True
        return await self._journal.last_written(found[0].incarnation, intent.version) != intent.id

    async def _undone(self, head: Head, seen: Sighting) -> IntentKind | None:
        """The change of state of ours that Key Vault no longer shows because an earlier one of ours arrived late."""
        if head.open_intents:
            return None
        if head.state is State.ACTIVE and seen.deleted:
            late, ours = IntentKind.DELETE, IntentKind.RECOVER
        elif head.state is State.DELETED and seen.versions:
            late, ours = IntentKind.RECOVER, IntentKind.DELETE
        else:
            return None
        disputed = await self._journal.is_disputed(head.incarnation, late, undone_by=ours, within=LATE)
        return ours if disputed else None

    async def _look_at_unknown(self, name: SecretName) -> Findings | None:
        seen = await sight(self._primary, name)
        if seen.gone:
            return None if await self._is_purged(name, seen.gone) else Findings(before=None, seen=seen)
        if not seen.versions:
            return None
        return Findings(before=None, seen=seen, void=await self._void(name, seen))

    async def _is_purged(self, name: SecretName, gone: VaultVersion) -> bool:
        """Whether a deleted secret of Key Vault's was purged here, or is about to vanish there by itself."""
        if gone.scheduled_purge_at is not None and gone.scheduled_purge_at <= self._clock.now():
            return True
        purged_at = await self._journal.purged_at(name)
        return purged_at is not None and (gone.deleted_at is None or gone.deleted_at <= purged_at)

    async def _learn(self, known: Knowledge, seen: Sighting) -> Knowledge:
        """Add what our journal knows of the markers in Key Vault."""
        known = replace(known, intents=await self._named_intents(seen.versions))
        echoes = {}
        for version in unknown(known, seen):
            intent = _maker(known.intents, version)
            if intent and await self._is_echo(known.head, version, intent):
                same_life = intent.incarnation == known.head.incarnation
                echoes[version.vault_version_id] = intent.version if same_life else None
        generations = {mine.version for mine, _ in differing(known, seen)} | {v.version for v in known.versions[-1:]}
        last = {number: await self._journal.last_written(known.head.incarnation, number) for number in generations}
        return replace(known, echoes=echoes, last_written=last)

    async def _named_intents(self, versions: Collection[VaultVersion]) -> Mapping[UUID, Intent]:
        return await self._journal.find({version.marker.intent_id for version in versions if version.marker})

    async def _is_echo(self, head: Head, version: VaultVersion, intent: Intent) -> bool:
        """Whether this is what the intent wrote. Somebody who copied our tag to another value wrote it himself."""
        if intent.incarnation != head.incarnation or intent.version is None:
            return True
        value = await disclose(self._primary, head.name, version)
        found = await self._ledger.version(head.name, intent.version)
        if value is None or found is None or found[1] is None:
            return True
        return self._holds(head, found[1], value)

    def _holds(self, head: Head, stored: StoredVersion, value: SecretValue) -> bool:
        if stored.sealed is None:
            return False
        return self._sealer.open(place_of(head, stored.version), stored.sealed).reveal() == value.reveal()

    async def _void(self, name: SecretName, seen: Sighting) -> UUID | None:
        """The purged incarnation whose writes, arriving after the purge, are all there is; else None."""
        purged_at = await self._journal.purged_at(name)
        if purged_at is None:
            return None
        since = purged_at.replace(microsecond=0)
        intents = await self._named_intents(seen.versions)
        makers = [_maker(intents, version) for version in seen.versions if version.created_at >= since]
        lives = [maker.incarnation for maker in makers if maker]
        return lives[0] if len(lives) == len(seen.versions) else None


def _maker(intents: Mapping[UUID, Intent], version: VaultVersion) -> Intent | None:
    return intents.get(version.marker.intent_id) if version.marker else None


def _knowledge(head: Head, current: StoredVersion, versions: Sequence[SecretVersion]) -> Knowledge:
    if head.provisional:
        return Knowledge(head=head, versions=versions[:-1], provisional=versions[-1])
    return Knowledge(head=head, versions=versions, lacking=current.sealed is None)


def _see_no_clash(name: SecretName, ours: Collection[SecretVersion], theirs: Collection[VaultVersion]) -> None:
    """An id of our own names one version for ever, so Key Vault cannot give it to another.

    Raises:
        NameUnavailable: it did.
    """
    own = {mine.version_id: mine.vault_version_id for mine in ours}
    for version in theirs:
        if own.get(version.vault_version_id, version.vault_version_id) != version.vault_version_id:
            raise NameUnavailable(
                f"Key Vault gave a version of {name!r} the id {version.vault_version_id}, which is that of another "
                "version here: set the secret anew there."
            )


def _at_a_glance(head: Head, current: StoredVersion, same: SecretVersion | None, newest: VaultVersion) -> Plan | None:
    """What the newest version alone tells: it is a further one, or the current one with other attributes."""
    mine = current.version
    if same is None:
        follows = mine.vault_version_id is not None and newest.created_at >= mine.created_at.replace(microsecond=0)
        return Plan(adopt=(newest,), provisional=True) if follows else None
    if not same.current:
        return None  # Key Vault is behind, or went back
    equal = current.sealed is not None and is_equal(same, newest)
    return Plan() if equal else Plan(edits=((same, newest),))


def is_unchanged(now: Head | None, before: Head | None) -> bool:
    """Whether nothing of ours happened to a secret since ``before`` was read."""
    if now is None or before is None:
        return now is before
    return _mark(now) == _mark(before)


def _mark(head: Head) -> tuple[UUID, int, int, str | None, datetime | None]:
    return head.incarnation, head.revision, head.open_intents, head.vault_version_id, head.vault_updated_at
