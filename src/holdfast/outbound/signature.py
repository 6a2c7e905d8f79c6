"""Signed messages, as Standard Webhooks 1.0 has them."""

import base64
import binascii
import hashlib
import hmac
import re
from typing import Final

SHORTEST_KEY: Final = 24
"""Bytes, as Standard Webhooks has it."""

_KEY: Final = re.compile(r"whsec_([A-Za-z0-9+/]+={0,2})", re.ASCII)


def signature(key: bytes, message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a signed message. ``timestamp`` is in seconds since 1970."""
    signed = hmac.digest(key, f"{message}.{timestamp}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def signing_key(text: str) -> bytes:
    """Return the key that ``whsec_…`` holds.

    Raises:
        ValueError: it holds none; the text says what it must be, and nothing of what it is.
    """
    found = _KEY.fullmatch(text.strip())
    try:
        key = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        key = b""
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"must be whsec_ and {SHORTEST_KEY} or more bytes in base64.")
    return key
