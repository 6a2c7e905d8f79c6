"""Clients that ask for one thing at a time, and write down what became of it."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Final

from msgspec.structs import replace

from tests.proof.history.events import Event, Op, Outcome, Surface
from tests.proof.history.faults import NODES
from tests.proof.history.installation import Installation
from tests.support.https import Client, Connection, Response

KEPT: Final = ("keep-0", "keep-1", "keep-2")
"""Names that are never deleted, so that nothing excuses an absence."""

LIVES: Final = ("life-0", "life-1", "life-2")
PATIENCE_S: Final = 8.0
_QUIET_S: Final = 0.05
_UNKNOWN: Final = frozenset({"outcome_unknown", "timed_out", "internal", "request_timeout"})
_KEY_VAULTS: Final = "?api-version=7.4"


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
        self._who, self._told = who, told
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
        name = self._dice.choice((*KEPT, *LIVES))
        if name in LIVES:
            kinds += [Op.DELETE, Op.DELETE, Op.RECOVER, Op.PURGE, Op.PURGE]
        op = self._dice.choice(kinds)
        if op is Op.SET:
            await self._write(name)
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

    async def ask(
        self, op: Op, name: str, *, who: str = "", surface: Surface | None = None, value: str = "", key: str = ""
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
        )
        method, target, body = request_of(event, self._dice.randint(1, 6))
        headers = {"X-Request-Id": event.id, "Content-Type": "application/json"}
        if event.key:
            headers["Idempotency-Key"] = event.key
        try:
            answer = await self._lines[node].ask(method, target, body, headers)
        except (OSError, EOFError, TimeoutError):
            return None
        self._told.append(heard(event, answer))
        return self._told[-1]


async def ruling(worker: Worker, enough: Callable[[], bool], dice: random.Random) -> None:
    """Grant the reader all, and take it back, in turn."""
    turns = 0
    while not enough():
        event = await worker.ask(Op.REVOKE if turns % 2 else Op.GRANT, "*", who="reader")
        turns += event is not None and event.ok
        await asyncio.sleep(dice.uniform(0.1, 1.0))


_BOTH: Final = frozenset({Op.GET, Op.DELETE, Op.RECOVER, Op.PURGE})

_OWN: Final = {
    Op.GET: ("GET", "/v1/secrets/{}"),
    Op.SET: ("PUT", "/v1/secrets/{}"),
    Op.DELETE: ("DELETE", "/v1/secrets/{}"),
    Op.RECOVER: ("POST", "/v1/deleted-secrets/{}/recover"),
    Op.PURGE: ("DELETE", "/v1/deleted-secrets/{}"),
    Op.LIST: ("GET", "/v1/secrets?limit=1000"),
    Op.GRANT: ("PUT", "/v1/grants"),
    Op.REVOKE: ("DELETE", "/v1/grants?pattern=*&user_id=reader"),
}
_THEIRS: Final = {
    Op.GET: ("GET", "/secrets/{}"),
    Op.SET: ("PUT", "/secrets/{}"),
    Op.DELETE: ("DELETE", "/secrets/{}"),
    Op.RECOVER: ("POST", "/deletedsecrets/{}/recover"),
    Op.PURGE: ("DELETE", "/deletedsecrets/{}"),
}


def request_of(event: Event, version: int) -> tuple[str, str, Any]:
    """The method, target and body that ask for it."""
    if event.op is Op.PIN:
        return "GET", f"/v1/secrets/{event.name}/versions/{version}", None
    body: Any = {"value": event.value} if event.op is Op.SET else None
    if event.op is Op.GRANT:
        body = {"pattern": "*", "user_id": "reader", "permissions": ["get"]}
    if event.surface is Surface.KEY_VAULT:
        method, target = _THEIRS[event.op]
        return method, target.format(event.name) + _KEY_VAULTS, body
    method, target = _OWN[event.op]
    return method, target.format(event.name), body


def heard(event: Event, answer: Response | None) -> Event:
    """The same operation, with what came back."""
    if answer is None:
        return event
    found = json.loads(answer.body) if answer.body else {}
    error = found.get("error")
    code = str(error.get("code", "")) if isinstance(error, dict) else str(found.get("code", ""))
    unknown = code in _UNKNOWN or (answer.status >= 500 and event.surface is Surface.KEY_VAULT)
    refused = Outcome.UNKNOWN if unknown else Outcome.REFUSED
    told = replace(event, ended=time.monotonic(), status=answer.status, code=code, outcome=refused)
    if answer.status >= 300:
        return told
    return replace(
        told,
        outcome=Outcome.OK,
        code="",
        value=str(found.get("value", event.value)),
        version=int(found.get("version", 0)),
        stale=bool(found.get("stale", False)),
        source=str(found.get("source", "")),
        names=tuple(str(item["name"]) for item in found.get("items", ())) if event.op is Op.LIST else (),
    )
