"""The frame around every handler: an exchange goes in, a reply or the right refusal comes out."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from holdfast.resilience.correlation import correlate
from holdfast.service.access.delivery import begin_answer, broken_off
from holdfast.web import access_log
from holdfast.web.errors import refusal
from holdfast.web.exchange import Exchange, Reply, Scope, Send
from holdfast.web.limits import ANSWER_PATIENCE_S, Receive, TimedOut

Handler = Callable[[Exchange], Awaitable[Reply]]
Refuse = Callable[[Exception, Exchange], Reply]


def plain_refusal(error: Exception, exchange: Exchange) -> Reply:
    """Refuse without inviting anybody to log in."""
    return refusal(error, exchange.request_id)


class Endpoint:
    """A handler as an ASGI application. Whatever it raises becomes an answer, never a dropped connection."""

    def __init__(
        self, handle: Handler, refuse: Refuse = plain_refusal, *, patience_s: float = ANSWER_PATIENCE_S
    ) -> None:
        self._handle = handle
        self._refuse = refuse
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, in time."""
        await self._answer(self._in_time, Exchange(scope, receive, send))

    async def answer(self, exchange: Exchange) -> None:
        """Answer an exchange that somebody has begun to look at. The handler minds the time itself."""
        await self._answer(self._handle, exchange)

    async def _in_time(self, exchange: Exchange) -> Reply:
        try:
            async with asyncio.timeout(self._patience_s) as patience:
                return await self._handle(exchange)
        except TimeoutError:
            if patience.expired():
                raise TimedOut(f"The operation took longer than {self._patience_s:g} s.") from None
            raise

    async def _answer(self, handle: Handler, exchange: Exchange) -> None:
        correlate(exchange.request_id)
        passed = begin_answer()
        try:
            reply = await handle(exchange)
        except Exception as error:
            reply = self._refuse(error, exchange)
        await exchange.send(reply)
        if passed:
            exchange.watch(partial(broken_off, passed))
        if access_log.wanted():
            access_log.note(exchange, reply.status)
