"""What to ask Key Vault when it is to be known whether it answers at all. None of it changes anything."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Final

from holdfast.domain.names import PROBE_NAME, SecretName
from holdfast.errors import BackendRefused, BackendUnavailable
from holdfast.ports import Side, Vault, traced
from holdfast.resilience.quota import Quota, QuotaKind

Question = Callable[[], Awaitable[None]]

WHOLE: Final = SecretName("*")
"""Stands for the vault's listings among the names."""

_MAX_KNOWN: Final = 16


class NotSent(BackendUnavailable):
    """A request was not sent, for a reason of our own: nothing is learnt of the vault."""


class KnownNames:
    """The names that were last answered."""

    def __init__(self) -> None:
        self._names: OrderedDict[SecretName, None] = OrderedDict()

    def add(self, name: SecretName) -> None:
        """Hear that one was answered."""
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > _MAX_KNOWN:
            self._names.popitem(last=False)

    def discard(self, name: SecretName) -> None:
        """Hear that one was not."""
        self._names.pop(name, None)

    def newest(self, *, but: Iterable[SecretName]) -> SecretName | None:
        """Return the one answered last."""
        return next((name for name in reversed(self._names) if name not in but), None)


class Questions:
    """``read``, ``changed``: the names last read, and last changed. ``lists``: whether we may, as far as is known."""

    def __init__(self, vault: Vault, quota: Quota) -> None:
        self._vault, self._quota = vault, quota
        self.read, self.changed = KnownNames(), KnownNames()
        self.lists = True

    def of_reads(self, suspected: Iterable[SecretName]) -> Iterator[Question]:
        """The name answered last; then one page of the list, unless that is refused and a name was answered."""
        name = self.read.newest(but=suspected)
        if name is not None:
            yield partial(self._ask, "read", partial(self._get, name))
        if WHOLE not in suspected and (self.lists or name is None):
            yield partial(self._ask, "read", self._first_page)

    def of_changes(self, suspected: Iterable[SecretName]) -> Iterator[Question]:
        """A change of nothing: to the name that took a change last, then to one that no one has.

        That a read is answered does not prove it: in a regional failover a vault is read-only. The second question
        needs the right to change any secret, and is all there is until a change was taken.
        """
        name = self.changed.newest(but=suspected)
        if name is not None:
            yield partial(self._ask, "write", partial(self._touch, name))
        yield partial(self._ask, "write", partial(self._touch, PROBE_NAME))

    async def _ask(self, line: str, question: Question) -> None:
        if self._quota.try_acquire(QuotaKind.OTHER, background=False):
            raise NotSent("Our share of the vault's quota is used up.")
        with traced(f"keyvault.{line}", Side.CLIENT):
            await question()

    async def _get(self, name: SecretName) -> None:
        self.read.discard(name)
        await self._vault.get(name)
        self.read.add(name)

    async def _first_page(self) -> None:
        async with aclosing(self._vault.secrets()) as entries:
            try:
                await anext(entries, None)
            except BackendRefused:
                self.lists = False
                raise
        self.lists = True

    async def _touch(self, name: SecretName) -> None:
        self.changed.discard(name)
        await self._vault.touch(name)
        self.changed.add(name)
