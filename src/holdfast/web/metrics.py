"""``/metrics``, for Prometheus: one token that opens nothing else, and no database between.

A login would go through grants and the audit trail, and so would fail in the very outage that is to be seen.
"""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from holdfast.errors import Unauthenticated
from holdfast.web.exchange import Exchange, Reply

TEXT: Final = b"text/plain; version=0.0.4; charset=utf-8"
_BEARER: Final = "Bearer "


class Metrics:
    """Answers scrapes that carry ``token``."""

    def __init__(self, text: Callable[[], bytes], token: str) -> None:
        self._text, self._token = text, token.encode()

    async def scrape(self, exchange: Exchange) -> Reply:
        """Return the metrics of all workers.

        Raises:
            Unauthenticated: not the token of HOLDFAST_METRICS_TOKEN.
        """
        given = exchange.optional(b"authorization") or ""
        if not given.startswith(_BEARER) or not hmac.compare_digest(given.removeprefix(_BEARER).encode(), self._token):
            raise Unauthenticated("Send the token of HOLDFAST_METRICS_TOKEN: Authorization: Bearer <token>.")
        return Reply(HTTPStatus.OK, self._text(), content_type=TEXT)
