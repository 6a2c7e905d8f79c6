"""No escalation by minting: whoever makes a credential of an identity holds all that the identity holds."""

from holdfast.domain.policy import NOBODY, Caller, Grant
from holdfast.ports import Approve, Clock
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.access.inheriting import Inheritance


class Minting:
    """Compares what callers hold with what they would come to hold."""

    def __init__(self, guard: Guard, book: GrantBook, clock: Clock) -> None:
        self._guard, self._book, self._clock = guard, book, clock
        self._inheritance = Inheritance(guard, book)

    def check_identity(self, authorized: Authorized, identity: str) -> None:
        """See that the caller holds all that an identity holds, by itself or through its groups.

        Raises:
            AccessDenied: they do not.
        """
        self._check(authorized, Caller(identity))

    async def check_made(self, authorized: Authorized, identity: str) -> None:
        """The same once more, by all rules there are now that the credential is made, and before anybody has it.

        Raises:
            AccessDenied: a rule was made meanwhile, by somebody who could not know of the credential.
        """
        await self._book.catch_up()
        self.check_identity(authorized, identity)

    def check_groups(self, authorized: Authorized, groups: frozenset[str]) -> None:
        """See that the caller holds all that members of these groups hold.

        Raises:
            AccessDenied: they do not.
        """
        self._check(authorized, Caller(NOBODY, groups=groups))

    def joining(
        self, authorized: Authorized, groups: frozenset[str], *, accept: bool, detail: str | None = None
    ) -> Approve:
        """Return what approves that an identity joins groups: its credentials come to what their members hold.

        ``accept``: whoever made them.
        """
        given = self._held(Caller(NOBODY, groups=groups))
        return self._inheritance.approval(authorized, given, accept=accept, detail=detail)

    def _check(self, authorized: Authorized, whom: Caller) -> None:
        for grant in self._held(whom):
            self._guard.check_delegation(authorized, grant)

    def _held(self, whom: Caller) -> list[Grant]:
        now = self._clock.now()
        grants = [rule.grant() for rule in self._book.rules_for(whom) if not rule.outlived]
        return [grant for grant in grants if not grant.expired(now)]
