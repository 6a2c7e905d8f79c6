"""Clients: what an identity shows the token endpoint, a secret or an assertion."""

from functools import partial

from holdfast.crypto.credentials import (
    hash_client_secret,
    new_client_secret,
    registration_of,
    verify_client_secret,
)
from holdfast.domain.assertions import ClientCredential
from holdfast.domain.identities import new_identity
from holdfast.domain.policy import NOBODY, AuthMethod, Caller, Permission, canonical_identity
from holdfast.domain.revocations import of_identity
from holdfast.errors import InvalidInput
from holdfast.ports import (
    AssertionUse,
    ChooseCredential,
    ClientCredentialStore,
    ClientRecord,
    ClientStore,
    Registration,
)
from holdfast.service.access.directory import Directory
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.minting import Minting


class Clients:
    """Makes, checks and removes them."""

    def __init__(
        self,
        *,
        guard: Guard,
        minting: Minting,
        directory: Directory,
        store: ClientStore,
        credentials: ClientCredentialStore,
    ) -> None:
        self._guard, self._minting, self._directory, self._store = guard, minting, directory, store
        self._credentials = credentials

    async def add(self, caller: Caller, client_id: str) -> str:
        """Make a client and return its secret, which is shown this once.

        Raises:
            AccessDenied: the caller does not hold `grant` on everything, and all that the identity holds.
            Conflict: the id is taken.
        """
        identity = new_identity(client_id)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.add") as authorized:
            self._minting.check_identity(authorized, identity)
            secret = new_client_secret()
            stored = hash_client_secret(secret)
            detail = of_identity(identity)
            await self._store.add(identity, stored, caller.id, self._guard.success(authorized, detail=detail))
            take_back = partial(self._store.remove, identity)
            await self._minting.check_made(
                authorized, identity, undoing="client.remove", detail=detail, take_back=take_back
            )
        return secret

    async def remove(self, caller: Caller, client_id: str) -> bool:
        """Remove a client: its tokens stop working. Its grants stay, for a client of the same id."""
        identity = canonical_identity(client_id)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.remove") as authorized:
            record = self._guard.success(authorized, detail=of_identity(identity))
            removed = await self._store.remove(identity, record)
        await self._directory.committed(identity)
        return removed

    async def list(self, caller: Caller) -> list[ClientRecord]:
        """All clients, without their secrets."""
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.list"):
            return list(await self._store.list())

    async def authenticate(self, client_id: str, client_secret: str, ip_address: str | None) -> Caller:
        """Return the caller that a client id and its secret prove; both outcomes are on record.

        Raises:
            Unauthenticated: unknown or disabled id, or wrong secret; the work done is the same.
        """
        caller = _caller(client_id, ip_address)
        async with self._guard.login(caller):
            self._guard.check_ready()
            standing = self._directory.enabled(caller.id)
            verify_client_secret(client_secret, standing.client_hash if standing else None)
        return caller

    async def authenticate_asserted(
        self, client_id: str, choose: ChooseCredential, ip_address: str | None
    ) -> ClientCredential:
        """Return the credential by which a client logs in; both outcomes are on record, with its name.

        Raises:
            Unauthenticated: unknown or disabled id, or ``choose`` says that none of its credentials is shown.
        """
        caller = _caller(client_id, ip_address)
        async with self._guard.login(caller) as authorized:
            self._guard.check_ready()
            credential = await choose(self.credentials(caller.id))
            await self._guard.record(authorized, detail=f"{credential.kind} credential {credential.name}")
        return credential

    async def use_assertion(self, use: AssertionUse) -> bool:
        """Note that an assertion was shown; False if its id was shown before, by another assertion or elsewhere."""
        return await self._credentials.use(use)

    def credentials(self, client_id: str) -> tuple[ClientCredential, ...]:
        """What a client shows instead of a secret, as far as this node knows; nothing of one that is disabled."""
        standing = self._directory.enabled(client_id)
        return standing.credentials if standing is not None else ()

    def registration(self, client_id: str) -> Registration | None:
        """Which registration a client has, as far as this node knows; None if there is none, or it is disabled."""
        standing = self._directory.enabled(client_id)
        if standing is None or standing.client_hash is None or standing.client_since is None:
            return None
        return Registration(registration_of(standing.client_hash), standing.client_since)


def _caller(client_id: str, ip_address: str | None) -> Caller:
    """Who is on record for an attempt to log in."""
    try:
        name = canonical_identity(client_id)
    except InvalidInput:
        name = NOBODY
    return Caller(name, ip_address=ip_address, method=AuthMethod.CLIENT)
