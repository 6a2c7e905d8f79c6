"""The second cache tier: a Redis that nodes share. It is a hint, holds sealed bytes only, and is never waited for.

key    holdfast:<namespace>:<canonical name>

+--------+-----------+------------------+--------------+
| format | revision  | kind             | sealed bytes |
| "1"    | 20 digits | "E" entry        | none in a    |
|        |           | "T" tombstone    | tombstone    |
+--------+-----------+------------------+--------------+
"""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar, final

from holdfast.cache.connections import connect_behind
from holdfast.cache.cooldown import CoolDown
from holdfast.cache.logins import Login
from holdfast.cache.tombstones import Tombstones
from holdfast.domain.names import SecretName
from holdfast.errors import HoldfastError
from holdfast.ports import CacheEntry, Side, traced
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages

OPERATION_TIMEOUT: Final = timedelta(milliseconds=100)
COOL_DOWN: Final = timedelta(seconds=5)
MAX_ENTRY_BYTES: Final = 64 * 1024
"""Sealed bytes. A secret has at most 25 kB; what is larger was not put there by us, and is not read."""

JITTER: Final = 0.1
"""Entries live between 90 and 110 per cent of their time, so that those filled together do not end together."""

_MAX_REMEMBERED: Final = 10_000
_BATCH: Final = 200
_HEADER: Final = re.compile(rb"1(\d{20})([ET])")
_HEADER_BYTES: Final = 22
_NAMESPACE: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_PUT: Final = files("holdfast.cache").joinpath("put.lua").read_text()
Connect: TypeAlias = Callable[[str, Path | None, Login | None, Callable[[Exception | None], None]], tuple[Any, Any]]
"""Returns a client and its pool; see ``connect_behind``."""

T = TypeVar("T")
_log: Final = Log(__name__)


