"""Clients' credentials for assertions: registered, listed and removed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import uuid4

from holdfast.domain.assertions import (
    CertificateFacts,
    ClientCredential,
    CredentialKind,
    audience_of_tokens,
    credential_name,
    issuer_address,
    subject_of_tokens,
)
from holdfast.domain.identities import new_identity
from holdfast.domain.policy import Caller, Permission, canonical_identity
from holdfast.domain.revocations import of_identity
from holdfast.errors import InvalidInput
from holdfast.ports import ClientCredentialStore, Clock, CredentialRecord
from holdfast.service.access.directory import Directory
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.minting import Minting
from holdfast.service.callers import Context, authenticated


class ClientCredentials:
    """What clients show the token endpoint instead of a secret. All changes take `grant` on everything."""

    def __init__(
        self,
        *,
        guard: Guard,
        minting: Minting,
        directory: Directory,
        store: ClientCredentialStore,
        read_certificate: Callable[[str], CertificateFacts],
        is_trusted: Callable[[str], bool],
        clock: Clock,
    ) -> None:
        self._guard, self._minting, self._directory, self._store = guard, minting, directory, store
        self._read_certificate, self._is_trusted, self._clock = read_certificate, is_trusted, clock

    async def federate(
        self, client_id: str, *, name: str, issuer: str, subject: str, audience: str, context: Context = None
    ) -> CredentialRecord:
        """Let tokens of a trusted issuer log in as a client; the identity is made if there is none.

        Only a token with exactly this issuer, subject and audience does. ``name``: by which it is removed again.

        Raises:
            AccessDenied: the caller does not hold `grant` on everything, and all that the identity holds.
            Conflict: the client has a credential of that name, or 20 of them.
        """
        credential = ClientCredential(
            id=uuid4(),
            name=credential_name(name),
            kind=CredentialKind.FEDERATED,
            issuer=issuer_address(issuer),
            subject=subject_of_tokens(subject),
            audience=audience_of_tokens(audience),
        )
        caller = authenticated(context)
        return await self._add(caller, new_identity(client_id), credential, "client.federate")

    async def certify(
        self, client_id: str, *, name: str, certificate: str, context: Context = None
    ) -> CredentialRecord:
        """Let assertions that a certificate's key signed log in as a client; the identity is made if there is none.

        ``certificate``: PEM, the public part alone. ``name``: by which it is removed again.

        Raises:
            AccessDenied: the caller does not hold `grant` on everything, and all that the identity holds.
            Conflict: the client has a credential of that name, or 20 of them.
        """
        caller, facts = authenticated(context), self._read_certificate(certificate)
        if facts.expires_at <= self._clock.now():
            raise InvalidInput("certificate has expired; give the one that is in use.", field="certificate")
        credential = ClientCredential(
            id=uuid4(), name=credential_name(name), kind=CredentialKind.CERTIFICATE, certificate=facts.pem
        )
        return await self._add(caller, new_identity(client_id), credential, "client.certify")

    async def remove(self, client_id: str, name: str, *, context: Context = None) -> bool:
        """Remove a credential of a client, and end the tokens that it got; False if there is none of that name."""
        caller, identity, wanted = authenticated(context), canonical_identity(client_id), credential_name(name)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.withdraw") as authorized:
            record = self._guard.success(authorized, detail=of_identity(identity, credential=wanted))
            removed = await self._store.remove(identity, wanted, record)
        await self._directory.committed(identity)
        return removed

    async def list(self, client_id: str, *, context: Context = None) -> list[CredentialRecord]:
        """Return the credentials of a client, by name."""
        caller, identity = authenticated(context), canonical_identity(client_id)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.credentials"):
            return [self._with_facts(each) for each in await self._store.list(identity)]

    def _with_facts(self, record: CredentialRecord) -> CredentialRecord:
        """A credential with whether its issuer is trusted here, or with what people see of its certificate.

        There is nothing to see of one that somebody put there by hand.
        """
        if record.credential.kind is CredentialKind.FEDERATED:
            return replace(record, trusted=self._is_trusted(record.credential.issuer))
        if record.credential.kind is not CredentialKind.CERTIFICATE:
            return record
        try:
            facts = self._read_certificate(record.credential.certificate)
        except InvalidInput:
            return record
        return replace(record, thumbprint=facts.thumbprint, expires_at=facts.expires_at)

    async def _add(
        self, caller: Caller, identity: str, credential: ClientCredential, operation: str
    ) -> CredentialRecord:
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, operation) as authorized:
            self._minting.check_identity(authorized, identity)
            detail = of_identity(identity, credential=credential.name)
            record = self._guard.success(authorized, detail=f"{detail}; {self._said(credential)}")
            made = await self._store.add(identity, credential, caller.id, record)
            take_back = partial(self._store.remove, identity, credential.name)
            await self._minting.check_made(
                authorized, identity, undoing="client.withdraw", detail=detail, take_back=take_back
            )
        return self._with_facts(made)

    def _said(self, credential: ClientCredential) -> str:
        if credential.kind is CredentialKind.CERTIFICATE:
            return f"thumbprint={self._read_certificate(credential.certificate).thumbprint}"
        return f"issuer={credential.issuer} subject={credential.subject} audience={credential.audience}"
