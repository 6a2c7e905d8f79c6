"""What the use cases announce. Whoever observes it must cost little and never fail."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol, Self

from holdfast.domain.secret import Source
from holdfast.ports.tracing import Tracing


class Reading(Protocol):
    """A read under way. ``source``: the tier that answered, set once it has."""

    source: Source | None


class Telemetry(Protocol):
    """Hears of what happens: no names, no identities, no values.

    ``tracing``: who keeps spans, if somebody does.
    """

    @property
    def tracing(self) -> Tracing | None:
        """See above."""

    def reading(self) -> AbstractContextManager[Reading]:
        """Enter as a read begins; what leaves it is how the read ended."""

    def writing(self) -> AbstractContextManager[object]:
        """Enter as a new version is to be set; an exception says that it was not."""

    def rotation_ended(self, *, succeeded: bool) -> None:
        """A secret was rotated, or a step failed."""

    def breaker_moved(self, kind: str, old: str, new: str) -> None:
        """The breaker of "read" or "write" went from one state to another."""

    def audited(self, records: int) -> None:
        """A batch of audit records is durable."""


class _Unheard:
    """Enters and leaves, and remembers nothing."""

    source: Source | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let pass what comes."""


class Silence:
    """The telemetry of whoever has none."""

    tracing: Tracing | None = None

    def __init__(self) -> None:
        self._unheard = _Unheard()

    def reading(self) -> AbstractContextManager[Reading]:
        """Hear nothing."""
        return self._unheard

    def writing(self) -> AbstractContextManager[object]:
        """Hear nothing."""
        return self._unheard

    def rotation_ended(self, *, succeeded: bool) -> None:
        """Hear nothing."""

    def breaker_moved(self, kind: str, old: str, new: str) -> None:
        """Hear nothing."""

    def audited(self, records: int) -> None:
        """Hear nothing."""


SILENCE: Final = Silence()
