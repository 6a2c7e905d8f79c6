"""A system whose credentials are rotated, in memory, that fails as it is told to."""

import asyncio
from typing import ClassVar

from holdfast.ports import Rotation, RotationHandler


class Refused(Exception):
    """The target says no; its text quotes the credential, as bad drivers do."""


class Target:
    """Accepts a set of credentials. ``slots``: how many at a time; the oldest makes room for one more.

    ``faults`` are taken one per call: "refuse" does nothing and says no, "lose" does it and loses the answer, "late"
    does it only once ``awake`` is set.
    """

    def __init__(self, first: str, slots: int = 2) -> None:
        self.accepted = [first]
        self.slots = slots
        self.faults: list[str] = []
        self.calls: list[str] = []
        self.awake = asyncio.Event()

    async def add(self, credential: str) -> None:
        fault = await self._fault("add", credential)
        if credential not in self.accepted:
            self.accepted = [*self.accepted, credential][-self.slots :]
        self._lose(fault, credential)

    async def remove(self, credential: str) -> None:
        fault = await self._fault("remove", credential)
        self.accepted = [each for each in self.accepted if each != credential]
        self._lose(fault, credential)

    async def login(self, credential: str) -> None:
        await self._fault("login", credential)
        if credential not in self.accepted:
            raise Refused(f"{credential} is not accepted")

    async def _fault(self, call: str, credential: str) -> str | None:
        self.calls.append(call)
        fault = self.faults.pop(0) if self.faults else None
        if fault == "refuse":
            raise Refused(f"no {call} with {credential}")
        if fault == "late":
            await self.awake.wait()
        return fault

    @staticmethod
    def _lose(fault: str | None, credential: str) -> None:
        if fault == "lose":
            raise ConnectionResetError(f"lost while {credential} was on its way")


class TargetHandler(RotationHandler):
    """Rotates that target; candidates are numbered."""

    reversible: ClassVar[bool] = True

    def __init__(self, target: Target) -> None:
        self.target = target
        self.made = 0

    async def create(self, rotation: Rotation) -> str:
        self.made += 1
        return f"candidate-{self.made}"

    async def apply(self, rotation: Rotation) -> None:
        await self.target.add(rotation.candidate)

    async def test(self, rotation: Rotation) -> None:
        await self.target.login(rotation.candidate)

    async def retire(self, rotation: Rotation) -> None:
        await self.target.remove(rotation.current)


class SingleSlotHandler(TargetHandler):
    """One password only: a new one replaces the old at once, and there is nothing to revoke afterwards."""

    reversible = False
    retire = RotationHandler.retire
