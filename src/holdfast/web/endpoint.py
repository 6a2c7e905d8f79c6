"""The frame around every handler: an exchange goes in, a reply or the right refusal comes out."""

from collections.abc import Awaitable, Callable
from functools import partial

from holdfast.service.access.delivery import begin_answer, broken_off
from holdfast.web.errors import refusal
from holdfast.web.exchange import Exchange, Reply, Scope, Send
from holdfast.web.limits import Receive

Handler = Callable[[Exchange], Awaitable[Reply]]
Refuse = Callable[[Exception, Exchange], Reply]


def plain_refusal(error: Exception, exchange: Exchange) -> Reply:
    """Refuse without inviting anybody to log in."""
    return refusal(error, exchange.request_id)


class Endpoint:
    """A handler as an ASGI application. Whatever it raises becomes an answer, never a dropped connection."""

    def __init__(self, handle: Handler, refuse: Refuse = plain_refusal) -> None:
        self._handle = handle
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self.answer(Exchange(scope, receive, send))

    async def answer(self, exchange: Exchange) -> None:
        """Answer an exchange that somebody has begun to look at."""
        passed = begin_answer()
        try:
            reply = await self._handle(exchange)
        except Exception as error:
            reply = self._refuse(error, exchange)
        await exchange.send(reply)
        if passed:
            exchange.watch(partial(broken_off, passed))
