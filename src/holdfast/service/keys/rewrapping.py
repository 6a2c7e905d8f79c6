"""Puts what is sealed under draining keys under the active one, some rows at a time."""

from typing import Final

from holdfast.domain.keys import NAMED, KeyState, RewrapReport
from holdfast.ports import Clock, KeyStore
from holdfast.service.crashpoints import Crashpoint, no_crash

BATCH: Final = 200
"""Rows in one transaction, which others wait for at most: some ten milliseconds."""

BUDGET_S: Final = 2.0
"""Seconds for one call, so that it is an answer to a request whoever waits for it."""


class Rewrapping:
    """What is done is to be seen in the rows themselves: whoever goes on needs no other memory."""

    def __init__(self, store: KeyStore, clock: Clock, *, crashpoint: Crashpoint = no_crash) -> None:
        self._store, self._clock, self._crashpoint = store, clock, crashpoint
        self._reached: tuple[int, tuple[object, ...]] | None = None

    async def run(self) -> RewrapReport:
        """Go over the rows, from where the call before ended, to the end or as far as the time goes."""
        draining = [key.key_id for key in await self._store.keys() if key.state is KeyState.DRAINING]
        began = self._clock.monotonic()
        renewed, damaged, position, complete = 0, list[str](), self._reached, not draining
        while not complete and self._clock.monotonic() - began < BUDGET_S:
            batch_began = self._clock.monotonic()
            batch = await self._store.rewrap(draining, position, BATCH)
            self._crashpoint("rewrapped")
            renewed += batch.renewed
            damaged += [f"{each.place} {each.row}" for each in batch.damaged]
            position, complete = batch.position, batch.position is None
            if batch.renewed:  # half of the time belongs to everybody else
                await self._clock.sleep(self._clock.monotonic() - batch_began)
        self._reached = position
        rows = await self._store.sealed_under(draining)
        remaining = sum(sum(places.values()) for places in rows.values())
        return RewrapReport(renewed=renewed, remaining=remaining, damaged=damaged[:NAMED], complete=complete)
