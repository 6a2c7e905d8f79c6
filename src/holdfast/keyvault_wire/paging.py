"""Skip tokens: where the next page of a listing begins.

    base64url( MAC (16 bytes) || listing NUL position )      without padding

The MAC (HMAC-SHA256, cut to 16 bytes) covers what follows it, so a token is either one of ours for this very listing
or a 400. Nothing else enters it: a token goes with any api-version and any page size.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Final

from holdfast.errors import InvalidInput

_MAC_BYTES: Final = 16
_MAX_LENGTH: Final = 512


class SkipTokens:
    """Makes and checks skip tokens under a key that all nodes of one service share."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encode(self, listing: str, position: str) -> str:
        """Return the token for the items of ``listing`` after ``position``."""
        body = f"{listing}\0{position}".encode()
        return base64.urlsafe_b64encode(self._mac(body) + body).rstrip(b"=").decode()

    def decode(self, listing: str, token: str) -> str:
        """Return the position that a token of this listing names.

        Raises:
            InvalidInput: the token is damaged, forged, or belongs to another listing.
        """
        raw = _unpadded(token)
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body)):
            raise _refused()
        found, _, position = body.decode().partition("\0")
        if found != listing:
            raise _refused()
        return position

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"skip-token\0" + body, hashlib.sha256)[:_MAC_BYTES]


def _unpadded(token: str) -> bytes:
    if len(token) > _MAX_LENGTH:
        raise _refused()
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars="-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _refused() from error


def _refused() -> InvalidInput:
    return InvalidInput("$skiptoken is not one this listing gave out; begin again without it.", field="$skiptoken")
