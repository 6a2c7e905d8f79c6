"""Concurrent callers who want the same thing share one call."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from holdfast.errors import BackendUnavailable

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class SingleFlight(Generic[K, T]):
    """At most one call per key is under way.

    A call belongs to nobody: it goes on when the callers that wait for it are cancelled, so that what it brings
    still reaches the others, or a cache. It must therefore bound its own time.
    """

    def __init__(self) -> None:
        self._flights: dict[K, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    async def do(self, key: K, call: Callable[[], Awaitable[T]]) -> T:
        """Return what the call under way for ``key`` returns or raise what it raises; begin one if there is none.

        Raises:
            BackendUnavailable: ``aclose`` ended the call. That is not the caller's own cancellation, and does not look
                like it.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = self._begin(key, call)
        try:
            return await asyncio.shield(flight)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if flight.cancelled() and caller is not None and not caller.cancelling():
                raise BackendUnavailable(
                    "This node is closing; ask another one, or again once it is back.", certain=True
                ) from None
            raise

    def forget(self, key: K) -> None:
        """Let the next caller begin anew: what is under way may have seen too old a state."""
        self._flights.pop(key, None)

    def forget_all(self) -> None:
        """Likewise for every key."""
        self._flights.clear()

    async def aclose(self) -> None:
        """Cancel what is under way and wait for its end."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _begin(self, key: K, call: Callable[[], Awaitable[T]]) -> asyncio.Task[T]:
        async def run() -> T:
            return await call()

        flight = asyncio.create_task(run(), name=f"flight {type(key).__name__}")
        self._flights[key] = flight
        flight.add_done_callback(lambda done: self._end(key, done))
        return flight

    def _end(self, key: K, flight: asyncio.Task[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # seen: nobody may be left to retrieve it
