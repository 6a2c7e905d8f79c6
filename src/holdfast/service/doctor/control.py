"""An examination on request: who may have one, and one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from holdfast.domain.diagnosis import Diagnosis
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_flag
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.callers import Context, authenticated

Examine: TypeAlias = Callable[[bool], Awaitable[Diagnosis]]
"""Runs every check; told whether to try at Key Vault what changes something."""


class Doctor:
    """What ``service.doctor`` offers."""

    def __init__(self, guard: Guard, examine: Examine) -> None:
        self._guard, self._examine = guard, examine
        self._one_at_a_time = asyncio.Lock()

    async def diagnose(self, *, write: bool = False, context: Context = None) -> Diagnosis:
        """Examine the installation as this node sees it, for those who may operate it.

        ``write``: try at Key Vault what changes something, too, on a secret with a reserved name.
        """
        wanted = valid_flag("write", write)
        caller = authenticated(context)
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "diagnose"), self._one_at_a_time:
            return await self._examine(wanted)
