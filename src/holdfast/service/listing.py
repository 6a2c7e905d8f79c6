"""What there is: secrets, versions, deleted secrets. Callers see what they may list, and no values."""

from collections.abc import Awaitable, Callable

from holdfast.domain.lifecycle import not_found
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.secret import DeletedSecret, SecretSummary, SecretVersion, State
from holdfast.ports import Ledger
from holdfast.service.guard import Authorized, Guard
from holdfast.service.writing import deleted_secret

_BATCHES = (50, 1000)
"""The fewest and the most rows looked at per round trip while a listing is filtered by what the caller may see."""


class Lister:
    """Answers listings from the commit point.

    Args:
        discover: asks Key Vault for a name that nothing here knows; SecretNotFound if it has it neither.
    """

    def __init__(self, ledger: Ledger, guard: Guard, discover: Callable[[SecretName], Awaitable[None]]) -> None:
        self._ledger, self._guard, self._discover = ledger, guard, discover

    async def secrets(self, caller: Caller, state: State, after: SecretName | None, limit: int) -> list[SecretSummary]:
        """Up to ``limit`` secrets in a state, in name order, that the caller may list; on record as one operation."""
        operation = "list" if state is State.ACTIVE else "list_deleted"
        async with self._guard.listing(caller, operation) as authorized:
            found: list[SecretSummary] = []
            size = min(max(limit, _BATCHES[0]), _BATCHES[1])
            while len(found) < limit:
                batch = await self._ledger.summaries(state, after=after, limit=size)
                found += [entry for entry in batch if self._guard.may(caller, Permission.LIST, entry.name)]
                if len(batch) < size:
                    break
                after = batch[-1].name
            await self._guard.record(authorized)
        return found[:limit]

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
        return await self._ledger.versions(authorized.name)

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
