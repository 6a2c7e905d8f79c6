"""What an import must remember over its own death: a random key, from which its writes have their idempotency keys.

A write whose answer was lost, by a kill or a cut connection, is thereby recognised when the same import goes on, and
takes effect once. Nothing is derived from a value.
"""

import hashlib
import hmac
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from holdfast.errors import Conflict, InvalidInput, StartupError
from holdfast.resilience.durable import sync_folder

try:
    import fcntl
except ImportError as error:
    raise StartupError(
        "Taking over secrets needs Linux or macOS: no file can be locked here as an import does."
    ) from error

_KEY_BYTES: Final = 32


class Journal:
    """The file of one import, in a folder that only its owner reads, locked as long as the import runs.

    ``what`` names the source and where it goes: the same import finds its file again.
    """

    def __init__(self, folder: Path, what: str) -> None:
        self.file: Final = folder / f"{hashlib.sha256(what.encode(errors='surrogateescape')).hexdigest()[:32]}.json"
        self.continued = False
        self._key = b""
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        """Open it.

        Raises:
            Conflict: the same import is running.
            InvalidInput: the file is damaged, or cannot be made.
        """
        try:
            self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise Conflict("The same import is running at this moment: wait for it.") from None
        except OSError as error:
            self._close()
            raise InvalidInput(f"{self.file} cannot be kept: {error.strerror}. Set XDG_STATE_HOME.") from None
        self._key = self._kept() or self._made()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def key(self, name: str, generation: int) -> str:
        """Return the idempotency key of the write that replaces ``generation`` of a secret."""
        return hmac.new(self._key, f"{name}/{generation}".encode(), hashlib.sha256).hexdigest()

    def finish(self) -> None:
        """Forget the import: it is complete."""
        self.file.unlink(missing_ok=True)

    def _kept(self) -> bytes:
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            data = os.pread(self._descriptor or 0, 4096, 0)
            if not data:
                return b""
            key = bytes.fromhex(json.loads(data)["key"])
            self.continued = len(key) == _KEY_BYTES
            return key if self.continued else b""
        return b""  # torn: nothing was written with a key that never became durable

    def _made(self) -> bytes:
        key, descriptor = secrets.token_bytes(_KEY_BYTES), self._descriptor or 0
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"key": key.hex()}).encode(), 0)
        os.fsync(descriptor)
        sync_folder(self.file.parent)
        return key

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
