"""Who may do what: grants and clients, and the questions about them."""

from collections.abc import Iterable
from datetime import datetime

from holdfast.crypto.credentials import hash_client_secret, new_client_secret, verify_client_secret
from holdfast.domain.names import SecretName, canonical_pattern
from holdfast.domain.policy import (
    NOBODY,
    AuthMethod,
    Caller,
    Grant,
    Permission,
    canonical_identity,
    canonical_subject,
    parse_permissions,
)
from holdfast.domain.validation import valid_future
from holdfast.errors import InvalidInput
from holdfast.ports import ClientRecord, ClientStore, Clock, RuleKind, StoredRule
from holdfast.service.clients import ClientBook
from holdfast.service.grants import GrantBook
from holdfast.service.guard import WHOLE_VAULT, Guard
from holdfast.service.rules import Rules, granter


class AccessControl:
    """Hands out and takes back permissions."""

    def __init__(
        self,
        *,
        guard: Guard,
        book: GrantBook,
        rules: Rules,
        clients: ClientStore,
        client_book: ClientBook,
        clock: Clock,
    ) -> None:
        self._guard, self._book, self._rules = guard, book, rules
        self._clients, self._client_book, self._clock = clients, client_book, clock

    async def grant(
        self,
        caller: Caller,
        pattern: str,
        user_id: str,
        permissions: Iterable[str],
        *,
        granted_by: str | None,
        expires_at: datetime | None,
    ) -> Grant:
        """Insert or replace what an identity or a group may do to a name or glob.

        Raises:
            AccessDenied: the caller does not hold `grant` and all of it there, for as long.
        """
        now = self._clock.now()
        wanted = StoredRule(
            kind=RuleKind.GRANT,
            subject=canonical_subject(user_id),
            pattern=canonical_pattern(pattern),
            terms=tuple(sorted(parse_permissions(permissions))),
            granted_by=granter(caller, granted_by),
            granted_at=now,
            expires_at=valid_future("expires_at", expires_at, now),
        )
        return (await self._rules.put(caller, wanted, "grant")).grant()

    async def revoke(self, caller: Caller, pattern: str, user_id: str) -> bool:
        """Take a grant away, on this node at once; False if there was none."""
        wanted = StoredRule(
            kind=RuleKind.GRANT,
            subject=canonical_subject(user_id),
            pattern=canonical_pattern(pattern),
            terms=(),
            granted_by=caller.id,
            granted_at=self._clock.now(),
        )
        return await self._rules.remove(caller, wanted, "revoke")

    async def check(self, caller: Caller, name: SecretName, user_id: str, permission: str) -> bool:
        """Whether an identity may do something now. Callers may ask about themselves, or with `grant` about others."""
        identity = canonical_identity(user_id)
        (wanted,) = parse_permissions([permission])
        self._book.check_lease(name)
        if caller.id == identity:
            return self._book.find(caller, wanted, name) is not None
        async with self._guard.operation(caller, Permission.GRANT, name, "check") as authorized:
            allowed = self._book.find(Caller(identity), wanted, name) is not None
            await self._guard.record(authorized)
        return allowed

    async def list_grants(self, caller: Caller) -> list[Grant]:
        """All grants in force, for those who may grant on the whole vault, or read its audit trail."""
        async with self._guard.operation(
            caller, Permission.GRANT, WHOLE_VAULT, "list_grants", Permission.AUDIT
        ) as authorized:
            found = await self._rules.in_force(RuleKind.GRANT)
            await self._guard.record(authorized)
        return [rule.grant() for rule in found]

    async def add_client(self, caller: Caller, client_id: str) -> str:
        """Make a client and return its secret, which is shown this once.

        Raises:
            Conflict: the id is taken.
        """
        identity = canonical_identity(client_id)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.add") as authorized:
            secret = new_client_secret()
            stored = hash_client_secret(secret)
            await self._clients.add(identity, stored, caller.id, self._guard.success(authorized))
        await self._client_book.load()
        return secret

    async def remove_client(self, caller: Caller, client_id: str) -> bool:
        """Remove a client: its tokens stop working. Its grants stay, for a client of the same id."""
        identity = canonical_identity(client_id)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.remove") as authorized:
            removed = await self._clients.remove(identity, self._guard.success(authorized))
        await self._client_book.load()
        return removed

    async def list_clients(self, caller: Caller) -> list[ClientRecord]:
        """All clients, without their secrets."""
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "client.list") as authorized:
            found = list(await self._clients.list())
            await self._guard.record(authorized)
        return found

    async def authenticate(self, client_id: str, client_secret: str, ip_address: str | None) -> Caller:
        """Return the caller that a client id and its secret prove; both outcomes are on record.

        Raises:
            Unauthenticated: unknown id or wrong secret; the work done is the same.
        """
        try:
            caller = Caller(canonical_identity(client_id), ip_address=ip_address, method=AuthMethod.CLIENT)
        except InvalidInput:
            caller = Caller(NOBODY, ip_address=ip_address, method=AuthMethod.CLIENT)
        async with self._guard.login(caller):
            verify_client_secret(client_secret, await self._clients.secret_hash(caller.id))
        return caller
