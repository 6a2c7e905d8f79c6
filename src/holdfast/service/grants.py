"""The grants this node knows, in memory: decisions cost no round trip, and none outlives the lease."""

import asyncio
from collections import defaultdict
from datetime import timedelta

from holdfast.domain.policy import Caller, Grant, Permission, decide, may_delegate
from holdfast.errors import LeaseExpired
from holdfast.ports import Clock, Feed, GrantStore


class GrantBook:
    """A snapshot of all grants, renewed by announcements.

    Args:
        lease: how long the snapshot may be used after PostgreSQL last answered this node.
    """

    def __init__(self, store: GrantStore, feed: Feed, clock: Clock, lease: timedelta) -> None:
        self._store, self._feed, self._clock = store, feed, clock
        self._lease_s = lease.total_seconds()
        self._by_user: dict[str, list[Grant]] = {}
        self._loading = asyncio.Lock()

    async def load(self, user_id: str | None = None) -> None:
        """Read the grants of one identity, or of all, anew. One reading at a time: an older one never comes last."""
        async with self._loading:
            await self._load(user_id)

    async def _load(self, user_id: str | None) -> None:
        if user_id is None:
            by_user: defaultdict[str, list[Grant]] = defaultdict(list)
            for grant in await self._store.all():
                by_user[grant.user_id].append(grant)
            self._by_user = dict(by_user)
        elif grants := await self._store.of_user(user_id):
            self._by_user[user_id] = grants
        else:
            self._by_user.pop(user_id, None)

    def held_by(self, user_id: str) -> list[Grant]:
        """The grants of an identity, expired ones possibly among them."""
        return self._by_user.get(user_id, [])

    def allows(self, caller: Caller, permission: Permission, name: str) -> bool:
        """Whether the caller may do this now.

        Raises:
            LeaseExpired: PostgreSQL has been out of reach for longer than the lease.
        """
        self.check_lease()
        if caller.is_system:
            return True
        return decide(self.held_by(caller.id), permission, name, self._clock.now()) is not None

    def allows_delegation(self, caller: Caller, wanted: Grant) -> bool:
        """Whether the caller may hand out ``wanted``: nobody grants more than they hold."""
        self.check_lease()
        return caller.is_system or may_delegate(self.held_by(caller.id), wanted, self._clock.now())

    def check_lease(self) -> None:
        """See that the grants known here may still be acted on.

        Raises:
            LeaseExpired: PostgreSQL has been out of reach for longer than the lease.
        """
        if self._feed.seconds_since_contact() > self._lease_s:
            raise LeaseExpired(
                f"PostgreSQL has not answered for more than {self._lease_s:g} s, "
                "the longest this node may act on the grants it knows; restore PostgreSQL."
            )
