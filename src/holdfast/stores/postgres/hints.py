"""What was announced since somebody last looked: where to look, in bounded memory, and nothing that is believed.

Any role that may connect to the database can announce anything, any number of times.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from holdfast.domain.names import SecretName, is_canonical_name

MAX_NAMES: Final = 2_000
"""Names kept between two looks; beyond them any secret may have been changed."""

_LOOK: Final = frozenset({"rules", "identities", "key"})


class Hints:
    """Announcements that wait to be looked after.

    ``look``: set when rules, identities or keys may have been changed; the one who looks clears it first.
    ``waiting``: set while there are secrets to be looked at.
    """

    def __init__(self) -> None:
        self.look, self.waiting = asyncio.Event(), asyncio.Event()
        self._names: set[SecretName] = set()
        self._missed = False

    def add(self, payload: str) -> None:
        """Something was announced, as "kind:about" with more behind it; what cannot be understood says nothing."""
        kind, _, rest = payload.partition(":")
        if kind in _LOOK:
            self.look.set()
        elif kind == "secret":
            self._add(rest.partition(":")[0])

    def _add(self, name: str) -> None:
        if self._missed or not is_canonical_name(name):
            return
        self._names.add(SecretName(name))
        if len(self._names) > MAX_NAMES:
            self._names.clear()
            self._missed = True
        self.waiting.set()

    def put_back(self, names: Iterable[SecretName]) -> None:
        """These could not be looked at yet."""
        for name in names:
            self._add(name)

    def take(self) -> tuple[frozenset[SecretName], bool]:
        """Return the secrets to be looked at, and whether it may be any; they wait no more."""
        names, missed = frozenset(self._names), self._missed
        self._names.clear()
        self._missed = False
        self.waiting.clear()
        return names, missed
