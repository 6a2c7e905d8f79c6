"""Liveness and readiness, for orchestrators: no login, no names, no secrets."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from holdfast.ports import BackendHealth
from holdfast.resilience.events import Event, Log
from holdfast.web.errors import retry_after
from holdfast.web.exchange import Exchange, Reply

_log: Final = Log(__name__)
_encode: Final = msgspec.json.Encoder().encode

ALIVE: Final = Reply(HTTPStatus.OK, _encode({"status": "alive"}))

Backends = Callable[[], Sequence[BackendHealth]]
"""Every backend as this node sees it, from memory. Raises when this node can answer nothing at all."""


class Health:
    """Answers ``/healthz`` and ``/readyz``."""

    def __init__(self, backends: Backends, check_alive: Callable[[], None] = lambda: None) -> None:
        self._backends, self._check_alive = backends, check_alive

    async def alive(self, _: Exchange) -> Reply:
        """200: the process answers. 503: it cannot recover by itself; start it again, or somewhere else."""
        try:
            self._check_alive()
        except Exception as error:
            _log(Event.NOT_ALIVE, reason=type(error).__name__)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, _encode({"status": "not alive"}), (retry_after(),))
        return ALIVE

    async def ready(self, _: Exchange) -> Reply:
        """200: ready, or degraded with the backends that are missing. 503: send no requests here."""
        try:
            backends = self._backends()
        except Exception as error:
            _log(Event.NOT_READY, reason=type(error).__name__)
            return Reply(HTTPStatus.SERVICE_UNAVAILABLE, _encode({"status": "not ready"}), (retry_after(),))
        failing = [each.name for each in backends if each.configured and not each.healthy]
        return Reply(HTTPStatus.OK, _encode({"status": "degraded" if failing else "ready", "degraded": failing}))
