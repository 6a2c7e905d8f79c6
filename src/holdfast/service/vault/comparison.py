"""What to do about a difference between the mirror and Key Vault, decided without doing it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from holdfast.domain.intent import Intent, IntentState
from holdfast.domain.secret import SecretVersion
from holdfast.ports import Head, VaultVersion
from holdfast.service.secrets.mirror import CREATED_THERE
from holdfast.service.vault.sighting import Sighting, own_attributes

SETTLING: Final = timedelta(minutes=1)
"""How long Key Vault may go on showing an older version after it took a newer one (replicas, failover)."""

Pair = tuple[SecretVersion, VaultVersion]
"""A version here and the same one there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """What this installation knows of a secret.

    ``intents``: those of ours that the markers in Key Vault name. ``echoes``: versions there that one of our intents
    made a second time, with the generation they repeat, None for one of a purged incarnation. ``last_written``: the
    newest intent by generation. ``lacking``: the value of the current version was never seen. ``provisional``: the
    current version there whose number here is not certain yet; ``versions`` are those before it.
    """

    head: Head
    versions: Sequence[SecretVersion]
    intents: Mapping[UUID, Intent] = field(default_factory=dict)
    echoes: Mapping[str, int | None] = field(default_factory=dict)
    last_written: Mapping[int, UUID | None] = field(default_factory=dict)
    lacking: bool = False
    provisional: SecretVersion | None = None

    @property
    def current(self) -> SecretVersion:
        """The current version here."""
        return self.versions[-1]

    @property
    def by_vault_id(self) -> Mapping[str, SecretVersion]:
        """Versions by Key Vault's id; the newest generation where several share one."""
        return {version.vault_version_id: version for version in self.versions if version.vault_version_id}

    def is_pending(self, version: VaultVersion) -> bool:
        """Whether one of our intents made this version and has yet to hear of it."""
        intent = self.intents.get(version.marker.intent_id) if version.marker else None
        return intent is not None and intent.state in (IntentState.OPEN, IntentState.PARKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What brings both sides together.

    ``adopt``: foreign versions to become the next generations. ``reassert``: write the current value once more, as a
    further generation, because what was acknowledged stays current. ``follow``: make this earlier version current
    again. ``repoint``: the current version's twin that Key Vault serves. ``edits``: attributes to take over.
    ``restore``: versions whose attributes a late echo of ours undid, to be written again. ``settle``: the provisional
    number of the current version stands. ``provisional``: versions may lie between those here and the adopted one.
    """

    adopt: tuple[VaultVersion, ...] = ()
    reassert: bool = False
    follow: Pair | None = None
    repoint: VaultVersion | None = None
    edits: tuple[Pair, ...] = ()
    restore: tuple[SecretVersion, ...] = ()
    settle: bool = False
    provisional: bool = False


def unknown(known: Knowledge, seen: Sighting) -> list[VaultVersion]:
    """Versions there that no generation here stands for and no open intent is about to claim.

    What is older than a version that was taken over from there was passed over then, because it could not be seen:
    every number up to that version's has been given out.
    """
    ids = known.by_vault_id
    taken = max((v.created_at for v in known.versions if v.created_by == CREATED_THERE), default=None)
    return [
        v
        for v in seen.versions
        if v.vault_version_id not in ids and not known.is_pending(v) and (taken is None or v.created_at >= taken)
    ]


def differing(known: Knowledge, seen: Sighting) -> list[Pair]:
    """Versions on both sides whose attributes differ, or whose value can be had at last."""
    ids = known.by_vault_id
    pairs = [(ids[v.vault_version_id], v) for v in seen.versions if v.vault_version_id in ids]
    return [(mine, theirs) for mine, theirs in pairs if _differ(known, mine, theirs)]


def _differ(known: Knowledge, mine: SecretVersion, theirs: VaultVersion) -> bool:
    return not is_equal(mine, theirs) or (known.lacking and mine.current and theirs.attributes.enabled)


def is_equal(mine: SecretVersion, theirs: VaultVersion) -> bool:
    """Whether a version here has all attributes that it has there, those included that Key Vault alone decides."""
    return not is_edited(mine, theirs) and mine.attributes.vault == theirs.attributes.vault


def is_edited(mine: SecretVersion, theirs: VaultVersion) -> bool:
    """Whether somebody changed there what users can change of a version."""
    return own_attributes(mine.attributes) != own_attributes(theirs.attributes)


def decide(known: Knowledge, seen: Sighting, now: datetime) -> Plan:
    """Return what to do about a live secret; while intents are open, only foreign versions are taken over."""
    foreign = tuple(v for v in unknown(known, seen) if v.vault_version_id not in known.echoes)
    settled = known.head.open_intents == 0
    if known.provisional is not None:
        plan = _about_provisional(known.provisional, foreign, now)
    elif foreign:
        pending = known.current.vault_version_id is None and not settled
        plan = Plan(adopt=foreign, reassert=pending or foreign[-1] != seen.newest)
    else:
        plan = _about_newest(known, seen, now) if settled else Plan()
    return _about_attributes(known, seen, plan) if settled else plan


def _about_provisional(mine: SecretVersion, foreign: tuple[VaultVersion, ...], now: datetime) -> Plan:
    """Number the versions up to the one that was seen before the others; one that is never listed is numbered alone."""
    if any(version.vault_version_id == mine.vault_version_id for version in foreign):
        return Plan(adopt=foreign)
    return Plan(settle=now - mine.created_at > SETTLING)


def _about_newest(known: Knowledge, seen: Sighting, now: datetime) -> Plan:
    newest, current = seen.newest, known.current
    if newest.vault_version_id in known.echoes:
        repeats_current = known.echoes[newest.vault_version_id] == current.version
        return Plan(repoint=newest) if repeats_current else Plan(reassert=True)
    mine = known.by_vault_id.get(newest.vault_version_id)
    if mine is None or mine.version == current.version:
        return Plan()
    if current.vault_version_id is None:
        return Plan(follow=(mine, newest))
    return Plan(reassert=now - current.created_at > SETTLING)


def _about_attributes(known: Knowledge, seen: Sighting, plan: Plan) -> Plan:
    pairs = differing(known, seen)
    if plan.repoint and own_attributes(plan.repoint.attributes) != own_attributes(known.current.attributes):
        pairs = [pair for pair in pairs if pair[0].version != known.current.version]
        pairs.append((known.current, plan.repoint))
    late = [pair for pair in pairs if _is_late(known, *pair)]
    edits = tuple(pair for pair in pairs if pair not in late)
    return replace(plan, edits=edits, restore=tuple(mine for mine, _ in late))


def _is_late(known: Knowledge, mine: SecretVersion, theirs: VaultVersion) -> bool:
    """Whether an earlier write of ours, arriving late, undid a later one of ours."""
    marker = theirs.marker
    if not is_edited(mine, theirs):
        return False
    if marker is None or marker.version != mine.version or marker.intent_id not in known.intents:
        return False
    return known.last_written.get(mine.version) not in (None, marker.intent_id)
