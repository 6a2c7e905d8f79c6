"""Ends what a killed test run leaves behind.

A process of its own waits for a word from the run through a pipe. The kernel closes the pipe however the run ends; if
no word came, the processes are killed that were started since with a path of the run in their command line or
environment, and the short folders of the run are removed.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_WELL = b"well"
_ROUNDS = 5
"""A process that is found in one round may have started another one before it was killed."""


@contextmanager
def warden(short: Path, *folders: Path) -> Iterator[None]:
    """Have it watch over this process.

    ``short``: how the paths of short folders begin that belong to this process alone. ``folders``: its other folders,
    which are not removed.
    """
    command = [sys.executable, "-I", "-S", __file__, str(short), *(f"{folder}/" for folder in folders)]
    # In a session of its own, so that a signal to the group of the run does not reach it.
    process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        process.communicate(_WELL)


def _started(pid: int | str) -> int:
    """Ticks from the start of the machine to that of the process (proc_pid_stat(5), field 22)."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _of_the_run(beginnings: Sequence[bytes]) -> Iterator[int]:
    own = _started(os.getpid())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                facts = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                if any(each in facts for each in beginnings) and _started(entry.name) >= own:
                    yield int(entry.name)


def _clear_up(short: Path, folders: Sequence[str]) -> None:
    for _ in range(_ROUNDS):
        for pid in _of_the_run([os.fsencode(each) for each in (str(short), *folders)]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
    for folder in short.parent.glob(f"{short.name}*"):
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__" and sys.stdin.buffer.read() != _WELL:
    _clear_up(Path(sys.argv[1]), sys.argv[2:])
