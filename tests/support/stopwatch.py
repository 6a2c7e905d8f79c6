"""Time as a bound on Holdfast counts it, on a machine that is busy with other things."""

import contextlib
import time
from pathlib import Path
from typing import Final

_MOST_STARVED_S: Final = 30.0


class Stopwatch:
    """Runs from its making on.

    Time in which a busy machine gave no processor to this thread, or to a server that the tests started, is not
    counted, up to ``_MOST_STARVED_S``; time in which they were at work, or were blocked, is.
    """

    def __init__(self) -> None:
        self._began, self._before = time.monotonic(), _waits_ns()

    def seconds(self) -> float:
        """What is counted so far."""
        starved_s = sum(waited - self._before.get(pid, 0) for pid, waited in _waits_ns().items()) / 1e9
        return max(0.0, time.monotonic() - self._began - min(starved_s, _MOST_STARVED_S))

    def beyond(self, seconds: float) -> bool:
        """Whether more is counted than that; cheap as long as no more has passed."""
        return time.monotonic() - self._began >= seconds and self.seconds() >= seconds


def _waits_ns() -> dict[str, int]:
    """How long this thread, and each process below this one, was ready and had no processor: nanoseconds by pid."""
    waits, left = {"thread-self": _waited_ns("thread-self")}, ["self"]
    while left:
        below = _children(left.pop())
        waits |= {pid: _waited_ns(pid) for pid in below}
        left += below
    return waits


def _waited_ns(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])  # proc_pid_schedstat(5)
    except OSError:  # it has ended, or this is another system, on which all time is counted
        return 0


def _children(pid: str) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            found += (thread / "children").read_text().split()
    return found
