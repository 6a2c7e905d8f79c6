"""The secrets that clients log in with.

They are 256 random bits, so one SHA-256 is the right way to keep them: nobody can search that space, and a slow
password hash would only slow us down. (Passwords that people choose are another matter; Holdfast has none.)
"""

import hashlib
import hmac
import secrets
from typing import Final

from holdfast.errors import Unauthenticated

PREFIX: Final = "hfs_"
"""Lets scanners for leaked credentials recognise ours."""

_REGISTRATION_DIGITS: Final = 32
"""128 bits: no two registrations are ever alike."""

_NOBODY: Final = hashlib.sha256(secrets.token_bytes(32)).digest()


def new_client_secret() -> str:
    """Return a new client secret: ``hfs_`` and 256 random bits, safe in URLs and headers."""
    return PREFIX + secrets.token_urlsafe(32)


def hash_client_secret(secret: str) -> bytes:
    """Return the SHA-256 to keep in place of a client secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def registration_of(kept: bytes) -> str:
    """Return what tells one registration of a client from all others of its id, from the hash of its secret.

    It may be shown: no one finds 256 random bits by a hash of their hash.
    """
    return hashlib.sha256(b"registration" + kept).hexdigest()[:_REGISTRATION_DIGITS]


def verify_client_secret(secret: str, kept: bytes | None) -> None:
    """Check a client secret in constant time against the kept hash; None, for an unknown client, takes as long.

    Raises:
        Unauthenticated: it is not the client's secret.
    """
    presented = secret if isinstance(secret, str) else ""
    matches = hmac.compare_digest(hash_client_secret(presented), _NOBODY if kept is None else kept)
    if kept is None or not matches:
        raise Unauthenticated("Client id or client secret is wrong.")