@final
class RedisCache:
    """Entries in Redis; implements ``ports.Cache``.

    Any fault is a miss and costs at most one ``timeout``; then Redis is left alone for ``cool_down``. Connections are
    opened behind the calls, which miss meanwhile. Invalidations that Redis did not take are owed: this node honours
    them at once, and settles them before it reads from Redis again.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        max_ttl: timedelta,
        ca_file: Path | None = None,
        login: Login | None = None,
        timeout: timedelta = OPERATION_TIMEOUT,
        cool_down: timedelta = COOL_DOWN,
        monotonic: Callable[[], float] = time.monotonic,
        connect: Connect = connect_behind,
    ) -> None:
        if not _NAMESPACE.fullmatch(namespace):
            raise ValueError("a namespace has 1 to 64 characters out of 0-9, a-z, A-Z and '-'")
        self._client, self._pool = connect(url, ca_file, login, self._opening_ended)
        self._login = login
        self._put = self._client.register_script(_PUT)
        self._prefix = f"holdfast:{namespace}:"
        self._max_ttl = max_ttl
        self._longest_life_s = max_ttl.total_seconds() * (1 + JITTER)
        self._timeout_s = timeout.total_seconds()
        self._cool_down = CoolDown(cool_down, monotonic)
        self._monotonic = monotonic
        self._outages, self._misused = Outages(monotonic=monotonic), False
        self._tombstones = Tombstones(_MAX_REMEMBERED, self._longest_life_s, monotonic)
        self._owed: dict[SecretName, int] = {}
        self._clear_owed_until = 0.0

    async def get(self, name: SecretName) -> CacheEntry | None:
        """Return the entry, or None: not there, not ours, too large, invalidated, or Redis does not answer."""
        last = _HEADER_BYTES + MAX_ENTRY_BYTES  # one byte more than an entry may have
        with traced("redis.get", Side.CLIENT, system="redis") as span:
            entry = _decode(await self._attempt(lambda: self._client.getrange(self._prefix + name, 0, last)))
            kept = entry if entry is not None and entry.revision >= self._tombstones.floor(name) else None
            span.note(found=kept is not None)
        return kept

    async def put(self, name: SecretName, entry: CacheEntry, ttl: timedelta) -> None:
        """Keep an entry for ``ttl``, give or take a tenth, unless a higher revision is known here or there."""
        life_ms = _milliseconds(min(ttl, self._max_ttl) * _jitter())
        if life_ms > 0 and len(entry.sealed) <= MAX_ENTRY_BYTES and entry.revision >= self._tombstones.floor(name):
            await self._attempt(lambda: self._store(name, entry.revision, "E", entry.sealed, life_ms))

    async def invalidate(self, name: SecretName, revision: int) -> None:
        """Refuse entries below ``revision`` for as long as one may live, on this node whatever Redis does."""
        self._tombstones.add(name, revision)
        self._owed[name] = max(revision, self._owed.get(name, 0))
        if len(self._owed) > _MAX_REMEMBERED:
            del self._owed[next(iter(self._owed))]
        await self._attempt(_nothing)

    async def clear(self) -> None:
        """Forget all entries of this namespace, as soon as Redis lets us; until then none is served."""
        self._clear_owed_until = self._monotonic() + self._longest_life_s
        await self._attempt(_nothing)

    def healthy(self) -> bool:
        """Whether the last use of Redis worked."""
        return self._cool_down.working

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
        if self._login is not None:
            await self._login.aclose()

    async def _attempt(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Settle what is owed, then call; None if Redis is left alone, fails or takes too long."""
        if not self._cool_down.admits():
            return None
        try:
            async with asyncio.timeout(self._timeout_s):
                if self._login is not None and self._login.is_renewed():
                    await self._pool.reopen()  # the server ends what goes on with the old one
                await self._settle()
                answer = await call()
        except Exception as error:  # whatever a client library makes of a broken server, it is a miss to us
            if not self._pool.kept_waiting:
                self._note(error)
            elif not self._pool.in_use:  # else others have them all, and find out whether they work
                self._cool_down.failed()
            return None
        self._cool_down.worked()
        self._outages.works("Redis")
        return answer

    def _opening_ended(self, error: Exception | None) -> None:
        if error is None:
            self._cool_down.end_pause()
        else:
            self._note(error)

    async def _settle(self) -> None:
        if self._monotonic() < self._clear_owed_until:
            await self._unlink_all()
            self._clear_owed_until = 0.0
        while self._owed:
            await self._bury(list(islice(self._owed.items(), _BATCH)))

    async def _bury(self, batch: list[tuple[SecretName, int]]) -> None:
        life_ms = _milliseconds(timedelta(seconds=self._longest_life_s))
        async with self._client.pipeline(transaction=False) as pipeline:
            for name, revision in batch:
                if self._tombstones.floor(name) >= revision:  # else everything it voids has expired meanwhile
                    await self._store(name, revision, "T", b"", life_ms, pipeline)
            await pipeline.execute()
        for name, revision in batch:
            if self._owed.get(name) == revision:
                del self._owed[name]

    async def _store(
        self, name: SecretName, revision: int, kind: str, sealed: bytes, life_ms: int, client: Any = None
    ) -> None:
        await self._put(keys=[self._prefix + name], args=[f"{revision:020}", kind, sealed, life_ms], client=client)

    async def _unlink_all(self) -> None:
        cursor = 0
        while True:
            cursor, keys = await self._client.scan(cursor, match=self._prefix + "*", count=1000)
            if keys:
                await self._client.unlink(*keys)
            if cursor == 0:
                return

    def _note(self, error: Exception) -> None:
        """Log the kind of a fault, never its text: Redis may quote arguments."""
        kind = type(error).__name__
        if _is_one_wrong_key(error):
            if not self._misused:
                _log(Event.REDIS_KEY_MISUSED)
            self._misused = True
        else:
            self._cool_down.failed()
            said = f"it does not answer properly ({kind})"
            if isinstance(error, HoldfastError):  # of what gives out tokens
                said = str(error).removesuffix(".")
            self._outages.failed("Redis", f"{said}; going on without it")


def _decode(found: Any) -> CacheEntry | None:
    """The entry in bytes from Redis; None if there is none, or if they are not of our making."""
    if not isinstance(found, bytes) or len(found) > _HEADER_BYTES + MAX_ENTRY_BYTES:
        return None
    header = _HEADER.match(found)
    if header is None or header[2] != b"E":
        return None
    return CacheEntry(revision=int(header[1]), sealed=found[_HEADER_BYTES:])


def _is_one_wrong_key(error: Exception) -> bool:
    return str(error).startswith("WRONGTYPE")


def _jitter() -> float:
    return random.SystemRandom().uniform(1 - JITTER, 1 + JITTER)


def _milliseconds(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)


async def _nothing() -> None:
    """What is left to do once all that is owed is settled."""
