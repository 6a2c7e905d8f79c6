"""What an application can do about the caches: fill them ahead, and distrust them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.errors import HoldfastError
from holdfast.ports import Head, Ledger
from holdfast.resilience.events import Event, Log
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.secrets.coherence import Coherence
from holdfast.service.secrets.making import Maker
from holdfast.service.secrets.reading import Reader
from holdfast.service.secrets.tiers import Tiers

_log: Final = Log(__name__)

_AT_ONCE: Final = 16
"""Secrets warmed at the same time: enough to hide latency, few enough to leave connections for others."""


class CacheControl:
    """Warms and invalidates."""

    def __init__(
        self,
        *,
        guard: Guard,
        reader: Reader,
        ledger: Ledger,
        coherence: Coherence,
        tiers: Tiers,
        maker: Maker,
    ) -> None:
        self._guard, self._reader, self._ledger, self._coherence = guard, reader, ledger, coherence
        self._tiers, self._maker = tiers, maker

    async def warm(self, caller: Caller, names: Sequence[SecretName]) -> int:
        """Read secrets into the caches; returns how many. The others are refused, absent or unreadable: see the log."""
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(name: SecretName) -> bool:
            async with places:
                return await self._warm(caller, name)

        warmed = sum(await asyncio.gather(*map(one, names)))
        if warmed < len(names):
            _log(Event.NAMES_NOT_WARM, count=len(names) - warmed, asked=len(names))
        return warmed

    async def _warm(self, caller: Caller, name: SecretName) -> bool:
        try:
            async with self._guard.operation(caller, Permission.GET, name, "warm") as authorized:
                secret = await self._reader.get(authorized)
                await self._guard.record(authorized, version=secret.version, source=secret.source)
        except HoldfastError as error:
            _log(Event.NAME_NOT_WARM, name=name, reason=error)
            return False
        return True

    async def invalidate(self, caller: Caller, name: SecretName) -> None:
        """Let the next read of a secret, on every node, ask Key Vault: its revision moves on, so no entry fits it."""
        async with self._guard.operation(caller, Permission.LIST, name, "invalidate") as authorized:
            head = await self._maker.patiently(name, lambda: self._move_on(authorized))
            if head is not None:
                await self._coherence.committed(name, head.revision)

    async def _move_on(self, authorized: Authorized) -> Head | None:
        async with self._ledger.transaction() as tx:
            head = await tx.lock(authorized.name)
            if head is not None:
                head = await tx.put_head(head)
            await tx.record(self._guard.success(authorized))
        return head

    async def clear(self, caller: Caller) -> None:
        """Empty this node's cache and the shared one."""
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "invalidate"):
            await self._tiers.clear()
