"""No escalation by minting: who makes a credential of an identity holds all that the identity holds."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from holdfast.domain.audit import AuditRecord, record_of
from holdfast.domain.policy import NOBODY, Caller, Grant
from holdfast.errors import AccessDenied, Conflict
from holdfast.ports import ApproveJoining, Clock, Credential
from holdfast.service.access.directory import Directory
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import WHOLE_VAULT, Authorized, Guard
from holdfast.service.access.inheriting import Inheritance
from holdfast.service.access.readback import read_back

T = TypeVar("T")

MAX_TRIES: Final = 5
"""How often a change is tried that others' changes of the rules get ahead of."""


class Minting:
    """Compares what callers hold with what they would come to hold."""

    def __init__(self, guard: Guard, book: GrantBook, directory: Directory, clock: Clock) -> None:
        self._guard, self._book, self._directory, self._clock = guard, book, directory, clock
        self._inheritance = Inheritance(guard, book)

    def check_identity(self, authorized: Authorized, identity: str) -> None:
        """See that the caller holds all that an identity holds, by itself or through its groups.

        Raises:
            AccessDenied: they do not.
        """
        self._check(authorized, Caller(identity))

    async def check_made(
        self,
        authorized: Authorized,
        identity: str,
        *,
        undoing: str,
        detail: str,
        take_back: Callable[[AuditRecord], Awaitable[object]],
    ) -> None:
        """The same once more, by all that is in force now that the credential is made, and before its maker is told.

        This node knows the credential from then on. Where it fails, ``take_back`` gets the record of ``undoing`` it,
        and this node forgets it at once: what a client shows instead of a secret is in someone's hands already.

        Raises:
            AccessDenied: a rule or a membership was made meanwhile, by somebody who could not know of the credential.
        """
        with read_back():
            await self._book.catch_up()
        await self._directory.committed(identity)
        try:
            self.check_identity(authorized, identity)
        except AccessDenied:
            await take_back(record_of(authorized.caller, undoing, WHOLE_VAULT, self._clock.now(), detail=detail))
            await self._directory.committed(identity)
            raise

    def joining(self, authorized: Authorized, *, accept: bool, detail: str | None = None) -> ApproveJoining:
        """Return what approves that an identity joins groups, to be called by ``by_all_rules`` alone.

        Who lets it join holds all that members hold, and so do the makers of its credentials, which come to it.
        ``accept``: no matter who made them.
        """

        def approve(credentials: Sequence[Credential], joined: frozenset[str], epoch: int) -> AuditRecord:
            if epoch != self._book.epoch:
                raise _RulesMoved
            held = self._check(authorized, Caller(NOBODY, groups=joined))
            return self._inheritance.approval(authorized, held, accept=accept, detail=detail)(credentials)

        return approve

    async def by_all_rules(self, change: Callable[[], Awaitable[T]]) -> T:
        """Make a change that is judged by all rules in force, those included that other nodes have just made.

        Raises:
            Conflict: rules were changed at every try.
        """
        for _ in range(MAX_TRIES):
            await self._book.catch_up()
            with suppress(_RulesMoved):
                return await change()
        raise Conflict("Rules are being changed all the time: try again in a moment.")

    def _check(self, authorized: Authorized, whom: Caller) -> list[Grant]:
        held = self._held(whom)
        for grant in held:
            self._guard.check_delegation(authorized, grant)
        return held

    def _held(self, whom: Caller) -> list[Grant]:
        now = self._clock.now()
        grants = [rule.grant() for rule in self._book.rules_for(whom) if not rule.outlived]
        return [grant for grant in grants if not grant.expired(now)]


class _RulesMoved(Exception):
    """What was approved by the rules known here is to be looked at again: there are others."""
