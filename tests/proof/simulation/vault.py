"""A vault and a Redis in virtual time, as one node reaches them."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self, TypeVar

from redis.exceptions import ConnectionError as RedisAway

from holdfast.cache.logins import Login
from holdfast.errors import BackendUnavailable, HoldfastError, OutcomeUnknown, Throttled
from holdfast.ports import Clock
from tests.proof.simulation.fates import Kind, Way
from tests.proof.simulation.lines import Line
from tests.support.memory_vault import MemoryVault
from tests.support.vault_model import VaultModel

T = TypeVar("T")

_CHANGES: Final = {
    "set": Kind.VAULT_SET,
    **dict.fromkeys(("update", "touch"), Kind.VAULT_UPDATE),
    "delete": Kind.VAULT_DELETE,
    "recover": Kind.VAULT_RECOVER,
    "purge": Kind.VAULT_PURGE,
}


class DistantVault(MemoryVault):
    """``model`` is what all nodes see of the vault."""

    def __init__(self, clock: Clock, model: VaultModel, line: Line) -> None:
        super().__init__(clock)
        self.model, self._line = model, line
        self._refusals = itertools.count()

    async def _do(self, operation: str, work: Callable[[], T]) -> T:
        return await self._line.ask(_CHANGES.get(operation, Kind.VAULT_READ), work, self._broken(operation))

    def _broken(self, operation: str) -> Callable[[Way], HoldfastError]:
        def error(way: Way) -> HoldfastError:
            if operation in _CHANGES and (way is Way.LOST or next(self._refusals) % 3 == 0):
                return OutcomeUnknown("the connection broke")
            return (BackendUnavailable("away", certain=True), BackendUnavailable("away"), Throttled("busy"))[
                next(self._refusals) % 3
            ]

        return error


class Redis:
    """The server: what ``put.lua`` does, and what is read."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._kept: dict[str, tuple[bytes, float]] = {}

    def read(self, key: str) -> bytes:
        kept, until = self._kept.get(key, (b"", 0.0))
        return kept if self._time() < until else b""

    def put(self, key: str, revision: str, kind: str, sealed: bytes, life_ms: int) -> int:
        held = self.read(key)
        known = held[1:21].decode()
        if held and (known > revision or (known == revision and kind == "T")):
            return 0
        self._kept[key] = f"1{revision}{kind}".encode() + sealed, self._time() + life_ms / 1000
        return 1

    def connect(self, line: Line) -> Callable[[str, Path | None, Login | None, object], tuple[Any, Any]]:
        """What a node's cache connects with."""
        pool = SimpleNamespace(kept_waiting=False, in_use=False)
        return lambda url, ca_file, login, ended: (RedisClient(self, line), pool)


class RedisClient:
    """A client of one node, or a pipeline of it."""

    def __init__(self, server: Redis, line: Line) -> None:
        self._server, self._line = server, line
        self._queued: list[Callable[[], int]] = []

    async def getrange(self, key: str, first: int, last: int) -> bytes:
        return await self._line.ask(Kind.REDIS_READ, lambda: self._server.read(key)[first : last + 1], _away)

    def register_script(self, text: str) -> Callable[..., Any]:
        async def put(keys: Sequence[str], args: Sequence[Any], client: "RedisClient | None" = None) -> None:
            arguments = (keys[0], *args)
            if client is not None:
                client._queued.append(lambda: self._server.put(*arguments))
            else:
                await self._line.ask(Kind.REDIS_EVAL, lambda: self._server.put(*arguments), _away)

        return put

    def pipeline(self, *, transaction: bool) -> "RedisClient":
        return RedisClient(self._server, self._line)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def execute(self) -> list[int]:
        return await self._line.ask(Kind.REDIS_EVAL, lambda: [each() for each in self._queued], _away)

    async def aclose(self) -> None: ...


def _away(way: Way) -> RedisAway:
    return RedisAway("away")
