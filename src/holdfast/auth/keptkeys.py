"""Issuers' keys in the data folder, so that an issuer that is down while a node starts keeps nobody out."""

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from holdfast.auth.fetching import MAX_DOCUMENT_BYTES
from holdfast.resilience.events import Event, Log
from holdfast.resilience.ownership import OTHERS_WRITE

_log: Final = Log(__name__)


class KeptKeys:
    """One file per issuer, which only its owner may write: whoever writes it decides who is let in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, issuer: str, address: str | None) -> tuple[datetime, Any] | None:
        """Return when an issuer's key set was fetched, and the set; None if none is kept, or none that is credible.

        ``address``: where the keys are, as configured; what came from elsewhere does not count.
        """
        try:
            text = self._read(self._file(issuer))
            kept = json.loads(text)
            if (kept["issuer"], kept["address"]) != (issuer, address):
                return None
            fetched_at = datetime.fromisoformat(kept["fetched_at"])
            return (fetched_at, kept["keys"]) if fetched_at.tzinfo else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            _log(Event.ISSUER_KEYS_USELESS, issuer=issuer, reason=type(error).__name__)
            return None

    def keep(self, issuer: str, address: str | None, fetched_at: datetime, keys: Any) -> None:
        """Keep a key set in place of an earlier one. If that is not possible, the log says so."""
        kept = {"issuer": issuer, "address": address, "fetched_at": fetched_at.isoformat(), "keys": keys}
        try:
            self._write(self._file(issuer), json.dumps(kept).encode())
        except OSError as error:
            _log(Event.ISSUER_KEYS_NOT_KEPT, issuer=issuer, reason=type(error).__name__)

    def _file(self, issuer: str) -> Path:
        return self._folder / f"{hashlib.sha256(issuer.encode()).hexdigest()[:32]}.json"

    @staticmethod
    def _read(path: Path) -> bytes:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & OTHERS_WRITE or status.st_uid != os.geteuid():
                raise PermissionError("others may write it")
            return file.read(2 * MAX_DOCUMENT_BYTES)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(content)
        fresh.replace(path)
