"""Clients' credentials for assertions, at the commit point."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from holdfast.domain.assertions import ClientCredential
from holdfast.domain.audit import AuditRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRecord:
    """A client's credential, and who registered it.

    ``thumbprint``, ``expires_at``: of its certificate. ``trusted``: whether the issuer of a federated one is trusted
    where this was asked; None: not known.
    """

    credential: ClientCredential
    created_at: datetime
    created_by: str
    thumbprint: str | None = None
    expires_at: datetime | None = None
    trusted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssertionUse:
    """That an assertion was shown, without any part of it: hashes of its id and of all of it.

    ``source``: the address, or network, that showed it. ``ends_at``: when it ends.
    """

    client_id: str
    id_hash: bytes
    hash: bytes
    source: str
    ends_at: datetime


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

    async def use(self, use: AssertionUse) -> bool:
        """Note that an assertion was shown; False if its id was shown before, by another assertion or elsewhere."""

    async def list(self, client_id: str) -> Sequence[CredentialRecord]:
        """The credentials of a client, by name."""
