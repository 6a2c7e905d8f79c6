"""One of several server processes: ``python -m holdfast.web.worker LISTENER READY LIFELINE CELLS ROW FIRST``.

The first four are file descriptors that the supervisor leaves open: the one bound socket, a pipe on which the worker
says its tenant once it accepts connections (and, the very first one, the token it made), a pipe whose end means that
the supervisor is gone, and the file that all workers count in. This one writes the row ROW of it.
FIRST is 1 where no other worker answers yet.
"""

import asyncio
import os
import signal
import socket
import sys
from typing import Final

import uvloop

from holdfast.config import Settings
from holdfast.errors import HoldfastError
from holdfast.resilience.events import Event, Log
from holdfast.telemetry.cells import Cells
from holdfast.telemetry.logs import install_logs
from holdfast.web.run import Serving, run

FAILED_TO_START: Final = 9
"""The exit code of a node whose settings or start are at fault, as the command line has it."""

_log: Final = Log(__name__)


def main(arguments: list[str]) -> int:
    """Serve until told to stop, or until the supervisor is gone."""
    listener, ready, lifeline, cells, row, first = map(int, arguments)
    try:
        settings = Settings.from_environ()
        install_logs(settings.log_level, settings.log_format, requests=settings.access_log)
        serving = _serve(settings, listener, ready, lifeline, Cells.shared(cells, row), first=bool(first))
        uvloop.run(serving)
    except HoldfastError as error:
        print(f"holdfast serve: {error}", file=sys.stderr)
        return FAILED_TO_START
    except Exception as error:  # no one else would mask what it says
        _log(Event.WORKER_FAILED, trace=error)
        return 1
    return 0


async def _serve(settings: Settings, listener: int, ready: int, lifeline: int, cells: Cells, *, first: bool) -> None:
    def started(serving: Serving) -> None:
        os.write(ready, f"{serving.tenant} {serving.admin_token or ''}".encode())
        os.close(ready)

    def orphaned() -> None:
        asyncio.get_running_loop().remove_reader(lifeline)
        signal.raise_signal(signal.SIGTERM)

    asyncio.get_running_loop().add_reader(lifeline, orphaned)
    await run(settings, listener=socket.socket(fileno=listener), first=first, on_started=started, cells=cells)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
