"""What there is: secrets, versions, deleted secrets. Callers see what they may list, and no values."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec.structs import replace

from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.secret import DeletedSecret, SecretSummary, SecretVersion, State
from holdfast.ports import Ledger
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.secrets.numbering import Histories, numbered
from holdfast.service.secrets.outcomes import deleted_secret

_AT_ONCE: Final = 1000
"""Secrets read per round trip."""

_LOOK: Final = 10_000
"""Names looked at per round trip."""


class Lister:
    """Answers listings from the commit point.

    Args:
        discover: asks Key Vault for a name that nothing here knows; SecretNotFound if it has it neither.
        histories: None when this installation stands alone.
    """

    def __init__(
        self,
        ledger: Ledger,
        guard: Guard,
        discover: Callable[[SecretName], Awaitable[None]],
        histories: Histories | None = None,
    ) -> None:
        self._ledger, self._guard, self._discover, self._histories = ledger, guard, discover, histories

    async def secrets(
        self, caller: Caller, state: State, after: SecretName | None, limit: int, *, strict: bool = False
    ) -> list[SecretSummary]:
        """Up to ``limit`` secrets in a state, in name order, that the caller may list; on record as one operation.

        Raises:
            AccessDenied: ``strict`` is given, and the caller may list nothing at all.
        """
        operation = "list" if state is State.ACTIVE else "list_deleted"
        async with self._guard.listing(caller, operation, strict=strict):
            everything = self._guard.may(caller, Permission.LIST, WHOLE_VAULT)
            look = self._all if everything else self._some
            found = await look(caller, state, after, limit)
        return [replace(entry, current=entry.current.told()) for entry in found]

    async def _all(self, caller: Caller, state: State, after: SecretName | None, limit: int) -> list[SecretSummary]:
        """For a caller who may list everything: whole rows, in order."""
        found: list[SecretSummary] = []
        while len(found) < limit:
            size = min(limit - len(found), _AT_ONCE)
            page = await self._ledger.summaries(state, after=after, limit=size)
            found += [entry for entry in page if self._guard.may(caller, Permission.LIST, entry.name)]
            if len(page) < size:
                break
            after = page[-1].name
        return found

    async def _some(self, caller: Caller, state: State, after: SecretName | None, limit: int) -> list[SecretSummary]:
        """For any other: names first, which cost little, and rows for those that the caller may list."""
        found: list[SecretSummary] = []
        while len(found) < limit:
            names = await self._ledger.names(state, after=after, limit=_LOOK)
            shown = [name for name in names if self._guard.may(caller, Permission.LIST, name)]
            page = shown[: min(limit - len(found), _AT_ONCE)]
            found += await self._ledger.summaries_of(state, page)
            if len(page) == len(shown) and len(names) < _LOOK:
                break
            after = names[-1] if len(page) == len(shown) else page[-1]
        return found

    async def versions(self, authorized: Authorized) -> list[SecretVersion]:
        """All versions of a secret, oldest first.

        Raises:
            SecretNotFound: it is not there, or deleted.
        """
        head = await self._ledger.head(authorized.name)
        if head is None:
            await self._discover(authorized.name)
            head = await self._ledger.head(authorized.name)
        if head is None or head.state is not State.ACTIVE:
            raise not_found(authorized.name)
        await numbered(self._histories, self._ledger, authorized.name, needed=False)
        versions = await self._ledger.versions(authorized.name)
        return [replace(version.told(), display_name=head.display_name) for version in versions]

    async def deleted(self, authorized: Authorized) -> DeletedSecret:
        """The facts of one deleted secret.

        Raises:
            SecretNotFound: it is not among the deleted.
        """
        found = await self._ledger.current(authorized.name)
        if found is None or found[0].state is not State.DELETED:
            raise not_found(authorized.name)
        head, current = found
        return deleted_secret(head, current.version, replicated=head.open_intents == 0)


def as_deleted(summary: SecretSummary) -> DeletedSecret:
    """A listing entry of a deleted secret."""
    if summary.deleted_at is None or summary.scheduled_purge_at is None:
        raise not_found(summary.name)
    return DeletedSecret(
        name=summary.name,
        display_name=summary.display_name,
        deleted_at=summary.deleted_at,
        scheduled_purge_at=summary.scheduled_purge_at,
        current=summary.current,
    )
