"""A process that works under load until it is killed, and tells what it has been promised and shown.

life = begin(settings, seed=1)     # a process of its own
for event in life.events(40): ...  # what it told before it was killed
"""

import asyncio
import multiprocessing
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from uuid import uuid4

from holdfast import create_secrets_service
from holdfast.config import Settings
from holdfast.domain.policy import AccessContext
from holdfast.errors import SecretNotFound
from holdfast.service.manager import SecretsService

NAMES = [f"k{number}" for number in range(6)]
READER = "alice"
_WRITERS, _READERS = 4, 4
_PATIENCE_S = 60


@dataclass(frozen=True)
class Event:
    """Something that left the process: a ``write`` acknowledged, a ``read`` answered, or a promise ``broken``."""

    kind: str
    name: str = ""
    version: int = 0
    value: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Life:
    """One such process."""

    process: BaseProcess
    connection: Connection

    def events(self, count: int, cut: Callable[[], object] = lambda: None) -> Iterator[Event]:
        """What it tells until it is killed with SIGKILL after ``count`` events, along with what ``cut`` kills."""
        heard = 0
        while True:
            if not self.connection.poll(_PATIENCE_S):
                raise AssertionError("the process does nothing")
            try:
                event: Event = self.connection.recv()
            except EOFError:
                self.process.join()
                return
            yield event
            heard += 1
            if heard == count:
                cut()
                self.process.kill()


def begin(settings: Settings, seed: int) -> Life:
    """Start a process that reads and writes ``NAMES``."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_live, args=(theirs, settings, seed), daemon=True)
    process.start()
    theirs.close()
    return Life(process, ours)


def _live(connection: Connection, settings: Settings, seed: int) -> None:
    asyncio.run(_work(connection, settings, random.Random(seed)))


async def _work(connection: Connection, settings: Settings, dice: random.Random) -> None:
    acknowledged: dict[str, int] = {}
    async with create_secrets_service(settings) as service:
        workers = [_write(connection, service, dice, acknowledged) for _ in range(_WRITERS)]
        workers += [_read(connection, service, dice, acknowledged) for _ in range(_READERS)]
        await asyncio.gather(*workers)


async def _write(connection: Connection, service: SecretsService, dice: random.Random, known: dict[str, int]) -> None:
    while True:
        name, value = dice.choice(NAMES), str(uuid4())
        made = await service.set_secret(name, value)
        known[name] = max(known.get(name, 0), made.version)
        connection.send(Event("write", name, made.version, value))


async def _read(connection: Connection, service: SecretsService, dice: random.Random, known: dict[str, int]) -> None:
    while True:
        name = dice.choice(NAMES)
        request = AccessContext(user_id=READER, request_id=str(uuid4()))
        at_least = known.get(name, 0)
        try:
            secret = await service.get_secret(name, context=request)
        except SecretNotFound:
            await asyncio.sleep(0)
            continue
        kind = "read" if secret.version >= at_least else "broken"
        connection.send(Event(kind, name, secret.version, secret.value, request.request_id or ""))
