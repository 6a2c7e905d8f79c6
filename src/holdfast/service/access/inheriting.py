"""No inheritance: what is handed out reaches no credential whose maker could not hand it out, unless that is accepted.

Anyone who makes a credential of an identity that holds nothing needs to hold nothing. They would come to all that the
identity is given later, by people who do not know of them.
"""

from collections.abc import Sequence
from typing import Final

from holdfast.domain.audit import AuditRecord
from holdfast.domain.policy import OPERATOR_PREFIX, SYSTEM_ID, Caller, Grant
from holdfast.errors import Conflict
from holdfast.ports import Approve, Credential
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Authorized, Guard

MAX_NAMED: Final = 10
"""Credentials that an answer, and a record, name one by one."""


class Inheritance:
    """Looks at who made the credentials that a rule or a membership would reach."""

    def __init__(self, guard: Guard, book: GrantBook) -> None:
        self._guard, self._book = guard, book

    def approval(
        self, authorized: Authorized, given: Sequence[Grant], *, accept: bool, detail: str | None = None
    ) -> Approve:
        """Return what approves that ``given`` reaches credentials; ``accept``: no matter who made them.

        It raises ``Conflict`` for credentials that somebody made who does not hold all of it.
        """

        def approve(credentials: Sequence[Credential]) -> AuditRecord:
            foreign = [each for each in credentials if not self._could_give(each.made_by, authorized.caller, given)]
            if foreign and not accept:
                raise _refusal(foreign)
            accepted = f"accepted {_named(foreign)}" if foreign else None
            return self._guard.success(authorized, detail="; ".join(filter(None, (detail, accepted))) or None)

        return approve

    def _could_give(self, maker: str, caller: Caller, given: Sequence[Grant]) -> bool:
        """Whether somebody may hand all of it out themselves. Groups that an issuer vouches for are not known here."""
        if maker in (caller.id, SYSTEM_ID) or maker.startswith(OPERATOR_PREFIX):
            return True
        return all(self._book.allows_delegation(Caller(maker), grant) for grant in given)


def _refusal(foreign: Sequence[Credential]) -> Conflict:
    return Conflict(
        f"This would also give it to {_named(foreign)}, whose makers do not hold what is handed out here. Revoke these "
        "credentials, or accept them: accept_existing_credentials (--accept-credentials)."
    )


def _named(foreign: Sequence[Credential]) -> str:
    named = [f"{each.what} of {each.identity} made by {each.made_by}" for each in foreign[:MAX_NAMED]]
    more = [f"{len(foreign) - MAX_NAMED} more"] if len(foreign) > MAX_NAMED else []
    return ", ".join(named + more)
