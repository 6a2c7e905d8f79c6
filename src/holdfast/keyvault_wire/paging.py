"""Skip tokens: where the next page of a listing begins.

    base64url( MAC (16 bytes) || listing NUL position )      without padding

The MAC (HMAC-SHA256, cut to 16 bytes) covers what follows it, so a token is either one of ours for this very listing
or a 400. Nothing else enters it: a token goes with any api-version and any page size.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final

from holdfast.errors import InvalidInput

_MAC_BYTES: Final = 16
_MAX_LENGTH: Final = 512


class SkipTokens:
    """Makes and checks skip tokens under keys that all nodes of one service share.

    ``keys``: the one to make them with, then those they may have been made with on other nodes or before.
    """

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys

    def encode(self, listing: str, position: str) -> str:
        """Return the token for the items of ``listing`` after ``position``."""
        body = f"{listing}\0{position}".encode()
        return base64.urlsafe_b64encode(_mac(self._keys()[0], body) + body).rstrip(b"=").decode()

    def decode(self, listing: str, token: str) -> str:
        """Return the position that a token of this listing names.

        Raises:
            InvalidInput: the token is damaged, forged, or belongs to another listing.
        """
        raw = _unpadded(token)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(key, body)) for key in self._keys()):
            raise _refused()
        found, _, position = body.decode().partition("\0")
        if found != listing:
            raise _refused()
        return position


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, b"skip-token\0" + body, hashlib.sha256)[:_MAC_BYTES]


def _unpadded(token: str) -> bytes:
    if len(token) > _MAX_LENGTH:
        raise _refused()
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _refused() from error


def _refused() -> InvalidInput:
    return InvalidInput("$skiptoken is not one this listing gave out; begin again without it.", field="$skiptoken")
