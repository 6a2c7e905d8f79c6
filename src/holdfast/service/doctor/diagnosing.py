"""An examination on request, one at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from holdfast.contract.doctor import Examination
from holdfast.domain.diagnosis import Diagnosis
from holdfast.service.access.guard import Authorized

Examine: TypeAlias = Callable[[bool], Awaitable[Diagnosis]]
"""Runs every check; told whether to try at Key Vault what changes something."""


class DoctorCases:
    """Examines what this node depends on."""

    def __init__(self, examine: Examine) -> None:
        self._examine = examine
        self._one_at_a_time = asyncio.Lock()

    async def diagnose(self, _: Authorized, asked: Examination) -> Diagnosis:
        """Return what is found."""
        async with self._one_at_a_time:
            return await self._examine(asked.write)
