"""Secrets that Key Vault fails for while it answers for others: asked for less and less, and never all forgotten."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.errors import NameUnavailable
from holdfast.resilience.clock import Timer
from holdfast.resilience.retry import doubled

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
"""Seconds for which such a secret is not asked for: none after the first failure, then doubling up to this."""

MAX_NAMES: Final = 10_000
"""How many are remembered; the one that failed longest ago is forgotten first, and asked for again."""


@dataclass(slots=True)
class _Oddity:
    error: NameUnavailable
    failures: int = 0
    until: float = 0.0
    undecided: bool = True
    changed_at: datetime | None = None


class OddNames:
    """What is remembered of them. One whose case is not decided yet is not asked for either."""

    def __init__(self, clock: Timer) -> None:
        self._clock = clock
        self._odd: OrderedDict[SecretName, _Oddity] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        return name in self._odd

    def check(self, name: SecretName, *, patient: bool = False) -> None:
        """Raise what a secret last failed with, if it is not to be asked for now.

        ``patient``: ask for it while its case is not decided.

        Raises:
            NameUnavailable: or ``NameRefused``.
        """
        odd = self._odd.get(name)
        if odd is None or (odd.undecided and patient):
            return
        if odd.undecided or self._clock.monotonic() < odd.until:
            raise type(odd.error)(str(odd.error))

    def suspect(self, name: SecretName, error: NameUnavailable) -> None:
        """Hear that a secret failed, and that it is to be found out whether the vault does."""
        odd = self._odd.setdefault(name, _Oddity(error))
        odd.error, odd.undecided = error, True
        self._odd.move_to_end(name)
        if len(self._odd) > MAX_NAMES:
            self._odd.popitem(last=False)

    def convict(self, name: SecretName) -> None:
        """It is the secret, since the vault answers."""
        if odd := self._odd.get(name):
            pause_s = doubled(FIRST_PAUSE_S, odd.failures - 1, LONGEST_PAUSE_S) if odd.failures else 0.0
            odd.failures, odd.until, odd.undecided = odd.failures + 1, self._clock.monotonic() + pause_s, False

    def acquit(self, name: SecretName) -> None:
        """It is not the secret: it answers, or the whole vault fails."""
        self._odd.pop(name, None)

    def listed(self, name: SecretName, changed_at: datetime) -> None:
        """Hear when a secret was changed, as a listing tells: since a change it may be well again."""
        if odd := self._odd.get(name):
            if odd.changed_at not in {None, changed_at}:
                self.acquit(name)
            odd.changed_at = changed_at
