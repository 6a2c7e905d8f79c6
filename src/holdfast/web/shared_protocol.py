"""The protocol of connections that share one server: who is let in, who is answered, who makes room.

Probes are answered beside the queue, whatever else goes on.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from holdfast.auth.limiter import source_of
from holdfast.web import access_log
from holdfast.web.budgets import Budgets
from holdfast.web.draining import Drain
from holdfast.web.exchange import Exchange, Scope, Send
from holdfast.web.holders import Guests, Holder
from holdfast.web.limits import Overloaded, RateLimited, Receive
from holdfast.web.overload import Returns, overloaded
from holdfast.web.places import Place, Places
from holdfast.web.protocol import BoundedProtocol, ServerState
from holdfast.web.rates import Rates
from holdfast.web.sharing import SHARING

PROBES: Final = frozenset({b"/healthz", b"/readyz", b"/metrics"})
PROBES_PER_S: Final = 20
PROBES_AT_ONCE: Final = 50
"""Of one address. Further ones stand in the queue like everything else."""

UNPROVEN_KEEP_ALIVE_S: Final = 5
"""Seconds that an idle connection is kept on which nobody has proven an identity yet."""

ASIDE_AFTER_S: Final = 0.5
"""Seconds that a request keeps its place while its body is arriving."""


class SharedState(ServerState):
    """What the connections of one server share."""

    def __init__(self, drain: Drain, budgets: Budgets) -> None:
        super().__init__(drain)
        self.budgets = budgets
        self.guests = Guests(budgets.connections)
        self.places = Places(budgets, self.guests)
        self.returns = Returns(asyncio.get_running_loop().time)
        self.probes = Rates(PROBES_PER_S, PROBES_AT_ONCE, asyncio.get_running_loop().time)


class SharedProtocol(BoundedProtocol):
    """One connection among others."""

    server_state: SharedState

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._holder: Holder | None = None
        self._unbegun: deque[Place] = deque()
        self._latest: Place | None = None
        self._back_at = 0.0
        self._holding: asyncio.TimerHandle | None = None
        self._proven_keep_alive_s = self.timeout_keep_alive
        self.timeout_keep_alive = UNPROVEN_KEEP_ALIVE_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Take a connection, if there is room or somebody makes it."""
        peer = transport.get_extra_info("peername")
        self._holder = self.server_state.guests.arrive(self, source_of(peer[0] if peer else None))
        if self._holder is None:
            transport.abort()
            return
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and what it holds."""
        self._depart()
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Close at once: somebody else is let in."""
        self._depart()
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what arrives, unless this connection has made room."""
        if self._holder is not None:
            super().data_received(data)

    def on_headers_complete(self) -> None:
        """Take a request; its turn comes when those before it on this connection are answered."""
        if self._holder is not None:
            self._latest = Place(self._holder)
            self._unbegun.append(self._latest)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, while there is memory for bodies."""
        place = self._latest
        if place is None or place.full or self.cycle.response_complete:
            return
        if self.server_state.places.store(place, len(body)):
            super().on_body(body)
        else:
            place.full = True
            self.on_message_complete()

    def prove(self, place: Place, identity: str) -> None:
        """Count this connection, and a request on it, for an identity.

        Raises:
            Overloaded: that one has all it may have.
        """
        if self._holder is None:
            return
        self.timeout_keep_alive = self._proven_keep_alive_s
        self._holder = self.server_state.guests.prove(self, self._holder, identity)
        if place.holder is not self._holder and not self.server_state.places.pass_on(place, self._holder):
            raise Overloaded(retry_after_s=self.server_state.returns.book())

    @contextmanager
    def arriving(self, cycle: RequestResponseCycle, place: Place) -> Iterator[None]:
        """Read a body, beside the queue if it takes long.

        Raises:
            Overloaded: at the end, there is no place any more, or the body was too much.
        """
        timer = self.loop.call_later(ASIDE_AFTER_S, self._step_aside, place) if cycle.more_body else None
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()
        if place.full or not (place.taken or self.server_state.places.take(place)):
            raise Overloaded(retry_after_s=self.server_state.returns.book())
        self._note_use(place)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        place, places = self._unbegun.popleft(), self.server_state.places
        if self._is_probe(cycle, place):
            self._begin(cycle, place, app)
        elif places.take(place):
            self._note_use(place)
            places.begin(partial(self._begin, cycle, place, app))
        else:
            self._refuse(cycle, place)

    def _begin(self, cycle: RequestResponseCycle, place: Place, app: Any) -> None:
        if cycle.disconnected:
            self.server_state.places.free(place)
            return
        super()._start_asgi_task(cycle, partial(self._answer, cycle, place, app))

    async def _answer(
        self, cycle: RequestResponseCycle, place: Place, app: Any, scope: Any, receive: Any, send: Any
    ) -> None:
        scope["extensions"][SHARING] = _Share(self, cycle, place)
        try:
            await app(scope, receive, send)
        finally:
            self.server_state.places.free(place)
            self._note_use(place)

    def _is_probe(self, cycle: RequestResponseCycle, place: Place) -> bool:
        if cycle.scope["raw_path"] not in PROBES:
            return False
        try:
            self.server_state.probes.take(place.holder.key)
        except RateLimited:
            return False
        return True

    def _refuse(self, cycle: RequestResponseCycle, place: Place) -> None:
        """Refuse a request; one that comes earlier than its client was asked to, not before that time."""
        place.full = True
        self.server_state.places.free(place)
        early_s = self._back_at - self.loop.time()
        if early_s > 0:
            self._holding = self.loop.call_later(early_s, self._refuse_now, cycle)
        else:
            self._refuse_now(cycle)

    def _refuse_now(self, cycle: RequestResponseCycle) -> None:
        pause = self.server_state.returns.book()
        self._back_at = self.loop.time() + pause
        cycle.scope["extensions"] = self._extensions(cycle)
        exchange = Exchange(*cast("tuple[Scope, Receive, Send]", (cycle.scope, cycle.receive, cycle.send)))
        reply = overloaded(exchange, pause)
        if not exchange.send_now(reply):
            task = self.loop.create_task(exchange.send(reply))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        if access_log.wanted(logging.INFO):
            access_log.note(exchange, reply.status)

    def _step_aside(self, place: Place) -> None:
        self.server_state.places.step_aside(place)
        self._note_use(place)

    def _note_use(self, place: Place) -> None:
        """Keep the connection while it has a place, and let it make room otherwise."""
        if self._holder is not None:
            note = self.server_state.guests.busy if place.taken else self.server_state.guests.spare
            note(self, self._holder)

    def _depart(self) -> None:
        holder, self._holder = self._holder, None
        if holder is None:
            return
        self.server_state.guests.depart(self, holder)
        if self._holding is not None:
            self._holding.cancel()
        while self._unbegun:
            self.server_state.places.free(self._unbegun.popleft())


class _Share:
    """What a request's handlers see of all this."""

    __slots__ = ("_cycle", "_place", "_protocol")

    def __init__(self, protocol: SharedProtocol, cycle: RequestResponseCycle, place: Place) -> None:
        self._protocol, self._cycle, self._place = protocol, cycle, place

    def proven(self, identity: str) -> None:
        self._protocol.prove(self._place, identity)

    def arriving(self) -> AbstractContextManager[None]:
        return self._protocol.arriving(self._cycle, self._place)
