"""Grants, clients and keys at the commit point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from holdfast.domain.audit import AuditRecord
from holdfast.domain.policy import Grant


class GrantStore(Protocol):
    """Grants at the commit point. Every change announces itself to all nodes."""

    async def all(self) -> list[Grant]:
        """Every grant that has not expired."""

    async def of_user(self, user_id: str) -> list[Grant]:
        """The unexpired grants of one identity."""

    async def put(self, grant: Grant, record: AuditRecord) -> None:
        """Insert or replace the grant of (pattern, user) together with its audit record."""

    async def remove(self, pattern: str, user_id: str, record: AuditRecord) -> bool:
        """Remove a grant together with its audit record; False if there was none (the record is kept)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """A client of the token endpoint, without its secret."""

    client_id: str
    created_at: datetime
    created_by: str


class ClientStore(Protocol):
    """Client ids with their secrets, kept as hashes only."""

    async def add(self, client_id: str, secret_hash: bytes, created_by: str, record: AuditRecord) -> None:
        """Insert a client.

        Raises:
            Conflict: the id is taken.
        """

    async def secret_hash(self, client_id: str) -> bytes | None:
        """Return the hash of an active client's secret."""

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """Remove a client; False if there was none."""

    async def list(self) -> Sequence[ClientRecord]:
        """Every client, by id."""


class KeyRegistry(Protocol):
    """The known answers of every ring key that ever sealed something here."""

    async def known_answers(self) -> Mapping[str, bytes]:
        """Known answers by key id; none in a database that has no schema yet."""

    async def add(self, key_id: str, known_answer: bytes) -> None:
        """Store the known answer of a key; an existing one stands."""
