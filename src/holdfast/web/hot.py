"""The commonest request, answered in front of the router: ``GET /secrets/{name}``, with or without a final slash.

It takes the same steps as the routed way, in the same order; only the way to them is shorter.
"""

import re
from typing import Final

from holdfast.web.endpoint import Endpoint
from holdfast.web.exchange import ASGIApp, Exchange, Reply, Scope, Send
from holdfast.web.keyvault import KeyVaultApi
from holdfast.web.limits import Receive

_LATEST: Final = re.compile(rb"/secrets/([0-9A-Za-z-]{1,127})/?", re.ASCII)


class HotReads:
    """Answers reads of the latest version and leaves everything else to ``otherwise``."""

    def __init__(self, api: KeyVaultApi, otherwise: ASGIApp) -> None:
        self._api = api
        self._otherwise = otherwise
        self._endpoint = Endpoint(self._handle, api.refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        hot = scope["type"] == "http" and scope["method"] == "GET" and _LATEST.fullmatch(scope["raw_path"])
        if hot:
            await self._endpoint.answer(Exchange(scope, receive, send))
        else:
            await self._otherwise(scope, receive, send)

    async def _handle(self, exchange: Exchange) -> Reply:
        name = exchange.raw_path.split(b"/", 3)[2].decode()
        return await self._api.handle_get_latest(exchange, name)
