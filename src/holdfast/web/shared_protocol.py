"""The protocol of connections that share one server: who is let in, who is answered, who makes room.

Probes are answered outside the queue, whatever else goes on.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from holdfast.auth.limiter import source_of
from holdfast.web import access_log
from holdfast.web.exchange import Exchange, Scope, Send
from holdfast.web.limits import Overloaded, Receive
from holdfast.web.overload import overloaded
from holdfast.web.places import Place
from holdfast.web.protocol import BoundedProtocol
from holdfast.web.shared_state import SharedState
from holdfast.web.sharing import SHARING, Sharing

if TYPE_CHECKING:
    from holdfast.web.holders import Holder

UNPROVEN_KEEP_ALIVE_S: Final = 5
"""Seconds that an idle connection is kept on which no one has proven an identity yet."""

ASIDE_AFTER_S: Final = 0.5
"""Seconds that a request keeps its place while its body is arriving."""

LARGE_READ: Final = 32 * 1024
TRANSPORT_BUFFER: Final = 256 * 1024
"""What the transport of a connection keeps until it is closed, once more than ``LARGE_READ`` came in one piece."""

HEAD_COST: Final = 3
"""Bytes of memory for one byte of a head that is not complete: in buffers, and in parts of the parsed head."""

GOODBYE_PATIENCE_S: Final = 1.0
"""Seconds in which the client of such a connection has to take the last answer."""


class SharedProtocol(BoundedProtocol):
    """One connection among others."""

    server_state: SharedState

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._holder: Holder | None = None
        self._unbegun: deque[Place] = deque()
        self._latest: Place | None = None
        self._head: Place | None = None
        self._back_at = 0.0
        self._held: tuple[RequestResponseCycle, asyncio.TimerHandle] | None = None
        self._large = False
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
        if self._holder is None:
            return
        self._large = self._large or len(data) > LARGE_READ
        super().data_received(data)
        if self._in_head:
            self._store_head(len(data))
        if self._large:
            self._close_soon()

    def on_headers_complete(self) -> None:
        """Take a request; its turn comes when those before it on this connection are answered."""
        self._free_head()
        if self._holder is not None:
            self._latest = Place(self._holder)
            self._unbegun.append(self._latest)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Keep a part of a body, while there is memory for bodies."""
        place = self._latest
        if place is None or place.full or self.cycle.response_complete:
            return
        buffered = TRANSPORT_BUFFER if self._large and not place.buffered else 0
        if self.server_state.places.store(place, len(body) + buffered):
            place.buffered = self._large
            super().on_body(body)
        else:
            place.full = True
            self.on_message_complete()

    def _store_head(self, size: int) -> None:
        """Count what an unfinished head takes; this connection goes if that is too much."""
        if self._holder is None:
            return
        if self._head is None:
            self._head = Place(self._holder)
        if not self.server_state.places.store(self._head, HEAD_COST * size):
            self.make_room()

    def _free_head(self) -> None:
        head, self._head = self._head, None
        if head is not None:
            self.server_state.places.free(head)

    def _prove(self, place: Place, identity: str) -> None:
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
    def _arriving(self, cycle: RequestResponseCycle, place: Place) -> Iterator[None]:
        """Read a body, outside the queue if it takes long.

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
        if self.server_state.is_probe(cycle.scope["raw_path"], place):
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
        scope["extensions"][SHARING] = Sharing(
            proven=partial(self._prove, place),
            arriving=partial(self._arriving, cycle, place),
            sending=partial(self.server_state.places.keep, place),
        )
        try:
            await app(scope, receive, send)
        finally:
            self.server_state.places.free(place)
            self._note_use(place)
            if self._large:
                self._say_goodbye()

    def _close_soon(self) -> None:
        """Keep this connection, which takes a lot of memory, no longer than for its answer."""
        if self.cycle is None or self.cycle.response_complete:
            self._say_goodbye()
            return
        self.cycle.keep_alive = False
        if self._held is not None:
            cycle, timer = self._held
            timer.cancel()
            self._refuse_now(cycle)

    def _say_goodbye(self) -> None:
        self.transport.close()
        self.loop.call_later(GOODBYE_PATIENCE_S, self.transport.abort)

    def _refuse(self, cycle: RequestResponseCycle, place: Place) -> None:
        """Refuse a request; one that comes earlier than its client was asked to, not before that time."""
        place.full = True
        self.server_state.places.free(place)
        early_s = self._back_at - self.loop.time()
        if early_s > 0:
            self._held = cycle, self.loop.call_later(early_s, self._refuse_now, cycle)
        else:
            self._refuse_now(cycle)

    def _refuse_now(self, cycle: RequestResponseCycle) -> None:
        self._held = None
        self.server_state.tell_refusal()
        pause = self.server_state.returns.book()
        self._back_at = self.loop.time() + pause
        cycle.scope["extensions"] = self._extensions(cycle)
        exchange = Exchange(*cast("tuple[Scope, Receive, Send]", (cycle.scope, cycle.receive, cycle.send)))
        reply = overloaded(exchange, pause)
        if not exchange.send_now(reply):
            task = self.loop.create_task(exchange.send(reply))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        if access_log.wanted():
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
        self._free_head()
        if self._held is not None:
            self._held[1].cancel()
        while self._unbegun:
            self.server_state.places.free(self._unbegun.popleft())
