"""API tokens: made, renewed, revoked, and when they were last used."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID, uuid4

from holdfast.crypto.api_tokens import hash_api_token, new_api_token
from holdfast.domain.identities import (
    DEFAULT_TOKEN_LIFETIME,
    MAX_TOKEN_LIFETIME,
    Network,
    valid_lifetime,
    valid_networks,
    valid_token_description,
)
from holdfast.domain.policy import Caller, Permission, canonical_identity
from holdfast.domain.revocations import of_identity
from holdfast.domain.slices import MAX_SLICE, Slice, slice_of
from holdfast.domain.validation import valid_number
from holdfast.errors import BackendUnavailable, Conflict, InvalidInput, TokenNotFound
from holdfast.ports import Clock, TokenRecord, TokenStore
from holdfast.resilience.events import Event, Log
from holdfast.resilience.supervision import surviving
from holdfast.service.access.directory import Directory
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.access.minting import Minting
from holdfast.service.callers import Context, authenticated

_log: Final = Log(__name__)

LAST_USE_INTERVAL_S: Final = 10.0
"""Seconds between notes of last uses: one statement for all tokens, however often they are used."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token, which is shown this once, and what is kept of it."""

    token: str = field(repr=False)
    record: TokenRecord

    @property
    def hash(self) -> bytes:
        """What the token is found by."""
        return hash_api_token(self.token)


