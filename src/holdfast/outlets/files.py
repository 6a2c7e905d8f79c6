"""Lines into a local file, or to standard output."""

import os
import sys
from collections.abc import Sequence

from holdfast.outlets.detached import Detached


class FileOutlet:
    """Appends to a file, which is on disk before ``send`` returns. Implements ``ports.Outlet``."""

    def __init__(self, path: str) -> None:
        self.name, self._path, self._thread = f"file {path}", path, Detached()

    async def send(self, lines: Sequence[bytes]) -> None:
        """See the port."""
        await self._thread.run(lambda: self._append(b"".join(line + b"\n" for line in lines)))

    def _append(self, data: bytes) -> None:
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # a crash cut the last line short
                data = b"\n" + data
            while data:
                data = data[os.write(descriptor, data) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


class StdoutOutlet:
    """Writes to standard output. Implements ``ports.Outlet``."""

    name = "stdout"

    def __init__(self) -> None:
        self._thread = Detached()

    async def send(self, lines: Sequence[bytes]) -> None:
        """See the port."""
        await self._thread.run(lambda: _print(b"".join(line + b"\n" for line in lines)))


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
