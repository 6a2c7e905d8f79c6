"""Since when each backend has been down."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from holdfast.ports import BackendHealth


class Outages:
    """Looks at every backend, and remembers when one was first seen down.

    Args:
        look: returns every backend as this node sees it now.
    """

    def __init__(self, look: Callable[[], Sequence[BackendHealth]], now: Callable[[], datetime]) -> None:
        self._look, self._now = look, now
        self._since: dict[str, datetime] = {}

    def __call__(self) -> Sequence[BackendHealth]:
        """Every backend, with when it went down."""
        return [self._dated(backend) for backend in self._look()]

    def _dated(self, backend: BackendHealth) -> BackendHealth:
        if backend.healthy:
            self._since.pop(backend.name, None)
            return backend
        return replace(backend, down_since=self._since.setdefault(backend.name, self._now()))
