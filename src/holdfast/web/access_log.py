"""A line per request, where HOLDFAST_ACCESS_LOG asks for it.

It has the path, and so the secret's name, as the audit trail has it too. It never has the query, headers or a body.
"""

from time import perf_counter
from typing import Final

from holdfast.resilience.events import Event, Log
from holdfast.telemetry.logs import ACCESS_LOG
from holdfast.web.exchange import Exchange

MAX_PATH: Final = 256

_log: Final = Log(ACCESS_LOG)


def wanted() -> bool:
    """Whether anyone reads these lines: asked once per request."""
    return _log.hears(Event.REQUEST)


def note(exchange: Exchange, status: int) -> None:
    """Log a request that has been answered."""
    _log(
        Event.REQUEST,
        method=exchange.method,
        path=exchange.raw_path[:MAX_PATH].decode("latin-1"),
        status=status,
        also={
            "duration_ms": round((perf_counter() - exchange.began) * 1000.0, 2),
            "identity": exchange.identity,
            "peer": exchange.peer,
        },
    )
