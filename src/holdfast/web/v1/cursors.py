"""Cursors: where the next page of a listing begins, for the caller who was given it, and nobody else.

    base64url( MAC (16 bytes) || position )      without padding

The MAC (HMAC-SHA256, cut to 16 bytes) covers the caller, the listing, what it was filtered by, and the position.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from holdfast.errors import InvalidInput

T = TypeVar("T")

_MAC_BYTES: Final = 16
MAX_CURSOR: Final = 1024
"""Characters."""


class Cursors:
    """Makes and checks cursors under keys that all nodes of one installation share.

    ``keys``: the one to make them with, then those they may have been made with on other nodes or before.
    """

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys

    def encode(self, scope: Sequence[str], position: str) -> str:
        """Return the cursor for what follows ``position``; ``scope``: who lists what, and how it is filtered."""
        raw = position.encode()
        mac = _mac(self._keys()[0], scope, raw)
        return base64.urlsafe_b64encode(mac + raw).rstrip(b"=").decode()

    def decode(self, scope: Sequence[str], cursor: str) -> str:
        """Return the position of a cursor.

        Raises:
            InvalidInput: damaged, forged, somebody else's, or of another listing.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True)
        except (ValueError, binascii.Error):
            raise _refused() from None
        mac, position = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, scope, position)) for key in self._keys()):
            raise _refused()
        return position.decode()


def cut(items: Sequence[T], size: int, after: str | None, key: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Return a page of a sorted whole, and the position it ends at when more follows."""
    rest = [item for item in items if after is None or key(item) > after]
    page = rest[:size]
    return page, key(page[-1]) if len(rest) > size else None


def _mac(key: bytes, scope: Sequence[str], position: bytes) -> bytes:
    parts = (*(part.encode() for part in scope), position)
    framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, b"v1-cursor\0" + framed, hashlib.sha256)[:_MAC_BYTES]


def _refused() -> InvalidInput:
    return InvalidInput("cursor is not one this listing gave you; begin again without it.", field="cursor")
