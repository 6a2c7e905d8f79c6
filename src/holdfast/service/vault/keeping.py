"""The names that a pass over the vault leaves out, and when they are tried again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from holdfast.domain.audit import printable
from holdfast.errors import BackendUnavailable, HoldfastError, NameUnavailable
from holdfast.ports import KeptOut, KeptOutStore
from holdfast.resilience.events import Event, Log
from holdfast.resilience.retry import doubled

_log: Final = Log(__name__)

LONGEST_PAUSE: Final = timedelta(hours=1)
"""How long a name waits at most before it is tried again."""

MAX_NAMES: Final = 10_000
"""Names that are remembered. Any more are tried in each pass, and counted by it."""

_MAX_DETAIL: Final = 500


def is_about_one(error: Exception) -> bool:
    """Whether an error speaks of the one secret that was looked at, and not of the vault, the database or the disk."""
    if isinstance(error, NameUnavailable):
        return True
    return not isinstance(error, BackendUnavailable | OSError | MemoryError)


class KeptOutNames:
    """What one pass, begun at ``started_at`` by the database's clock, leaves out.

    Args:
        first_pause: how long a name waits after its first failure; it is doubled with each further one.
        all_due: try every name now, however short its last failure is ago.
    """

    def __init__(
        self, store: KeptOutStore, started_at: datetime, first_pause: timedelta, *, all_due: bool = False
    ) -> None:
        self._store, self._started_at, self._first_pause, self._all_due = store, started_at, first_pause, all_due
        self._known: dict[str, KeptOut] = {}
        self._out: set[str] = set()

    def __len__(self) -> int:
        return len(self._out)

    def __contains__(self, name: str) -> bool:
        return name in self._out

    async def load(self) -> None:
        """Learn what earlier passes left out."""
        self._known = {kept.name: kept for kept in await self._store.names(limit=MAX_NAMES)}

    def is_due(self, name: str, vault_updated_at: datetime | None) -> bool:
        """Whether to look at a name now; one that is not due stays out. What changed in Key Vault is due at once."""
        kept = self._known.get(name)
        if kept is None or self._all_due or kept.next_attempt_at <= self._started_at:
            return True
        if vault_updated_at is not None and vault_updated_at != kept.vault_updated_at:
            return True
        self._out.add(name)
        return False

    async def add_failed(self, name: str, error: Exception, vault_updated_at: datetime | None) -> None:
        """Keep out a name whose look ended with an error.

        The text of an unknown error may hold anything, so only its kind is kept.

        Raises:
            BackendUnavailable: the database is away, which may be what the look met as well.
        """
        if isinstance(error, HoldfastError):
            await self.add(name, error.code, str(error), vault_updated_at)
        else:
            await self.add(
                name, "unexpected", f"An unexpected {type(error).__name__}; the log has it.", vault_updated_at
            )
            _log(Event.NAME_MET_UNKNOWN_ERROR, name=name, trace=error)

    async def add(self, name: str, reason: str, detail: str, vault_updated_at: datetime | None) -> None:
        """Keep a name out, for a reason that is safe to match on and in words."""
        known = self._known.get(name)
        self._out.add(name)
        if known is None and len(self._known) >= MAX_NAMES:
            return
        attempts = known.attempts + 1 if known else 1
        kept = KeptOut(
            name=name,
            reason=reason,
            detail=printable(detail, _MAX_DETAIL) or "",
            since=known.since if known else self._started_at,
            attempts=attempts,
            next_attempt_at=self._started_at + self._pause(attempts),
            vault_updated_at=vault_updated_at,
        )
        self._known[name] = kept
        await self._store.put(kept)
        if known is None or known.reason != reason:
            _log(Event.NAME_KEPT_OUT, name=name, reason=kept.detail)

    async def admit(self, names: Iterable[str]) -> None:
        """Let names in again that are mirrored now."""
        back = [name for name in names if self._known.pop(name, None)]
        if back:
            await self._store.forget(back)
            _log(Event.NAME_MIRRORED_AGAIN, names=", ".join(back[:10]))

    async def end(self) -> None:
        """Forget the names that this pass, which saw the whole vault, did not meet."""
        gone = self._known.keys() - self._out
        if gone:
            await self._store.forget(gone)

    def _pause(self, attempts: int) -> timedelta:
        return doubled(self._first_pause, attempts - 1, max(LONGEST_PAUSE, self._first_pause))
