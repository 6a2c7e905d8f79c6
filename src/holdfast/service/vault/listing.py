"""A listing of the vault, taken in to its end or to where it breaks off."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final

from holdfast.errors import BackendRefused, NameRefused, shown
from holdfast.ports import OddEntry, VaultVersion
from holdfast.resilience.events import Log
from holdfast.service.vault.keeping import is_about_one

_log: Final = Log(__name__)

BATCH: Final = 250
"""Secrets in memory at a time: ten pages of Key Vault's."""

REPEATS: Final = 1_000
"""Entries in a row that were there before, or have no name, after which a listing is taken to go in circles."""

MAX_ENTRIES: Final = 1_000_000
"""Entries after which a listing is taken to have no end."""

Entry = VaultVersion | OddEntry


class Listing:
    """Gives out each entry once, in batches. ``fault``: why it broke off, in words; None: it is whole.

    Args:
        what: what is listed, as in "Key Vault's list of ...".
    """

    def __init__(self, entries: AsyncGenerator[Entry, None], what: str) -> None:
        self._entries, self._what = entries, what
        self.fault: str | None = None

    async def batches(self) -> AsyncIterator[list[Entry]]:
        """Give out the entries.

        Raises:
            BackendUnavailable: the vault as a whole is away.
        """
        batch: list[Entry] = []
        async with aclosing(self._entries):
            async for entry in self._once():
                batch.append(entry)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        if batch:
            yield batch

    async def _once(self) -> AsyncIterator[Entry]:
        """Entries that were not there before, until the listing ends or breaks off."""
        seen: set[str] = set()
        repeats = 0
        try:
            async for entry in self._entries:
                key = entry.name.lower()
                known = key in seen
                repeats = repeats + 1 if known else 0
                if repeats >= REPEATS or len(seen) >= MAX_ENTRIES:
                    self._break_off("it goes round in circles" if repeats else f"more than {MAX_ENTRIES} entries")
                    return
                if not known or not key:  # those without a name are all different ones
                    seen.add(key)
                    yield entry
        except Exception as error:
            why = shown(error).rstrip(".")
            if is_refused(error):
                self._break_off(f"our identity has no right to it ({why})")
            elif is_about_one(error):
                self._break_off(why)
            else:
                raise

    def _break_off(self, why: str) -> None:
        self.fault = f"Key Vault's list of {self._what} is not whole: {why}"


def is_refused(error: Exception) -> bool:
    """Whether Key Vault knows our identity and refuses it what was asked."""
    return isinstance(error, NameRefused) or (isinstance(error, BackendRefused) and error.forbidden)
