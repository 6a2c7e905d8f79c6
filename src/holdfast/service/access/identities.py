"""Identities: made, disabled, removed; their groups; and the first of all."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from holdfast.domain.identities import ADMIN_ID, identity_kind, local_groups, new_identity
from holdfast.domain.policy import SYSTEM_ID, AuthMethod, Caller, Permission, canonical_identity
from holdfast.domain.revocations import of_identity
from holdfast.domain.roles import Role
from holdfast.domain.slices import MAX_SLICE, Slice, slice_of
from holdfast.domain.validation import valid_number
from holdfast.errors import Conflict, IdentityNotFound
from holdfast.ports import Clock, IdentityRecord, IdentityStore, RuleKind, Sealer, StoredRule
from holdfast.service.access.directory import Directory
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.minting import Minting
from holdfast.service.access.secondfactor import SecondFactors
from holdfast.service.access.tokens import NewToken, Tokens
from holdfast.service.callers import Context, authenticated

ADMIN_TOKEN_LIFETIME: Final = timedelta(days=365)
"""The first token must last until there are others; it is revoked when it is no longer needed."""


class Identities:
    """What may be done with identities: all of it takes `grant` on everything. ``totp``: their second factors."""

    def __init__(
        self,
        *,
        guard: Guard,
        minting: Minting,
        directory: Directory,
        store: IdentityStore,
        sealer: Sealer,
        tokens: Tokens,
        totp: SecondFactors,
        announce: Callable[[int, str | None], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._guard, self._minting, self._directory, self._store = guard, minting, directory, store
        self._sealer, self._tokens, self._announce, self._clock = sealer, tokens, announce, clock
        self.totp = totp

    async def add(self, name: str, kind: str = "application", *, context: Context = None) -> None:
        """Make an identity, which holds no credential yet. ``kind``: application or person.

        Raises:
            Conflict: the name is taken, or differs from a taken one by the case of letters only.
        """
        caller, identity, what = authenticated(context), new_identity(name), identity_kind(kind)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "identity.add") as authorized:
            record = self._guard.success(authorized, detail=of_identity(identity))
            await self._store.add(identity, what, caller.id, record)
        await self._directory.committed(identity)

    async def list(self, *, context: Context = None) -> list[IdentityRecord]:
        """Return all identities, by name."""
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "identity.list"):
            return await self._store.list()

    async def page(
        self, *, after: str | None = None, limit: int = 100, context: Context = None
    ) -> Slice[IdentityRecord]:
        """Return up to ``limit`` identities by name, those after a name."""
        caller, size = authenticated(context), valid_number("limit", limit, 1, MAX_SLICE)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "identity.list"):
            found = await self._store.list(after=after, limit=size + 1)
        return slice_of(found, size)

    async def disable(self, name: str, *, context: Context = None) -> None:
        """Stop all tokens and secrets of an identity, here at once and on other nodes within a second.

        One that issuers vouch for, and that nothing is kept about yet, has to be added first.

        Raises:
            IdentityNotFound: there is no such identity.
        """
        await self._switch(authenticated(context), canonical_identity(name), "identity.disable", disabled=True)

    async def enable(self, name: str, *, context: Context = None) -> None:
        """Let an identity's tokens and secrets work again.

        Raises:
            AccessDenied: the caller does not hold all that the identity holds.
            IdentityNotFound: there is no such identity.
        """
        await self._switch(authenticated(context), canonical_identity(name), "identity.enable", disabled=False)

    async def _switch(self, caller: Caller, name: str, operation: str, *, disabled: bool) -> None:
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, operation) as authorized:
            if not disabled:
                self._minting.check_identity(authorized, name)
            record = self._guard.success(authorized, detail=of_identity(name))
            if not await self._store.set_disabled(name, record, disabled=disabled):
                raise _no_such_identity(name)
        await self._directory.committed(name)

    async def remove(self, name: str, *, context: Context = None) -> bool:
        """Remove an identity for good, with its credentials, groups, grants and roles; False if there was none."""
        caller, identity = authenticated(context), canonical_identity(name)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "identity.remove") as authorized:
            record = self._guard.success(authorized, detail=of_identity(identity))
            removed, epoch = await self._store.remove(identity, record)
        await self._reload(identity, epoch)
        return removed

    async def set_groups(
        self,
        name: str,
        groups: Iterable[str],
        *,
        accept_existing_credentials: bool = False,
        context: Context = None,
    ) -> frozenset[str]:
        """Make an identity a member of exactly these groups; returns them.

        ``accept_existing_credentials``: also where somebody made a credential of it who does not hold what members of
        a joined group hold.

        Raises:
            AccessDenied: the caller does not hold all that members of a joined group hold.
            Conflict: there are such credentials, and they are not accepted; the error names them.
            IdentityNotFound: there is no such identity.
        """
        caller, identity, wanted = authenticated(context), canonical_identity(name), local_groups(groups)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "identity.groups") as authorized:
            detail = of_identity(identity, groups=wanted)
            approve = self._minting.joining(authorized, accept=accept_existing_credentials, detail=detail)
            change = partial(self._store.set_groups, identity, wanted, caller.id, approve)
            if not await self._minting.by_all_rules(change):
                raise _no_such_identity(identity)
        await self._directory.committed(identity)
        return wanted

    def groups_of(self, name: str) -> frozenset[str]:
        """The groups, kept here, that an identity is a member of; from memory."""
        return self._directory.groups_of(name)

    async def verify_totp(self, code: str, *, context: Context = None) -> None:
        """See that the caller has the second factor at hand; see ``SecondFactors.verify``."""
        await self.totp.verify(code, context=context)

    # --- the first identity, and the way back for whoever lost its token ---

    async def bootstrap(self) -> NewToken | None:
        """Where there is no identity at all, make ``admin``, which may do everything, and return its only token."""
        if await self._store.list(limit=1):
            return None
        caller = Caller(SYSTEM_ID, is_system=True, user_agent="first start", method=AuthMethod.SYSTEM)
        new, rule = self._admin_token(caller), self._admin_rule(caller)
        try:
            epoch = await self._establish(caller, new, rule)
        except Conflict:
            return None
        await self._reload(ADMIN_ID, epoch)
        return new

    async def _establish(self, caller: Caller, new: NewToken, rule: StoredRule) -> int:
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "admin.bootstrap") as authorized:
            epoch = await self._store.establish(new.record, new.hash, rule, self._guard.success(authorized))
            if epoch is None:
                raise Conflict("Somebody else has made the first identity at this moment.")
        return epoch

    async def reset_admin(self, *, context: Context = None) -> NewToken:
        """Take every credential of ``admin`` back, second factor and groups included; return a new token of it.

        Raises:
            AccessDenied: the caller may not do everything.
        """
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "admin.reset") as authorized:
            new, rule, record = self._admin_token(caller), self._admin_rule(caller), self._guard.success(authorized)
            self._guard.check_delegation(authorized, rule.grant())
            epoch = await self._store.reset(new.record, new.hash, rule, record)
        await self._reload(ADMIN_ID, epoch)
        return new

    async def _reload(self, name: str, epoch: int) -> None:
        await self._directory.committed(name)
        await self._announce(epoch, name)

    def _admin_token(self, caller: Caller) -> NewToken:
        return self._tokens.mint(ADMIN_ID, caller, lifetime=ADMIN_TOKEN_LIFETIME, description="shown at the start")

    def _admin_rule(self, caller: Caller) -> StoredRule:
        rule = StoredRule(
            kind=RuleKind.ROLE,
            subject=ADMIN_ID,
            pattern=WHOLE_VAULT,
            terms=(Role.ADMIN.value,),
            granted_by=caller.id,
            granted_at=self._clock.now(),
        )
        return replace(rule, attestation=self._sealer.attest(rule.facts()))


def _no_such_identity(name: str) -> IdentityNotFound:
    return IdentityNotFound(f"There is no identity {name!r}; add it first.")
