"""Clients' credentials for assertions, at the commit point."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from holdfast.domain.assertions import ClientCredential
from holdfast.domain.audit import AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    """A client's credential, and who registered it."""

    credential: ClientCredential
    created_at: datetime
    created_by: str


ChooseCredential: TypeAlias = Callable[[Sequence[ClientCredential]], Awaitable[ClientCredential]]
"""Returns which of a client's credentials an assertion is good for, or raises ``Unauthenticated``."""


class ClientCredentialStore(Protocol):
    """What clients show instead of a secret.

    Changes raise ``IntegrityFailure`` for an identity that was edited behind our back.
    """

    async def add(
        self, client_id: str, credential: ClientCredential, created_by: str, record: AuditRecord
    ) -> CredentialRecord:
        """Insert a credential, and the identity of that name if there is none; returns it.

        Raises:
            Conflict: the client has one of that name, or as many as one may have; or the identity's name is taken in
                other letters.
        """

    async def remove(self, client_id: str, name: str, record: AuditRecord) -> bool:
        """Remove a credential by its name; False if there was none."""

    async def list(self, client_id: str) -> Sequence[CredentialRecord]:
        """The credentials of a client, by name."""
