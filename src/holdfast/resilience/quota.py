"""A backend's quota, kept before the backend has to enforce it."""

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from holdfast.resilience.clock import Timer

WINDOW_S: Final = 10.0
"""Seconds over which Azure Key Vault counts (service limits: transactions per vault per region per 10 s)."""

BACKGROUND_SHARE: Final = 0.7
"""The part of a quota that replay and sync may use, together."""

_MIN_WAIT_S: Final = 0.001
_MIN_SHARE: Final = 0.05
_RECOVERY_PER_WINDOW: Final = 0.05


class QuotaKind(enum.StrEnum):
    """What a backend counts apart."""

    CREATE = "create"
    OTHER = "other"


KEY_VAULT_LIMITS: Final[Mapping[QuotaKind, int]] = {QuotaKind.CREATE: 300, QuotaKind.OTHER: 4000}
"""Calls per window: secret creates, and everything else (Azure Key Vault service limits, per vault)."""


@dataclass(slots=True)
class _Window:
    """When the calls of one kind went, over the last window, and how many of them in the background."""

    limit: int
    share: float = BACKGROUND_SHARE
    cut_at: float | None = None
    calls: deque[tuple[float, bool]] = field(default_factory=deque)
    background_calls: int = 0

    def forget(self, until: float) -> None:
        while self.calls and self.calls[0][0] <= until:
            self.background_calls -= self.calls.popleft()[1]

    def take(self, now: float, *, background: bool) -> None:
        self.calls.append((now, background))
        self.background_calls += background

    def full(self, allowed_in_background: int, *, background: bool) -> bool:
        return len(self.calls) >= self.limit or (background and self.background_calls >= allowed_in_background)

    def next_expiry(self, *, background: bool) -> float:
        """When the call that must leave the window for the next one to fit went out."""
        over_all = len(self.calls) >= self.limit
        return next(at for at, was_background in self.calls if over_all or was_background or not background)


class Quota:
    """Sliding windows per kind of call: in no ``window_s`` go more calls than the limit.

    Foreground calls may use all of it. Background calls keep to their share, which halves when the backend
    throttles them and grows back by a twentieth of the limit per quiet window (AIMD). Nodes divide it among themselves.
    """

    def __init__(
        self, clock: Timer, limits: Mapping[QuotaKind, int] = KEY_VAULT_LIMITS, *, window_s: float = WINDOW_S
    ) -> None:
        self._clock = clock
        self._window_s = window_s
        self._windows = {kind: _Window(limit) for kind, limit in limits.items()}
        self._nodes = 1

    def share_among(self, nodes: int) -> None:
        """Hear how many nodes use the same quota in the background, this one included."""
        self._nodes = max(1, nodes)

    async def acquire(self, kind: QuotaKind, *, background: bool) -> None:
        """Wait until one call of a kind may go, and count it."""
        while wait_s := self.try_acquire(kind, background=background):
            await self._clock.sleep(wait_s)

    def try_acquire(self, kind: QuotaKind, *, background: bool) -> float:
        """Count a call of a kind and return 0.0 if it may go now; else the seconds after which to ask again."""
        window, now = self._windows[kind], self._clock.monotonic()
        window.forget(now - self._window_s)
        if window.full(self._background_limit(window, now), background=background):
            return max(_MIN_WAIT_S, window.next_expiry(background=background) + self._window_s - now)
        window.take(now, background=background)
        return 0.0

    def used(self) -> Mapping[str, int]:
        """Calls within the last window, by kind."""
        now = self._clock.monotonic()
        for window in self._windows.values():
            window.forget(now - self._window_s)
        return {kind.value: len(window.calls) for kind, window in self._windows.items()}

    def throttled(self, kind: QuotaKind) -> None:
        """Hear that the backend answered 429: somebody else uses the quota as well, so the background makes room."""
        window, now = self._windows[kind], self._clock.monotonic()
        if window.cut_at is not None and now - window.cut_at < self._window_s:
            return  # one burst of refusals is one signal
        window.share = max(_MIN_SHARE, self._share(window, now) / 2)
        window.cut_at = now

    def _background_limit(self, window: _Window, now: float) -> int:
        return max(1, int(window.limit * self._share(window, now) / self._nodes))

    def _share(self, window: _Window, now: float) -> float:
        if window.cut_at is None:
            return window.share
        quiet_windows = (now - window.cut_at) / self._window_s
        return min(BACKGROUND_SHARE, window.share + _RECOVERY_PER_WINDOW * quiet_windows)