class Tokens:
    """What may be done with API tokens. Identities look after their own; the rest takes `grant` on everything."""

    def __init__(
        self, *, guard: Guard, minting: Minting, directory: Directory, store: TokenStore, clock: Clock
    ) -> None:
        self._guard, self._minting, self._directory = guard, minting, directory
        self._store, self._clock = store, clock

    async def create(
        self,
        identity: str,
        *,
        lifetime: timedelta = DEFAULT_TOKEN_LIFETIME,
        max_lifetime: timedelta = MAX_TOKEN_LIFETIME,
        networks: Iterable[str] = (),
        description: str | None = None,
        context: Context = None,
    ) -> NewToken:
        """Make a token for an identity; the text of it is in the answer and nowhere else.

        ``lifetime``: until it has to be renewed; ``max_lifetime``: until no renewal helps. Both from a minute to 365
        days. ``networks``: where it may be used from, in CIDR notation; none: from everywhere.

        Raises:
            AccessDenied: the caller does not hold `grant` on everything, and all that the identity holds.
            IdentityNotFound: there is no such identity.
            Conflict: it is disabled.
        """
        caller, name = authenticated(context), canonical_identity(identity)
        new = self.mint(
            name,
            caller,
            lifetime=valid_lifetime("lifetime", lifetime),
            max_lifetime=valid_lifetime("max_lifetime", max_lifetime),
            networks=valid_networks(networks),
            description=valid_token_description(description),
        )
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "token.create") as authorized:
            self._minting.check_identity(authorized, name)
            detail = of_identity(name, token=new.record.id)
            await self._store.add(new.record, new.hash, self._guard.success(authorized, detail=detail))
            take_back = partial(self._store.revoke, new.record.id)
            await self._minting.check_made(authorized, name, undoing="token.revoke", detail=detail, take_back=take_back)
        return new

    def mint(
        self,
        identity: str,
        caller: Caller,
        *,
        lifetime: timedelta = DEFAULT_TOKEN_LIFETIME,
        max_lifetime: timedelta = MAX_TOKEN_LIFETIME,
        networks: tuple[Network, ...] = (),
        description: str | None = None,
    ) -> NewToken:
        """Return a token that nothing is stored of yet."""
        now = self._clock.now()
        record = TokenRecord(
            id=uuid4(),
            identity=identity,
            created_by=caller.id,
            created_at=now,
            lifetime=lifetime,
            expires_at=now + min(lifetime, max_lifetime),
            max_expires_at=now + max_lifetime,
            networks=networks,
            description=description,
        )
        return NewToken(new_api_token(), record)

    async def list(self, identity: str | None = None, *, context: Context = None) -> list[TokenRecord]:
        """Return the tokens of an identity, or of all, newest first, without the tokens themselves."""
        caller, name = authenticated(context), None if identity is None else canonical_identity(identity)
        async with self._access(caller, name, "token.list"):
            return list(await self._store.list(name))

    async def page(
        self,
        identity: str | None = None,
        *,
        after: tuple[datetime, UUID] | None = None,
        limit: int = 100,
        context: Context = None,
    ) -> Slice[TokenRecord]:
        """Return up to ``limit`` tokens of an identity, or of all, oldest first, those after a creation and id."""
        caller, name = authenticated(context), None if identity is None else canonical_identity(identity)
        size = valid_number("limit", limit, 1, MAX_SLICE)
        async with self._access(caller, name, "token.list"):
            found = await self._store.page(name, after, size + 1)
        return slice_of(found, size)

    async def renew(self, token_id: UUID, *, context: Context = None) -> TokenRecord:
        """Let a good token live for its lifetime from now, at most until its very end.

        A token may renew itself and no other; for that the caller has been authenticated by it.

        Raises:
            AccessDenied: the caller neither is that token nor could make such a token.
            TokenNotFound: there is no such token.
            Conflict: it is revoked or has expired.
        """
        caller = authenticated(context)
        token = await self._found(caller, token_id, "token.renew")
        own = token is not None and caller.credential == str(token.id) and caller.id == token.identity
        async with self._access(caller, caller.id if own else None, "token.renew") as authorized:
            if token is None:
                raise _no_such_token()
            if not own:
                self._minting.check_identity(authorized, token.identity)
            until = self._clock.now() + token.lifetime
            detail = of_identity(token.identity, token=token.id)
            renewed = await self._store.renew(token.id, until, self._guard.success(authorized, detail=detail))
            if renewed is None:
                raise Conflict("The token is revoked or has expired; make a new one.")
        await self._directory.committed(token.identity)
        return renewed

    async def revoke(self, token_id: UUID, *, context: Context = None) -> bool:
        """End a token at once, on this node and within a second on all others; False if it was revoked before.

        Raises:
            TokenNotFound: there is no such token.
        """
        caller = authenticated(context)
        token = await self._found(caller, token_id, "token.revoke")
        async with self._access(caller, token.identity if token else None, "token.revoke") as authorized:
            if token is None:
                raise _no_such_token()
            detail = of_identity(token.identity, token=token.id)
            revoked = await self._store.revoke(token.id, self._guard.success(authorized, detail=detail))
        await self._directory.committed(token.identity)
        return revoked

    async def _found(self, caller: Caller, token_id: UUID, operation: str) -> TokenRecord | None:
        async with self._guard.finding(caller, operation):
            return await self._store.get(token_id)

    @asynccontextmanager
    async def _access(self, caller: Caller, owner: str | None, operation: str) -> AsyncIterator[Authorized]:
        """Let owners look after what is theirs; others need `grant` on everything."""
        if owner is not None and caller.id == owner and not caller.is_system:
            async with self._guard.own(caller, operation) as authorized:
                yield authorized
        else:
            async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, operation) as authorized:
                yield authorized

    async def note_uses(self) -> None:
        """Keep writing down when tokens were last used, until cancelled."""
        while True:
            await self._clock.sleep(LAST_USE_INTERVAL_S)
            with surviving(_log, "Noting when tokens were last used"):
                await self.flush_uses()

    async def flush_uses(self) -> None:
        """Write down when tokens were last used; what cannot be written is lost, for it decides nothing."""
        used = self._directory.take_used()
        try:
            if used:
                await self._store.touch(used)
        except BackendUnavailable as error:
            _log(Event.LAST_USES_NOT_NOTED, count=len(used), reason=error)


def token_id(raw: object) -> UUID:
    """Return the id of a token.

    Raises:
        InvalidInput: it is no UUID.
    """
    try:
        return UUID(str(raw))
    except ValueError:
        raise InvalidInput("A token's id is a UUID; listing the tokens shows it.", field="id") from None


def _no_such_token() -> TokenNotFound:
    return TokenNotFound("There is no such token.")
