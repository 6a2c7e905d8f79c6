"""A command in a process of its own, with a terminal for its stdin and stderr, and for its stdout where asked."""

import codecs
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Self

PATIENCE_S = 60


def _listen_to_ctrl_c() -> None:
    """Whoever runs the tests in the background has the signal ignored, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Terminal:
    """Types and reads as a person would."""

    def __init__(self, *args: str, environ: Mapping[str, str], for_stdout: bool = False) -> None:
        self._main, side = pty.openpty()
        self.shown = ""
        self._decode = codecs.getincrementaldecoder("utf-8")().decode  # a read may end within a character
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from holdfast.cli.main import main; main()", *args],
            stdin=side,
            stdout=side if for_stdout else subprocess.PIPE,
            stderr=side,
            env={"PATH": os.environ["PATH"], **environ},
            start_new_session=True,
            preexec_fn=_listen_to_ctrl_c,  # noqa: PLW1509 - sets one signal, no locks
        )
        os.close(side)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        os.close(self._main)

    def wait_for(self, text: str) -> None:
        """Read the terminal until ``text`` was shown."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            ready, _, _ = select.select([self._main], [], [], max(0, until - time.monotonic()))
            assert ready, f"{text!r} was not shown: {self.shown!r}"
            self._read()

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._main, f"{text}\n".encode())

    def interrupt(self) -> None:
        """Send what Ctrl-C sends."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Return exit code and stdout once the command has ended. Who shows how far it is would wait for a reader."""
        until = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < until:
            if select.select([self._main], [], [], 0.1)[0]:
                self._read()
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        while select.select([self._main], [], [], 0)[0] and self._read():
            pass
        return self.process.returncode, (out or b"").decode()

    def _read(self) -> bool:
        try:
            data = os.read(self._main, 4096)
        except OSError:  # the other side is closed
            return False
        self.shown += self._decode(data)
        return bool(data)
