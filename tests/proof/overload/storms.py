"""Clients that ask Key Vault for what no one else can answer, while it fails: in virtual time, through ``Primary``."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes
from holdfast.errors import HoldfastError
from holdfast.service.vault.primary import Primary
from tests.proof.overload.weather import LoopClock, WeatherVault
from tests.support.virtual_time import VirtualTimeLoop

NAMES = 500
BEGINS_S, ENDS_S, OVER_S = 20.0, 50.0, 120.0
"""When it becomes ill, when it is well again, and when the clients go."""


@dataclass
class Storm:
    """What was seen. ``asked``, ``answered``: when."""

    vault: WeatherVault
    asked: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)

    def ratio(self, begin: float = BEGINS_S, end: float = ENDS_S) -> float:
        """Attempts at the vault for each first one, within that time."""
        return self.vault.calls_in(begin, end) / sum(begin <= at < end for at in self.asked)

    def recovered_s(self) -> float:
        """Seconds from the end of the illness to the first answer."""
        return next(at for at in self.answered if at >= ENDS_S) - ENDS_S


def storm(clients: int, seed: int, ill: Callable[[WeatherVault], None]) -> Storm:
    """So many clients, each with a second between two questions; ``ill`` sets the weather of half a minute."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(_storm(clients, seed, ill))
    finally:
        loop.close()


async def _storm(clients: int, seed: int, ill: Callable[[WeatherVault], None]) -> Storm:
    clock, dice = LoopClock(), random.Random(f"storm {seed}")
    seen = Storm(WeatherVault(clock, seed))
    primary = Primary(seen.vault, clock, uniform=dice.uniform)
    for number in range(NAMES):
        seen.vault.model.set(f"name-{number}", "v", Attributes())
    await asyncio.gather(
        _weather(seen.vault, ill), *(_client(primary, seen, random.Random(f"{seed} {each}")) for each in range(clients))
    )
    await primary.aclose()
    return seen


async def _weather(vault: WeatherVault, ill: Callable[[WeatherVault], None]) -> None:
    await asyncio.sleep(BEGINS_S)
    ill(vault)
    await asyncio.sleep(ENDS_S - BEGINS_S)
    vault.failing_share, vault.hanging, vault.retry_after_s = 0.0, False, None


async def _client(primary: Primary, seen: Storm, dice: random.Random) -> None:
    now = asyncio.get_running_loop().time
    ask: Callable[[SecretName], Awaitable[object]] = primary.read_patiently
    while now() < OVER_S:
        seen.asked.append(now())
        try:
            await ask(SecretName(f"name-{dice.randrange(NAMES)}"))
            seen.answered.append(now())
        except HoldfastError as error:
            seen.refused[type(error).__name__] += 1
        await asyncio.sleep(dice.uniform(0, 2))
