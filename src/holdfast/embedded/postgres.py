"""A PostgreSQL of our own in a data folder, for when no ``DATABASE_URL`` names another.

Several processes may use one data folder at a time. The first starts the server, the last one out stops it. A
process that is killed leaves the server running; the next one adopts it, or lets it recover if it was killed too.
"""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from holdfast.embedded import postmaster
from holdfast.embedded.account import Account, server_account
from holdfast.embedded.binaries import reachable_binaries, wheel_binaries
from holdfast.embedded.cluster import DATABASE, SUPERUSER, ensure_cluster, read_password
from holdfast.embedded.folder import DataFolder, admit, prepare, private_folder
from holdfast.embedded.locks import UserLock, start_lock
from holdfast.errors import StartupError

if TYPE_CHECKING:
    import subprocess

START_LOCK_PATIENCE_S = postmaster.READY_PATIENCE_S + postmaster.STOP_PATIENCE_S


class EmbeddedPostgres:
    """One process's use of the PostgreSQL server in the data folder ``folder``.

    ``start`` and ``stop`` may be called any number of times; each does nothing when there is nothing to do. Calling
    ``start`` again brings a server back that died in the meantime.
    """

    def __init__(self, folder: Path) -> None:
        self._root = folder
        self._one_at_a_time = threading.Lock()
        self._dsn: str | None = None
        self._share: UserLock | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """Where to connect, password included: not for logs. Raises StartupError before ``start``."""
        if self._dsn is None:
            raise StartupError("The embedded PostgreSQL is not started. Await start() first.")
        return self._dsn

    async def start(self) -> str:
        """Start the server, or join the one that runs, and return its DSN once it takes connections.

        Raises StartupError with what happened and the mend.
        """
        work = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # The thread cannot be called back; without this the server would outlive us.
            with contextlib.suppress(StartupError):
                await work
            await self.stop()
            raise

    def runs(self) -> bool:
        """Whether the server is there: ours, or one that another process started. It is not asked."""
        return postmaster.find(DataFolder(self._root)) is not None

    async def stop(self) -> None:
        """Leave the server, and stop it when nobody else uses it. Its data is on disk on return."""
        await asyncio.shield(asyncio.to_thread(self._stop))

    def _start(self) -> str:
        folder = prepare(self._root)
        try:
            with self._one_at_a_time, start_lock(folder.root / "start.lock", patience_s=START_LOCK_PATIENCE_S):
                self._join(folder)
        except OSError as error:
            raise StartupError(
                f"The embedded PostgreSQL in {folder.root} cannot be started: {error}. Mend that, or choose another "
                f"folder with HOLDFAST_DATA_DIR."
            ) from error
        return self.dsn

    def _join(self, folder: DataFolder) -> None:
        share = self._share or UserLock(folder.root / "lock")
        try:
            self._ensure_running(folder, server_account())
            self._dsn = _dsn(folder)
        except BaseException:
            share.release()
            self._share = self._dsn = None
            raise
        self._root, self._share = folder.root, share

    def _ensure_running(self, folder: DataFolder, account: Account) -> None:
        if postmaster.adopt(folder):
            return
        self._let_go()
        admit(account, folder)
        binaries = reachable_binaries(wheel_binaries(), account, folder)
        private_folder(folder.socket_folder, account)
        ensure_cluster(folder, account, binaries)
        self._process = postmaster.start(folder, account, binaries)
        postmaster.wait_until_ready(folder, self._process)

    def _stop(self) -> None:
        with self._one_at_a_time:
            if self._share is None:
                return
            folder, share = DataFolder(self._root), self._share
            self._share = self._dsn = None
            try:
                with start_lock(folder.root / "start.lock", patience_s=START_LOCK_PATIENCE_S):
                    if share.is_last():
                        postmaster.stop(folder)
            finally:
                share.release()
                self._let_go()

    def _let_go(self) -> None:
        """Take the exit status of a server that we started; others may go on using it after us."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0  # the server is meant to outlive us: no ResourceWarning
        self._process = None


def _dsn(folder: DataFolder) -> str:
    password = quote(read_password(folder), safe="")
    # Everything is spelled out, so that no PG* variable of the caller's environment has a say.
    options = urlencode({"host": str(folder.socket_folder), "port": postmaster.PORT, "sslmode": "disable"})
    return f"postgresql://{SUPERUSER}:{password}@/{DATABASE}?{options}"
