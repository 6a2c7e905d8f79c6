"""No escalation by minting: whoever makes a credential of an identity holds all that the identity holds."""

from holdfast.domain.policy import NOBODY, Caller
from holdfast.ports import Clock
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Authorized, Guard


class Minting:
    """Compares what callers hold with what they would come to hold."""

    def __init__(self, guard: Guard, book: GrantBook, clock: Clock) -> None:
        self._guard, self._book, self._clock = guard, book, clock

    def check_identity(self, authorized: Authorized, identity: str) -> None:
        """See that the caller holds all that an identity holds, by itself or through its groups.

        Raises:
            AccessDenied: they do not.
        """
        self._check(authorized, Caller(identity))

    def check_groups(self, authorized: Authorized, groups: frozenset[str]) -> None:
        """See that the caller holds all that members of these groups hold.

        Raises:
            AccessDenied: they do not.
        """
        self._check(authorized, Caller(NOBODY, groups=groups))

    def _check(self, authorized: Authorized, whom: Caller) -> None:
        now = self._clock.now()
        for rule in self._book.rules_for(whom):
            grant = rule.grant()
            if not rule.outlived and not grant.expired(now):
                self._guard.check_delegation(authorized, grant)
