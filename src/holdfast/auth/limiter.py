"""Limits on guessing that only slow down the one who guesses."""

import ipaddress
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_FAILURES: Final = 20
"""Wrong credentials per source before it has to wait."""

REFILL_S: Final = 3.0
"""Seconds until one more guess is allowed."""

MAX_BEARER_FAILURES: Final = 300
"""Wrong tokens per source before it is told to wait. Many: one source may stand for a whole company."""

BEARER_REFILL_S: Final = 1.0
MAX_SOURCES: Final = 10_000


class FailureLimiter:
    """Counts failures per source and leaves every other source alone. Success is free and never refused.

    The table is bounded: the source that failed longest ago is forgotten first.
    """

    def __init__(
        self, monotonic: Callable[[], float], *, max_failures: int = MAX_FAILURES, refill_s: float = REFILL_S
    ) -> None:
        self._monotonic = monotonic
        self._burst_s, self._refill_s = (max_failures - 1) * refill_s, refill_s
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def retry_after_s(self, source: str) -> int:
        """Whole seconds that ``source`` must wait before it may try again; 0: not at all."""
        full_at = self._full_at.get(source, 0.0)
        return max(0, math.ceil(full_at - self._monotonic() - self._burst_s))

    def failed(self, source: str) -> None:
        """Note a wrong credential from ``source``."""
        now = self._monotonic()
        self._full_at[source] = max(self._full_at.pop(source, now), now) + self._refill_s
        while len(self._full_at) > MAX_SOURCES:
            self._full_at.popitem(last=False)


class GuessLimits:
    """What is counted: wrong client secrets by source and by the identity they were tried on, wrong tokens by source.

    No one waits who shows a right credential, however many wrong ones others have tried from the same address or on
    the same identity: with 256 random bits in each, waiting would lock out applications and stop no guesser. Proofs
    are looked up in memory first; the limits bound what wrong ones put on record.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.logins = FailureLimiter(monotonic)
        self.identities = FailureLimiter(monotonic)
        self.bearers = FailureLimiter(monotonic, max_failures=MAX_BEARER_FAILURES, refill_s=BEARER_REFILL_S)


def source_of(peer: str | None) -> str:
    """Who is counted as one guesser: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
    try:
        address = ipaddress.ip_address(peer or "")
    except ValueError:
        return peer or ""
    return peer or "" if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
