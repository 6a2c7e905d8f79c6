"""Clients that ask for one thing at a time, and write down what became of it."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from tests.proof.history.events import EDITED, Event, Op, Outcome, Surface
from tests.proof.history.faults import NODES
from tests.proof.history.installation import Installation
from tests.proof.history.wire import heard, heard_each, request_of
from tests.support.https import Client, Connection, Response

KEPT: Final = ("keep-0", "keep-1", "keep-2")
"""Names that are never deleted, so that nothing excuses an absence."""

LIVES: Final = ("life-0", "life-1", "life-2")
COPIED: Final = (KEPT[-1], LIVES[-1])
"""Names of which former versions are made current again: a value tells no version then."""

PATIENCE_S: Final = 8.0
NOTHING_SENT: Final = Response(0, (), b"")
_QUIET_S: Final = 0.05
_BOTH: Final = frozenset({Op.GET, Op.DELETE, Op.RECOVER, Op.PURGE})
_OF_A_VERSION: Final = frozenset({Op.PIN, Op.ROLLBACK})


class Line:
    """A connection to one node that is kept, and laid again when it broke."""

    def __init__(self, made: Installation, node: int, who: str) -> None:
        self._made, self._node, self._who = made, node, who
        self._stack = AsyncExitStack()
        self._open: Connection | None = None

    async def ask(self, method: str, target: str, body: Any, headers: dict[str, str]) -> Response | None:
        """The answer, or None: it went out, and nothing came back.

        Raises:
            OSError: there is no connection, so nothing went out.
        """
        client = self._made.client(self._node, self._who)
        raw = b"" if body is None else json.dumps(body).encode()
        head = client.head(method, target, headers, None if method == "GET" else len(raw))
        connection = await self._connected(client)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await connection.send(head + raw)
                answer = await connection.response()
        except (OSError, EOFError, TimeoutError, ValueError, IndexError):
            await self.close()
            return None
        if answer.header("connection") == "close":
            await self.close()
        return answer

    async def _connected(self, client: Client) -> Connection:
        if self._open is None:
            async with asyncio.timeout(PATIENCE_S):
                self._open = await self._stack.enter_async_context(client.connected())
        return self._open

    async def close(self) -> None:
        """Hang up."""
        self._open = None
        await self._stack.aclose()


class Worker:
    """One client with its own dice: what it asks for does not depend on what others do."""

    def __init__(self, made: Installation, seed: int, number: int, who: str, told: list[Event]) -> None:
        self.client = f"{who}-{number}"
        self._who, self.told = who, told
        self._dice = random.Random(f"client {seed} {number}")
        self._lines = [Line(made, node, who) for node in range(NODES)]
        self._asked = 0

    async def run(self, enough: Callable[[], bool]) -> None:
        """Ask on until it is enough."""
        try:
            while not enough():
                await self._step()
                await asyncio.sleep(self._dice.uniform(0, 2 * _QUIET_S))
        finally:
            for line in self._lines:
                await line.close()

    async def _step(self) -> None:
        if self._who == "reader":
            await self.ask(Op.GET, self._dice.choice((*KEPT, *LIVES)))
            return
        kinds = [*[Op.GET] * 10, *[Op.SET] * 6, Op.PIN, Op.LIST]
        name = self._dice.choice((*KEPT, *LIVES, *EDITED))
        if name in COPIED:
            kinds += [Op.ROLLBACK, Op.ROLLBACK]
        if name in LIVES:
            kinds += [Op.DELETE, Op.DELETE, Op.RECOVER, Op.PURGE, Op.PURGE]
        op = self._dice.choice(kinds)
        if op is Op.SET:
            await self._write(name)
        elif op is Op.GET and self._dice.random() < 0.1:
            await self._read_many()
        elif op is Op.ROLLBACK:
            await self.ask(op, name, key=f"{self.client}.{self._asked}")
        else:
            await self.ask(op, "*" if op is Op.LIST else name)

    async def _write(self, name: str) -> None:
        """Write a value of its own; where no one knows what became of it, ask again with the same key."""
        value = f"{name}.{self.client}.{self._asked}"
        if self._dice.random() < 0.4:
            await self.ask(Op.SET, name, value=value, surface=Surface.KEY_VAULT)
            return
        for _ in range(3):
            event = await self.ask(Op.SET, name, value=value, key=value)
            if event is None or event.outcome is not Outcome.UNKNOWN:
                return

    async def _read_many(self) -> None:
        """Read several secrets at once: as many reads, under the id of one request."""
        node, self._asked = self._dice.randrange(NODES), self._asked + 1
        request = f"{self.client}.{self._asked}"
        asked = [
            Event(
                id=f"{request}/{name}",
                client=self.client,
                who=self._who,
                node=node,
                surface=Surface.OWN,
                op=Op.GET,
                name=name,
                began=time.monotonic(),
            )
            for name in self._dice.sample((*KEPT, *LIVES), 3)
        ]
        body = {"items": [{"name": event.name} for event in asked]}
        answer = await self._sent(node, request, "POST", "/v1/secrets:batch-get", body)
        if answer is not NOTHING_SENT:
            self.told += heard_each(asked, answer)

    async def ask(
        self,
        op: Op,
        name: str,
        *,
        who: str = "",
        surface: Surface | None = None,
        value: str = "",
        key: str = "",
        of: int = 0,
        lasts: float = 0.0,
    ) -> Event | None:
        """Ask one thing at a node that the dice choose, and write it down, unless it never went out."""
        node = self._dice.randrange(NODES)
        chosen = self._dice.choice(tuple(Surface)) if op in _BOTH else Surface.OWN
        self._asked += 1
        event = Event(
            id=f"{self.client}.{self._asked}",
            client=self.client,
            who=who or self._who,
            node=node,
            surface=surface or chosen,
            op=op,
            name=name,
            began=time.monotonic(),
            value=value,
            key=key,
            of=of or self._dice.randint(1, 6) if op in _OF_A_VERSION else of,
            lasts=lasts,
        )
        answer = await self._sent(node, event.id, *request_of(event), key=event.key)
        if answer is NOTHING_SENT:
            return None
        self.told.append(heard(event, answer))
        return self.told[-1]

    async def _sent(
        self, node: int, request: str, method: str, target: str, body: Any, key: str = ""
    ) -> Response | None:
        headers = {"X-Request-Id": request, "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        try:
            return await self._lines[node].ask(method, target, body, headers)
        except (OSError, EOFError, TimeoutError):
            return NOTHING_SENT
