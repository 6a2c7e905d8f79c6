"""Where sealed blobs in the database belong: the purpose and the context of each kind, which it opens for alone.

Whoever adds a kind adds how it is put under another key: ``stores/postgres/renewals.py``.
"""

from base64 import b64decode, b64encode
from typing import Final
from uuid import UUID

AUDIT_KEY: Final = "audit-key"
"""The private key of checkpoints; its context is the public one."""

CANDIDATE: Final = "rotation"
PROPOSAL: Final = "proposal"  # a change that Key Vault is being asked about
TOTP: Final = "totp"  # the secret of a second factor
REQUEST: Final = "request"
"""The digest of a request that came with an idempotency key."""

_TEXT: Final = b"v2"
_KEY_ID: Final = slice(1, 9)
"""Where the id of its key is in a blob."""


def candidate_place(run: UUID, incarnation: UUID, name: str, from_version: int) -> bytes:
    """The context of a rotation's candidate."""
    return f"{run}:{incarnation}:{name}:{from_version}".encode()


def proposal_place(intent: UUID, name: str) -> bytes:
    """The context of a change that Key Vault is being asked about."""
    return f"{intent}:{name}".encode()


def totp_place(name: str, incarnation: UUID) -> bytes:
    """The context of the secret of an identity's second factor."""
    return f"{incarnation} {name}".encode()


def request_place(user_id: str, key: str) -> bytes:
    """The context of a request's digest."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (user_id.encode(), key.encode()))


def as_text(blob: bytes) -> bytes:
    """A blob as text that shows its key where attestations show theirs: ``v2.<key id>.<base64>``."""
    return b".".join((_TEXT, blob[_KEY_ID].hex().encode(), b64encode(blob)))


def from_text(text: bytes) -> bytes | None:
    """The blob in such a text; None if it is none."""
    kind, _, rest = text.partition(b".")
    _, _, encoded = rest.partition(b".")
    if kind != _TEXT:
        return None
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        return b""  # which nothing opens
