"""Encryption keys, by their ids: no key is ever in a document."""

from typing import Annotated

from msgspec import Meta

from holdfast.domain.keys import KeyState
from holdfast.v1_wire.documents import Document, Moment, Request

KeyId = Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
"""The fingerprint of a key."""


class KeyStatusDocument(Document):
    """One key. ``rows``: what is still sealed under it, by table and column; ``sealed``: how often it sealed.

    ``missing_on``, ``sealing_on``: nodes that do not hold it, and that seal under it.
    """

    key_id: str
    state: KeyState
    created_at: Moment | None
    activated_at: Moment | None
    retired_at: Moment | None
    sealed: int
    missing_on: list[str]
    sealing_on: list[str]
    rows: dict[str, int]


class EncryptionKeysDocument(Document):
    """All keys, the active one first, and what to do about them. ``nodes``: how many run."""

    keys: list[KeyStatusDocument]
    nodes: int
    recommendations: list[str]


class RewrapDocument(Document):
    """Some rows put under the active key. ``damaged``: rows that are not genuine, and are left as they are.

    ``complete``: the last row was looked at; else call again, which goes on from there.
    """

    renewed: int
    remaining: int
    damaged: list[str]
    complete: bool


class WhichKey(Request):
    """The fingerprint of a key; never the key itself."""

    key_id: KeyId
