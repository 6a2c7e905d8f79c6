"""A line per request, where HOLDFAST_ACCESS_LOG asks for it.

It has the path, and so the secret's name, as the audit trail has it too. It never has the query, headers or a body.
"""

import logging
from time import perf_counter
from typing import Final

from holdfast.telemetry.logs import ACCESS_LOG
from holdfast.web.exchange import Exchange

MAX_PATH: Final = 256

_log: Final = logging.getLogger(ACCESS_LOG)

wanted: Final = _log.isEnabledFor
"""Whether anybody reads lines of a level: asked once per request."""


def note(exchange: Exchange, status: int) -> None:
    """Log a request that has been answered."""
    _log.info(
        "%s %s %d",
        exchange.method,
        exchange.raw_path[:MAX_PATH].decode("latin-1"),
        status,
        extra={
            "duration_ms": round((perf_counter() - exchange.began) * 1000.0, 2),
            "identity": exchange.identity,
            "peer": exchange.peer,
        },
    )
