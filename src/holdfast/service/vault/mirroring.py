"""One pass over the whole vault.

The listing streams: a batch is compared with the ledger, what differs is looked into, what is equal is confirmed, and
the batch is forgotten. What the listing did not confirm is looked into by name, so that a deletion, or a secret that
is simply gone, is noticed. Nothing is ever deleted here because Key Vault lacks it.

What is wrong with one entry keeps that name out, and nothing else. Only what is wrong with the vault as a whole, with
the database or with the disk ends a pass.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import State
from holdfast.errors import InvalidInput
from holdfast.ports import Clock, Head, Ledger, OddEntry, VaultVersion
from holdfast.resilience.events import Log
from holdfast.service.vault.adoption import Adopter
from holdfast.service.vault.keeping import KeptOutNames, is_about_one
from holdfast.service.vault.listing import BATCH, Entry, Listing
from holdfast.service.vault.primary import Primary

_log: Final = Log(__name__)

RACY: Final = timedelta(seconds=5)
"""A change this close before our last look may have come after it: Key Vault counts whole seconds on its own clock."""

_BEAT_S: Final = 30.0
"""Seconds after which the lead is renewed while a batch goes on: one secret alone may have a long history."""

_ODD: Final = "odd_entry"

Progress = Callable[[int, int, int], None]
"""Told (secrets compared, secrets seen in the listing so far, changes taken over)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one pass did.

    ``seen``: secrets in Key Vault. ``adopted``: new here. ``changed``: known ones with versions, attributes or a state
    to take over. ``deleted``: deleted there since, or found among the deleted ones. ``missing``: Key Vault lacks them,
    and does not list them as deleted; they are kept. ``failed``: kept out of the mirror, which names them.
    ``incomplete``: why the pass did not see all of the vault; None: it did. ``lacking``: what it could not see of the
    deleted secrets.
    """

    seen: int = 0
    adopted: int = 0
    changed: int = 0
    deleted: int = 0
    missing: int = 0
    failed: int = 0
    seconds: float = 0.0
    incomplete: str | None = None
    lacking: str | None = None


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
        kept_out: KeptOutNames,
        keep_lead: Callable[[], Awaitable[None]],
        progress: Progress | None = None,
    ) -> None:
        self._ledger, self._primary, self._adopter, self._clock = ledger, primary, adopter, clock
        self._slots = asyncio.Semaphore(concurrency)
        self._kept_out, self._keep_lead, self._progress = kept_out, keep_lead, progress
        self._compared = self._nameless = 0
        self._over: Exception | None = None
        self.report = SyncReport()

    async def run(self, started_at: datetime) -> SyncReport:
        """Go over everything; ``started_at`` is the database's time.

        Raises:
            BackendUnavailable: the vault as a whole, the database or the disk is away, or an outcome is unknown.
        """
        began = self._clock.monotonic()
        await self._kept_out.load()
        live = Listing(self._primary.secrets(), "secrets")
        async for batch in live.batches():
            await self._compare(batch)
        deleted = Listing(self._primary.deleted_secrets(), "deleted secrets")
        async for batch in deleted.batches():
            await self._honour_deletions(batch)
        await self._look_for_missing(started_at)
        if live.fault is None:
            await self._kept_out.end()
        return self._ended(live.fault, deleted.fault, self._clock.monotonic() - began)

    def _ended(self, incomplete: str | None, lacking: str | None, seconds: float) -> SyncReport:
        self._count(seconds=seconds, failed=len(self._kept_out))
        self.report = replace(self.report, incomplete=incomplete, lacking=lacking)
        return self.report

    async def _compare(self, entries: Collection[Entry]) -> None:
        self._count(seen=len(entries))
        listed = await self._named(entries)
        heads = await self._heads(listed)
        equal = [head for name, head in heads.items() if not _differs(head, listed[name])]
        await self._look_into(listed.keys() - {head.name for head in equal}, heads, listed)
        await self._ledger.confirm(equal)
        await self._kept_out.admit(head.name for head in equal)
        await self._batch_done(len(entries))

    async def _named(self, entries: Iterable[Entry]) -> dict[SecretName, Entry]:
        """The entries by canonical name; one without such a name is kept out."""
        named: dict[SecretName, Entry] = {}
        for entry in entries:
            try:
                named[canonical_name(entry.name)] = entry
            except InvalidInput:
                reason = entry.reason if isinstance(entry, OddEntry) else "its name is none of Key Vault's"
                await self._kept_out.add(entry.name or self._numbered(), _ODD, reason, None)
        return named

    def _numbered(self) -> str:
        """What an entry is called that tells no name; it cannot be that of a secret."""
        self._nameless += 1
        return f"nameless entry {self._nameless}"

    async def _honour_deletions(self, entries: Collection[Entry]) -> None:
        named = await self._named(entries)
        heads = await self._heads(named)
        news = [name for name, entry in named.items() if _is_news(heads.get(name), entry)]
        await self._look_into(news, heads, named)
        await self._batch_done(0)

    async def _look_for_missing(self, started_at: datetime) -> None:
        after = None
        while names := await self._ledger.unconfirmed(started_at, after=after, limit=BATCH):
            after = names[-1]
            await self._look_into([name for name in names if name not in self._kept_out], await self._heads(names), {})
            await self._batch_done(0)

    async def _heads(self, names: Collection[SecretName]) -> Mapping[SecretName, Head]:
        """The heads of these names, without those that cannot be read: a look at such a name says why."""
        try:
            return await self._ledger.heads(list(names))
        except Exception as error:
            if not is_about_one(error):
                raise
        heads: dict[SecretName, Head] = {}
        for name in names:
            try:
                heads |= await self._ledger.heads([name])
            except Exception as error:
                if not is_about_one(error):
                    raise
        return heads

    async def _look_into(
        self, names: Iterable[SecretName], heads: Mapping[SecretName, Head], entries: Mapping[SecretName, Entry]
    ) -> None:
        looks = asyncio.gather(
            *(self._look_at(name, heads.get(name), entries.get(name)) for name in names), return_exceptions=True
        )
        try:
            while not (await asyncio.wait({looks}, timeout=_BEAT_S))[0]:
                await self._keep_lead()
        finally:
            looks.cancel()
        for failure in looks.result():
            if isinstance(failure, BaseException):
                raise failure

    async def _look_at(self, name: SecretName, before: Head | None, entry: Entry | None) -> None:
        updated_at = entry.updated_at if isinstance(entry, VaultVersion) else None
        if not self._kept_out.is_due(name, updated_at):
            return
        async with self._slots:
            if self._over is not None:
                return
            try:
                after = await self._adopter.refresh(name)
            except Exception as error:
                await self._failed(name, error, updated_at)
                return
        if after is None and isinstance(entry, OddEntry):
            await self._kept_out.add(name, _ODD, entry.reason, None)
            return
        await self._kept_out.admit([name])
        self._judge(before, after)

    async def _failed(self, name: SecretName, error: Exception, updated_at: datetime | None) -> None:
        """Keep the name out; what is not about it ends the pass, for the looks that still wait as well."""
        if not is_about_one(error):
            self._over = error
            raise error
        await self._kept_out.add_failed(name, error, updated_at)

    def _judge(self, before: Head | None, after: Head | None) -> None:
        if after is None:
            return
        if after.drift is not None:
            self._count(missing=1)
        elif before is None:
            self._count(**{"adopted" if after.state is State.ACTIVE else "deleted": 1})
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


def _is_news(head: Head | None, entry: Entry) -> bool:
    """Whether to look into a deleted secret: one not known yet, or as a live one, or with other dates."""
    if head is None or head.state is State.ACTIVE:
        return True
    told = entry.scheduled_purge_at if isinstance(entry, VaultVersion) else None
    return told is not None and told != head.scheduled_purge_at and not head.open_intents


def _differs(head: Head, entry: Entry) -> bool:
    """Whether a known secret is to be looked into. Any change of the newest version moves its ``updated``."""
    if isinstance(entry, OddEntry) or head.state is State.DELETED or head.drift is not None or head.provisional:
        return True
    if head.vault_updated_at != entry.updated_at:
        return True
    return entry.updated_at >= head.verified_at - RACY
