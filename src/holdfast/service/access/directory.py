"""The identities this node knows, in memory: what a token proves costs no round trip."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from holdfast.crypto.api_tokens import hash_api_token
from holdfast.domain.identities import is_within
from holdfast.errors import IntegrityFailure, KeyUnavailable, Unauthenticated
from holdfast.ports import Clock, IdentitySnapshot, IdentityStore, Sealer, Standing, StoredToken, TokenRecord
from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import unhurried
from holdfast.service.access.readback import read_back

_log: Final = Log(__name__)


class ProvenToken(NamedTuple):
    """What an API token proves: whose it is, and which one it is."""

    identity: str
    id: UUID


@dataclass(frozen=True, slots=True)
class _Known:
    standing: Standing
    tokens: tuple[StoredToken, ...] = field(repr=False)


class Directory:
    """A snapshot of all genuine identities with their groups and tokens, renewed when their epoch changes."""

    def __init__(self, store: IdentityStore, sealer: Sealer, clock: Clock) -> None:
        self._store, self._sealer, self._clock = store, sealer, clock
        self._known: dict[str, _Known] = {}
        self._tokens: dict[bytes, TokenRecord] = {}
        self._used: dict[UUID, datetime] = {}
        self._epoch = -1
        self._floors: dict[str, int] = {}
        self._doubted: frozenset[str] = frozenset()
        self._trusted: int | None = None
        self._refused: frozenset[str] = frozenset()
        self._loading = asyncio.Lock()

    # --- the snapshot ---

    async def load(self, name: str | None = None) -> None:
        """Read one identity, or all, anew. One reading at a time: an older one never comes last."""
        async with self._loading:
            await self._load(name)

    async def committed(self, name: str) -> None:
        """This node changed an identity or its credentials: it is read again.

        Raises:
            OutcomeUnknown: it cannot be read.
        """
        with read_back():
            await self.load(name)

    async def reached(self, epoch: int) -> None:
        """The commit point is at this epoch: read all again if that is not the one known here."""
        if epoch != self._epoch:
            async with self._loading:
                if epoch != self._epoch:
                    await self._load(None)

    async def _load(self, name: str | None) -> None:
        if name is not None:
            self._replace(name, (await self._read(name))[1].get(name))
            return
        epoch, known = await self._read(None)
        tokens = {token_hash: record async for token_hash, record in unhurried(_usable(known.values()))}
        self._known, self._tokens, self._epoch = known, tokens, epoch

    async def _read(self, name: str | None) -> tuple[int, dict[str, _Known]]:
        found = await self._store.snapshot(name)
        intact = _holds("The marks of identities", partial(found.verify_marks, self._sealer))
        tokens: defaultdict[str, list[StoredToken]] = defaultdict(list)
        for token in found.tokens:
            tokens[token.record.identity].append(token)
        known: dict[str, _Known] = {}
        async for standing in unhurried(found.standings):
            credible = self._credible(standing, tokens[standing.name], intact=intact)
            if credible is not None:
                known[standing.name] = credible
        self._remember(found, name, known, intact=intact)
        counting = {id(each.standing) for each in known.values()}
        refused = {each.name for each in found.standings if id(each) not in counting}
        self._refused = frozenset(refused if name is None else (self._refused - {name}) | refused)
        return found.epoch, known

    def _credible(self, standing: Standing, tokens: Iterable[StoredToken], *, intact: bool) -> _Known | None:
        """What counts of an identity: what was found, or the later state that is known here, or nothing.

        Where the marks do not hold together, any of them may have been put back: then what is later than all that
        was known when they did is credible, and what is known already.
        """
        name = standing.name
        if standing.revision < self._floors.get(name, 0):
            _log(Event.IDENTITY_PUT_BACK, name=name)
            return self._known.get(name)
        if not _holds(f"Identity {name!r}", partial(standing.verify, self._sealer)):
            return None
        if not intact and not self._is_later(standing):
            return None
        return _Known(standing, tuple(token for token in tokens if self._counts(standing, token)))

    def _is_later(self, standing: Standing) -> bool:
        known = self.find(standing.name)
        if known is not None and known.revision == standing.revision:
            return True
        return self._trusted is not None and standing.revision > self._trusted

    def _counts(self, standing: Standing, token: StoredToken) -> bool:
        what = f"Token {token.record.id} of {standing.name!r}"
        if not _holds(what, lambda: self._sealer.verify(token.facts(), token.attestation)):
            return False
        if not standing.counts(token.record.id):
            _log(Event.IDENTITY_ROW_PUT_BACK, who=what)
            return False
        return token.incarnation == standing.incarnation

    def _remember(
        self, found: IdentitySnapshot, name: str | None, known: Mapping[str, _Known], *, intact: bool
    ) -> None:
        """Let no state count here that is earlier than one this node has known, nor any from before a removal."""
        there = {standing.name for standing in found.standings}
        gone = (self._known.keys() if name is None else {name} & self._known.keys()) - there
        self._floors.update({each: self._known[each].standing.revision + 1 for each in gone})
        self._floors.update({each: one.standing.revision for each, one in known.items()})
        self._doubt(found, name, known, intact=intact)
        if intact:
            self._trusted = max(found.marks.revision, self._trusted or 0)

    def _doubt(self, found: IdentitySnapshot, name: str | None, known: Mapping[str, _Known], *, intact: bool) -> None:
        """Note identities of which no state counts, though they were not removed, as far as anybody can tell."""
        there = {standing.name for standing in found.standings}.union(found.marks.names)
        lost = {each for each, floor in self._floors.items() if not intact or found.marks.revision < floor}
        doubted = (there | lost) - known.keys()
        self._doubted = frozenset(doubted if name is None else (self._doubted - {name}) | (doubted & {name}))

    def _replace(self, name: str, known: _Known | None) -> None:
        former = self._known.pop(name, None)
        for token in former.tokens if former else ():
            self._tokens.pop(token.hash, None)
        if known is not None:
            self._known[name] = known
            self._tokens.update(_usable((known,)))

    # --- what it is asked ---

    def refused(self) -> int:
        """How many identities have rows that do not count: edited behind our back, or put back."""
        return len(self._refused)

    def find(self, name: str) -> Standing | None:
        """An identity, disabled or not."""
        known = self._known.get(name)
        return known.standing if known else None

    def enabled(self, name: str) -> Standing | None:
        """An identity that is not disabled."""
        standing = self.find(name)
        return None if standing is None or standing.disabled else standing

    def groups_of(self, name: str) -> frozenset[str]:
        """The groups, kept here, that an identity is a member of."""
        standing = self.find(name)
        return standing.groups if standing else frozenset()

    def is_disabled(self, name: str) -> bool:
        """Whether an identity has been disabled, for all that is known; one that nothing is kept about has not.

        An identity of which no state counts, because of edited or missing rows, may have been.
        """
        standing = self.find(name)
        return standing.disabled if standing else name in self._doubted or self._trusted is None

    def prove(self, token: str, ip_address: str | None) -> ProvenToken:
        """Return whose token this is, and note that it was used.

        Raises:
            Unauthenticated: unknown, expired, revoked, of a disabled identity, or not from where it may be used; the
                text is the same for all of these.
        """
        token_hash, now = hash_api_token(token), self._clock.now()
        record = self._tokens.get(token_hash)
        if record is not None and now >= record.expires_at:
            self._tokens.pop(token_hash)  # for good: a clock that is set back revives nothing
            record = None
        if record is None or not _may_be_used_from(record, ip_address):
            raise Unauthenticated("The access token is not good here: unknown, expired, revoked, or from elsewhere.")
        self._used[record.id] = now
        return ProvenToken(record.identity, record.id)

    def take_used(self) -> dict[UUID, datetime]:
        """Return when which tokens were used since the last call; never more than there are tokens."""
        used, self._used = self._used, {}
        return used


def _holds(what: str, verify: Callable[[], None]) -> bool:
    try:
        verify()
    except (IntegrityFailure, KeyUnavailable) as error:
        _log(Event.IDENTITY_NOT_GENUINE, who=what, reason=error)
        return False
    return True


def _may_be_used_from(token: TokenRecord, ip_address: str | None) -> bool:
    return not token.networks or is_within(ip_address, token.networks)


def _usable(found: Iterable[_Known]) -> Iterable[tuple[bytes, TokenRecord]]:
    for known in found:
        if not known.standing.disabled:
            for token in known.tokens:
                yield token.hash, token.record
