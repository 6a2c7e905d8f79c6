"""One pass over the whole vault.

The listing streams: a batch is compared with the ledger, what differs is looked into, what is equal is confirmed, and
the batch is forgotten. What the listing did not confirm is looked into by name, so that a deletion, or a secret that
is simply gone, is noticed. Nothing is ever deleted here because Key Vault lacks it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import State
from holdfast.errors import BackendUnavailable, HoldfastError
from holdfast.ports import Clock, Head, Ledger, OddEntry, VaultVersion
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.primary import Primary

T = TypeVar("T")

_log: Final = logging.getLogger(__name__)

RACY: Final = timedelta(seconds=5)
"""A change this close before our last look may have come after it: Key Vault counts whole seconds on its own clock."""

_BATCH: Final = 250
"""Secrets in memory at a time: ten pages of Key Vault's."""

Progress = Callable[[int, int, int], None]
"""Told (secrets compared, secrets seen in the listing so far, changes taken over)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one pass did.

    ``seen``: secrets in Key Vault. ``adopted``: new here. ``changed``: known ones with versions, attributes or a state
    to take over. ``deleted``: deleted there. ``missing``: Key Vault lacks them and does not list them as deleted; they
    are kept. ``failed``: could not be compared, see the log.
    """

    seen: int = 0
    adopted: int = 0
    changed: int = 0
    deleted: int = 0
    missing: int = 0
    failed: int = 0
    seconds: float = 0.0


class MirrorPass:
    """``report`` is what has been found so far. ``keep_lead`` is asked between batches and raises to end the pass."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        primary: Primary,
        adopter: Adopter,
        clock: Clock,
        concurrency: int,
        keep_lead: Callable[[], Awaitable[None]],
        progress: Progress | None = None,
    ) -> None:
        self._ledger, self._primary, self._adopter, self._clock = ledger, primary, adopter, clock
        self._slots = asyncio.Semaphore(concurrency)
        self._keep_lead, self._progress = keep_lead, progress
        self._compared = 0
        self.report = SyncReport()

    async def run(self, started_at: datetime) -> SyncReport:
        """Go over everything; ``started_at`` is the database's time."""
        began = self._clock.monotonic()
        async for live in _batched(self._primary.secrets()):
            await self._compare(live)
        async for deleted in _batched(self._primary.deleted_secrets()):
            await self._honour_deletions(deleted)
        await self._look_for_missing(started_at)
        self._count(seconds=self._clock.monotonic() - began)
        return self.report

    async def _compare(self, entries: list[VaultVersion | OddEntry]) -> None:
        self._count(seen=len(entries))
        listed = self._readable(entries)
        heads = await self._ledger.heads(list(listed))
        equal = [head for name, head in heads.items() if not _differs(head, listed[name])]
        await self._look_into(listed.keys() - {head.name for head in equal}, heads)
        await self._ledger.confirm(equal)
        await self._batch_done(len(entries))

    async def _honour_deletions(self, entries: list[VaultVersion | OddEntry]) -> None:
        heads = await self._ledger.heads(list(self._readable(entries)))
        await self._look_into((name for name, head in heads.items() if head.state is State.ACTIVE), heads)
        await self._batch_done(0)

    def _readable(self, entries: list[VaultVersion | OddEntry]) -> dict[SecretName, VaultVersion]:
        for odd in [entry for entry in entries if isinstance(entry, OddEntry)]:
            _log.error("%s cannot be mirrored: %s", odd.name or "a secret without a name", odd.reason)
            self._count(failed=1)
        return {canonical_name(entry.name): entry for entry in entries if isinstance(entry, VaultVersion)}

    async def _look_for_missing(self, started_at: datetime) -> None:
        after = None
        while names := await self._ledger.unconfirmed(started_at, after=after, limit=_BATCH):
            after = names[-1]
            await self._look_into(names, await self._ledger.heads(names))
            await self._batch_done(0)

    async def _look_into(self, names: Iterable[SecretName], heads: Mapping[SecretName, Head]) -> None:
        looks = [self._look_at(name, heads.get(name)) for name in names]
        for failure in await asyncio.gather(*looks, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def _look_at(self, name: SecretName, before: Head | None) -> None:
        async with self._slots:
            try:
                after = await self._adopter.refresh(name)
            except BackendUnavailable:
                raise
            except HoldfastError as error:
                _log.error("%s cannot be compared with Key Vault: %s", name, error)
                self._count(failed=1)
                return
        self._judge(before, after)

    def _judge(self, before: Head | None, after: Head | None) -> None:
        if after is None:
            return
        if after.drift is not None:
            self._count(missing=1)
        elif before is None:
            self._count(adopted=1)
        elif before.state is State.ACTIVE and after.state is State.DELETED:
            self._count(deleted=1, changed=1)
        elif before.revision != after.revision:
            self._count(changed=1)

    async def _batch_done(self, compared: int) -> None:
        self._compared += compared
        if self._progress:
            self._progress(self._compared, self.report.seen, self.report.adopted + self.report.changed)
        await self._keep_lead()

    def _count(self, **more: float) -> None:
        self.report = replace(self.report, **{key: getattr(self.report, key) + count for key, count in more.items()})


def _differs(head: Head, entry: VaultVersion) -> bool:
    """Whether a known secret is to be looked into. Any change of the newest version moves its ``updated``."""
    if head.state is State.DELETED or head.drift is not None or head.vault_updated_at != entry.updated_at:
        return True
    return entry.updated_at >= head.verified_at - RACY


async def _batched(entries: AsyncIterator[T]) -> AsyncIterator[list[T]]:
    batch: list[T] = []
    async for entry in entries:
        batch.append(entry)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
