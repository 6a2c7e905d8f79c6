"""Several worker processes on one listening socket, each a node of its own.

A worker that dies is replaced. SIGHUP replaces them all, one by one, each only when its successor accepts connections,
so that no request fails. A worker notices by the end of a pipe when its supervisor is gone, and stops too.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import uvloop

from holdfast.bootstrap.tls import certificate_files
from holdfast.config import Settings
from holdfast.errors import StartupError
from holdfast.resilience.events import Event, Log
from holdfast.resilience.tasks import first_of
from holdfast.telemetry.cells import shared_file
from holdfast.web.run import OnServing, Serving, run
from holdfast.web.server import BACKLOG, FINISH_S, listen, url_of

_log: Final = Log(__name__)

_KILL_AFTER_S: Final = FINISH_S + 20
"""Seconds after draining in which a worker has to be gone: requests in progress, then closing what is open."""

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 30.0
"""Between attempts to replace a worker that does not start; doubled each time."""


@dataclass(slots=True)
class _Worker:
    process: asyncio.subprocess.Process
    row: int
    stopping: bool = False


class Supervisor:
    """Keeps ``count`` workers running on ``listener``."""

    def __init__(self, listener: socket.socket, count: int, drain_s: float) -> None:
        self._listener, self._count, self._drain_s = listener, count, drain_s
        self._lifeline, self._our_end = os.pipe()
        # While workers are replaced there is one more of them; a row is written by one at a time.
        self._rows = set(range(2 * count + 1))
        self._cells = shared_file(len(self._rows))
        self._workers: list[_Worker] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._farewell = signal.SIGTERM
        self._replacing = asyncio.Lock()

    async def run(self, on_started: Callable[[str, str | None], None]) -> None:
        """Start all workers, tell the tenant they serve (and the token that the first one made, if any).

        Keeps them running until told to stop.

        Raises:
            StartupError: a first worker does not start.
        """
        try:
            with self._signals():
                await first_of(self._stopping.wait(), self._begin(on_started))
                await self._stopping.wait()
        finally:
            self._stopping.set()
            await self._all([self._end(worker) for worker in self._workers])
            os.close(self._our_end)
            os.close(self._cells)
            for task in self._tasks:
                task.cancel()

    async def _begin(self, on_started: Callable[[str, str | None], None]) -> None:
        # One alone, so that one process makes the database, and says what is wrong or waited for.
        tenant, token = await self._add()
        await self._all(self._add() for _ in range(1, self._count))
        on_started(tenant, token)

    async def replace_all(self) -> None:
        """Put a new worker in the place of each, one after another."""
        async with self._replacing:
            for worker in list(self._workers):
                await self._add()
                await self._end(worker)
        _log(Event.WORKERS_REPLACED, count=self._count)

    @staticmethod
    async def _all(works: Iterable[Coroutine[None, None, object]]) -> None:
        for result in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _add(self) -> tuple[str, str | None]:
        row = self._rows.pop()
        try:
            process, said = await self._spawn(row)
        except BaseException:
            self._rows.add(row)
            raise
        worker = _Worker(process, row)
        self._workers.append(worker)
        self._keep(self._watch(worker))
        tenant, _, token = said.partition(" ")
        return tenant, token or None

    async def _spawn(self, row: int) -> tuple[asyncio.subprocess.Process, str]:
        """Start a process; return it with what it says once it accepts connections."""
        theirs, ours = os.pipe()
        descriptors = (self._listener.fileno(), ours, self._lifeline, self._cells)
        first = not self._workers
        command = (sys.executable, "-m", "holdfast.web.worker", *map(str, (*descriptors, row, int(first))))
        try:
            process = await asyncio.create_subprocess_exec(*command, pass_fds=descriptors, start_new_session=True)
        finally:
            os.close(ours)
        try:
            async with _reading(theirs) as ready:
                if said := (await ready.read()).decode():
                    return process, said
        except asyncio.CancelledError:
            await _given_up(process)
            raise
        code = await process.wait()
        raise StartupError(f"A worker ended with exit code {code} before it could serve; what it said stands above.")

    async def _watch(self, worker: _Worker) -> None:
        code = await worker.process.wait()
        self._workers.remove(worker)
        self._rows.add(worker.row)
        pause = _FIRST_PAUSE_S
        while not worker.stopping and not self._stopping.is_set():
            _log(Event.WORKER_ENDED, pid=worker.process.pid, code=code)
            try:
                await self._add()
                break
            except StartupError as error:
                _log(Event.WORKER_NOT_STARTED, reason=error, seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_S)

    async def _end(self, worker: _Worker) -> None:
        worker.stopping = True
        with contextlib.suppress(ProcessLookupError):
            worker.process.send_signal(self._farewell)
        try:
            async with asyncio.timeout(self._drain_s + _KILL_AFTER_S):
                await worker.process.wait()
        except TimeoutError:
            _log(Event.WORKER_KILLED, pid=worker.process.pid)
            worker.process.kill()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {
            signal.SIGTERM: self._stopping.set,
            signal.SIGINT: self._interrupt,
            signal.SIGHUP: lambda: self._keep(self.replace_all()),
        }
        for number, handle in handlers.items():
            loop.add_signal_handler(number, handle)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _interrupt(self) -> None:
        self._farewell = signal.SIGINT  # a person waits: no draining
        self._stopping.set()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log(Event.WORKERS_NOT_REPLACED, reason=error)


def serve_until_stopped(settings: Settings, workers: int, *, on_started: OnServing) -> None:
    """Serve with so many workers, in this very process if it is one, until SIGTERM or SIGINT.

    Raises:
        StartupError: the address is not ours, or this node cannot serve.
    """
    alone = workers == 1
    uvloop.run(run(settings, on_started=on_started) if alone else supervise(settings, workers, on_started=on_started))


async def supervise(settings: Settings, count: int, *, on_started: OnServing) -> None:
    """Serve with ``count`` workers until SIGTERM or SIGINT.

    Raises:
        StartupError: the address is not ours, or the workers do not start.
    """
    certificate_files(settings)  # made once, before the workers would all make one
    with contextlib.closing(listen(settings.host, settings.port)) as listener:
        listener.listen(BACKLOG)
        supervisor = Supervisor(listener, count, settings.drain.total_seconds())
        await supervisor.run(lambda tenant, token: on_started(Serving(url_of(listener), tenant, token)))


async def _given_up(process: asyncio.subprocess.Process) -> None:
    """End a worker that has yet to start; it may wait for PostgreSQL."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            await process.wait()
        except asyncio.CancelledError:  # it had its time
            process.kill()
            raise


@contextlib.asynccontextmanager
async def _reading(descriptor: int) -> AsyncIterator[asyncio.StreamReader]:
    """A pipe's reading end, closed afterwards."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        yield reader
    finally:
        transport.close()
