"""The rules this node knows, in memory: decisions cost no round trip, and none outlives the lease."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from holdfast.domain.grantindex import GrantIndex, decide
from holdfast.domain.leases import Leases
from holdfast.domain.policy import Caller, Grant, Permission, group_subject, may_delegate, may_oversee, may_withdraw
from holdfast.errors import IntegrityFailure, KeyUnavailable, LeaseExpired
from holdfast.ports import Clock, Feed, GrantStore, RuleKind, Sealer, StoredRule
from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import unhurried
from holdfast.service.access.readback import read_back

_log: Final = Log(__name__)

OWNER: Final = "owner"
"""The rule by which the application that owns the service may do everything."""

GroupsOf: TypeAlias = Callable[[str], frozenset[str]]
"""The names of the groups that an identity belongs to here, beside those that its proof of identity vouches for."""


def no_groups(_identity: str) -> frozenset[str]:
    """Membership where no groups are kept."""
    return frozenset()


class GrantBook:
    """A snapshot of all grants and role assignments, renewed when their epoch changes.

    Args:
        leases: how long the snapshot may be used after PostgreSQL last answered this node.
    """

    def __init__(
        self,
        store: GrantStore,
        sealer: Sealer,
        feed: Feed,
        clock: Clock,
        leases: Leases,
        groups_of: GroupsOf = no_groups,
    ) -> None:
        self._store, self._sealer, self._feed, self._clock = store, sealer, feed, clock
        self._leases, self._groups_of = leases, groups_of
        self._rules: dict[str, list[StoredRule]] = {}
        self._indexes: dict[str, GrantIndex] = {}
        self._emergencies: dict[str, GrantIndex] = {}
        self._ignored: dict[str, int] = {}
        self._epoch = -1
        self._loading = asyncio.Lock()

    @property
    def epoch(self) -> int:
        """The number of changes that the rules known here have in them."""
        return self._epoch

    # --- the snapshot ---

    async def load(self) -> None:
        """Read all rules anew. One reading at a time: an older one never comes last."""
        async with self._loading:
            await self._load()

    async def committed(self, epoch: int, subject: str | None) -> None:
        """This node changed the rules of one subject, or of any with None: they are read again, whatever is known.

        ``epoch``: what that commit made of it. One that is the next after that of all rules known here says that
        nothing else was changed in between.

        Raises:
            OutcomeUnknown: they cannot be read.
        """
        with read_back():
            await self._read_back(epoch, subject)

    async def _read_back(self, epoch: int, subject: str | None) -> None:
        async with self._loading:
            if subject is None:
                await self._load()
            else:
                _, found = await self._store.rules(subject)
                held = await self._checked(subject, found)
                self._know({**self._rules, subject: held}, epoch if epoch == self._epoch + 1 else self._epoch)

    async def reached(self, epoch: int) -> None:
        """The commit point is at this epoch: read all rules again if that is not the one known here."""
        if epoch != self._epoch:
            async with self._loading:
                if epoch != self._epoch:
                    await self._load()

    async def catch_up(self) -> None:
        """Know all rules that are in force by now."""
        await self.reached(await self._store.changes())

    def forget(self, name: str) -> None:
        """The secret of this name was purged: what was granted on it alone is over."""
        touched = {rule.subject for rule in self.rules() if rule.pattern == name}
        left = {subject: [rule for rule in self._rules[subject] if rule.pattern != name] for subject in touched}
        self._know({**self._rules, **left}, self._epoch)

    async def _load(self) -> None:
        epoch, found = await self._store.rules()
        by_subject = _by_subject(found)
        rules = {subject: await self._checked(subject, held) for subject, held in by_subject.items()}
        self._ignored = {subject: count for subject, count in self._ignored.items() if subject in by_subject}
        self._know(rules, epoch)

    def _know(self, rules: dict[str, list[StoredRule]], epoch: int) -> None:
        known = self._indexes
        self._indexes = {
            subject: known[subject] if held is self._rules.get(subject) else _index(held)
            for subject, held in rules.items()
            if held
        }
        emergencies = {subject: self._emergency_index(subject, held) for subject, held in rules.items()}
        self._emergencies = {subject: index for subject, index in emergencies.items() if index is not None}
        self._rules, self._epoch = rules, epoch

    def _emergency_index(self, subject: str, held: list[StoredRule]) -> GrantIndex | None:
        if held is self._rules.get(subject):
            return self._emergencies.get(subject)
        rules = [rule for rule in held if rule.kind is RuleKind.BREAK_GLASS]
        return _index(rules, RuleKind.BREAK_GLASS) if rules else None

    async def _checked(self, subject: str, found: list[StoredRule]) -> list[StoredRule]:
        """Those rules of a subject that were made here; the very list that is known, if that is what was found.

        Only what is new is verified, and other tasks run in between: a subject may have thousands.
        """
        known = self._rules.get(subject, [])
        if known == found:
            genuine = known
        else:
            proven = {(rule.kind, rule.id): rule for rule in known}
            genuine = [
                rule
                async for rule in unhurried(found)
                if proven.get((rule.kind, rule.id)) == rule or self._is_genuine(rule)
            ]
        self._ignored[subject] = len(found) - len(genuine)
        return genuine

    def genuine(self, found: Iterable[StoredRule]) -> list[StoredRule]:
        """Those rules that were made here; the others are an alarm."""
        return [rule for rule in found if self._is_genuine(rule)]

    def _is_genuine(self, rule: StoredRule) -> bool:
        try:
            self._sealer.verify(rule.facts(), rule.attestation)
        except (IntegrityFailure, KeyUnavailable) as error:
            _log(Event.RULE_NOT_GENUINE, rule=rule.name, subject=rule.subject, reason=error)
            return False
        return True

    def ignored(self) -> int:
        """How many rules in the database are ignored because Holdfast did not make them."""
        return sum(self._ignored.values())

    def rules(self) -> Iterator[StoredRule]:
        """All genuine rules, expired and outlived ones among them."""
        return (rule for held in self._rules.values() for rule in held)

    def rules_of(self, subject: str) -> list[StoredRule]:
        """The genuine rules that name this identity or group, expired and outlived ones among them."""
        return self._rules.get(subject, [])

    def rules_for(self, caller: Caller) -> list[StoredRule]:
        """The rules that speak of a caller or of a group of theirs, expired and outlived ones among them."""
        return [rule for subject in self._subjects(caller) for rule in self._rules.get(subject, [])]

    # --- decisions ---

    def rule(self, caller: Caller, permission: Permission, name: str) -> str | None:
        """Return the rule by which the caller may do this now, or None: a refusal.

        Raises:
            LeaseExpired: PostgreSQL has been out of reach for longer than the lease.
        """
        self.check_lease(name)
        if caller.is_system:
            return OWNER
        found = self.find(caller, permission, name)
        return found.rule if found is not None else None

    def gives(self, caller: Caller, permission: Permission) -> bool:
        """Whether the caller may do this now to any secrets at all, there or not.

        Raises:
            LeaseExpired: PostgreSQL has been out of reach for longer than the lease.
        """
        self.check_lease("*")
        held = [self._indexes.get(subject) for subject in self._subjects(caller)] + [self._emergencies.get(caller.id)]
        return caller.is_system or any(each.gives(permission, self._clock.now) for each in held if each is not None)

    def find(self, caller: Caller, permission: Permission, name: str) -> Grant | None:
        """Return the grant by which the caller may do this now, lease or not: their own first, then their groups'.

        Emergency access is asked last, so that it is on record only where nothing else would have done.
        """
        found = decide(self._indexes, caller, self._groups_of, permission, name, self._clock.now)
        if found is None and caller.id in self._emergencies:
            return self._emergencies[caller.id].find(permission, name, self._clock.now)
        return found

    def decider(self, rules: Iterable[StoredRule]) -> Callable[[Caller, Permission, str], Grant | None]:
        """Return how it would be decided if these were the rules, by the groups that are kept here.

        Emergency access is left out: it counts neither in simulations nor where approvers are looked for.
        """
        indexes = {subject: _index(held) for subject, held in _by_subject(rules).items()}
        return lambda caller, permission, name: decide(
            indexes, caller, self._groups_of, permission, name, self._clock.now
        )

    def allows_delegation(self, caller: Caller, wanted: Grant) -> bool:
        """Whether the caller may hand out ``wanted``: nobody grants more than they hold."""
        self.check_lease(wanted.pattern)
        return caller.is_system or may_delegate(self._held(caller), wanted, self._clock.now())

    def allows_withdrawal(self, caller: Caller, pattern: str) -> bool:
        """Whether the caller may take rules on a pattern away."""
        self.check_lease(pattern)
        return caller.is_system or may_withdraw(self._held(caller), pattern, self._clock.now())

    def oversees(self, caller: Caller, pattern: str) -> bool:
        """Whether the caller may audit or grant on all names of a pattern, and so see the rules on it."""
        self.check_lease(pattern)
        return caller.is_system or may_oversee(self._held(caller), pattern, self._clock.now())

    def check_lease(self, name: str) -> None:
        """See that the rules known here may still be acted on for a secret, or for "*", the whole vault.

        Raises:
            LeaseExpired: PostgreSQL has been out of reach for longer than the lease.
        """
        silence_s = self._feed.seconds_since_contact()
        if silence_s > self._leases.shortest and silence_s > (lease_s := self._leases.seconds(name)):
            raise LeaseExpired(
                f"PostgreSQL has not answered for more than {lease_s:g} s, "
                f"the longest this node may act on the grants it knows for {name!r}; restore PostgreSQL."
            )

    def lease_of(self, name: str) -> float:
        """Seconds for which the rules known here may be acted on for a secret after PostgreSQL last answered."""
        return self._leases.seconds(name)

    def _held(self, caller: Caller) -> list[Grant]:
        indexes = (self._indexes.get(subject) for subject in self._subjects(caller))
        return [grant for index in indexes if index is not None for grant in index.grants]

    def _subjects(self, caller: Caller) -> list[str]:
        return [caller.id, *map(group_subject, sorted(caller.groups | self._groups_of(caller.id)))]


def _by_subject(rules: Iterable[StoredRule]) -> dict[str, list[StoredRule]]:
    by_subject: dict[str, list[StoredRule]] = {}
    for rule in rules:
        by_subject.setdefault(rule.subject, []).append(rule)
    return by_subject


def _index(rules: list[StoredRule], *kinds: RuleKind) -> GrantIndex:
    wanted = kinds or (RuleKind.GRANT, RuleKind.ROLE)
    return GrantIndex(rule.grant() for rule in rules if rule.kind in wanted and not rule.outlived)
