"""The one door: everything that is asked goes through here, is authorised by its row, and is on record when it ends."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from holdfast.contract.row import A, Context, Needs, R, Row
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.callers import authenticated

Case: TypeAlias = tuple[Row[Any, Any], Callable[[Authorized, Any], Awaitable[Any]]]


def case(row: Row[R, A], do: Callable[[Authorized, R], Awaitable[A]]) -> Case:
    """Pair an operation with the use case that does it; a type checker sees a pair that does not fit."""
    return row, do


class Door:
    """Has operations done. A use case runs only here, with the proof that its caller may."""

    def __init__(self, guard: Guard, cases: Iterable[Case]) -> None:
        self._guard = guard
        self._cases: Mapping[Row[Any, Any], Callable[[Authorized, Any], Awaitable[Any]]] = dict(cases)

    async def run(self, row: Row[R, A], asked: R, context: Context = None, /) -> A:
        """Do what a row asks, and return when that is on record.

        Raises:
            InvalidInput: what is asked breaks a limit; nothing is recorded of that.
            AccessDenied: no grant allows it.
            AuditUnavailable: nothing can be put on record, so nothing happens.
        """
        caller, asked = authenticated(context), asked.checked()
        async with self._admitted(row, caller, asked.about) as authorized:
            answer: A = await self._cases[row](authorized, asked)
            if row.noted is not None and not authorized.passage.recorded:
                await self._guard.record(authorized, **row.noted(answer))
        return answer

    def _admitted(
        self, row: Row[Any, Any], caller: Caller, about: SecretName
    ) -> AbstractAsyncContextManager[Authorized]:
        if row.needs is Needs.EACH:
            return self._guard.listing(caller, row.record)
        if row.needs is Needs.OWN:
            return self._guard.own(caller, row.record, about)
        first, *others = row.needs
        return self._guard.operation(caller, first, about, row.record, *others)
