"""Readers that never pause for long, and what they saw."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from holdfast import HoldfastError, SecretsService


@dataclass(slots=True)
class Seen:
    """Counts of reads, and the longest one since ``Readers.longest_s`` was last asked, in seconds."""

    served: int = 0
    failed: int = 0
    wrong: int = 0
    worst_s: float = 0.0
    failures: list[str] = field(default_factory=list)


class Readers:
    """Many tasks that read secrets all the time and compare each answer with what was written.

    ``values`` holds every value a secret ever had, ``versions`` the newest version whose write was answered: no read
    that begins later may see an older one.
    """

    def __init__(
        self, service: SecretsService, values: dict[str, set[str]], versions: dict[str, int], count: int
    ) -> None:
        self._service, self._values, self._versions, self._count = service, values, versions, count
        self._names = sorted(values)
        self._tasks: list[asyncio.Task[None]] = []
        self.seen = Seen()

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._read_on()) for _ in range(self._count)]

    def longest_s(self) -> float:
        """Return the longest read since this was last asked."""
        longest, self.seen.worst_s = self.seen.worst_s, 0.0
        return longest

    def forget(self, name: str) -> None:
        """Read this one no more."""
        self._names = [other for other in self._names if other != name]

    async def stop(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read_on(self) -> None:
        while True:
            name = random.choice(self._names)  # noqa: S311 - nothing secret about it
            began, newest = time.perf_counter(), self._versions[name]
            try:
                secret = await self._service.get_secret(name)
            except HoldfastError as error:
                if name in self._names:
                    self.seen.failed += 1
                    self.seen.failures.append(f"{name}: {error}")
            else:
                self.seen.served += 1
                self.seen.wrong += secret.value not in self._values[name] or secret.version < newest
            self.seen.worst_s = max(self.seen.worst_s, time.perf_counter() - began)
            await asyncio.sleep(0.01)
