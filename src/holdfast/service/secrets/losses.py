"""What a database that went back has lost: found by what this node answered, told, and on record by name.

A standby that was behind and is promoted, or a database restored from a backup, lacks changes that were acknowledged.
Its state counts from then on, for there is no other; but no one is to find that out by chance.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from holdfast.domain.audit import record_of
from holdfast.domain.names import SecretName
from holdfast.domain.policy import caller_of
from holdfast.errors import IntegrityFailure
from holdfast.ports import AuditLog, Clock, Head, Ledger
from holdfast.resilience.events import Event, Log
from holdfast.service.secrets.marks import Mark
from holdfast.service.secrets.tiers import Tiers

_log: Final = Log(__name__)

OPERATION: Final = "loss"
"""What the audit record of a loss is called."""

LATE_S: Final = 10.0
"""Seconds after which answers of the database as it was before have all arrived: twice what one may take."""

_BATCH: Final = 1000
_MAX_NAMED: Final = 10_000


class Losses:
    """Compares what this node has answered with a database that may have gone back.

    ``names``: the secrets whose newest change is lost and that have not been changed since, as far as they are known.
    """

    def __init__(
        self,
        tiers: Tiers,
        ledger: Ledger,
        trail: AuditLog,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tiers, self._ledger, self._trail, self._clock = tiers, ledger, trail, clock
        self._monotonic = monotonic
        self._timeline: str | None = None
        self._reached = 0
        self._again_at = float("inf")
        self.names: set[SecretName] = set()

    async def timeline_reached(self, timeline: str, revision: int) -> None:
        """The database is on this timeline and has given out this revision, which both are told again and again.

        On another timeline, or below a revision it had reached, it may have lost something.

        Raises:
            BackendUnavailable: the database does not answer; the next call compares.
            AuditUnavailable: no sink took the record of a loss; likewise.
        """
        if self._timeline is not None and (timeline != self._timeline or revision < self._reached):
            _log(Event.DATABASE_WENT_BACK)
            await self.look()
            self._again_at = self._monotonic() + LATE_S
        elif self._monotonic() >= self._again_at:
            await self.look()
            self._again_at = float("inf")
        self._timeline, self._reached = timeline, revision
        self._tiers.timeline = timeline

    async def look(self) -> None:
        """Compare every name that was answered here; the state of the database counts for those that went back."""
        names = self._tiers.marks.answered_names()
        for start in range(0, len(names), _BATCH):
            marks = {name: self._tiers.marks.of(name) for name in names[start : start + _BATCH]}
            heads = await self._heads(list(marks))
            for name, mark in marks.items():
                if name in heads and _is_lost(mark, heads[name]):
                    await self._take(name, mark, heads[name])

    def mended(self, name: SecretName) -> None:
        """The secret was changed: whoever did so has seen what it is now."""
        self.names.discard(name)

    async def _heads(self, names: Sequence[SecretName]) -> Mapping[SecretName, Head | None]:
        """The heads of these names, None where there is none; names whose row was edited are left out."""
        try:
            found = await self._ledger.heads(names)
        except IntegrityFailure as error:
            if len(names) == 1:
                _log(Event.SECRET_NOT_COMPARED, name=names[0], reason=error)
                return {}
            halves = names[: len(names) // 2], names[len(names) // 2 :]
            return {**await self._heads(halves[0]), **await self._heads(halves[1])}
        return {name: found.get(name) for name in names}

    async def _take(self, name: SecretName, mark: Mark, head: Head | None) -> None:
        error = IntegrityFailure(
            f"The database went back: of {name!r} this node knew {_told(mark.version)} at revision {mark.revision}, "
            f"and it has {_told(head.version if head else 0)}. Read it, and set it anew if it is outdated."
        )
        await self._trail.append(record_of(caller_of(None), OPERATION, name, self._clock.now(), error=error))
        _log(Event.SECRET_WENT_BACK, reason=error)
        await self._tiers.drop(name, mark.floor + 1)
        if self._tiers.marks.of(name).revision == mark.revision:
            self._tiers.marks.lower(name, head.revision if head else 0)
        if len(self.names) < _MAX_NAMED:
            self.names.add(name)


def _is_lost(mark: Mark, head: Head | None) -> bool:
    """Whether the database has less than was answered; a name that is gone may have been purged, as was announced."""
    if head is None:
        return mark.heard <= mark.revision and mark.version > 0
    return head.revision < mark.revision


def _told(version: int) -> str:
    return f"version {version}" if version else "none"
