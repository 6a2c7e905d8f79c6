"""Those who do other things than read and write: each goes on until it is enough."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec.structs import replace

from holdfast.domain.secret import Attributes
from tests.keys.support import NEW_ID, OLD_ID
from tests.proof.history.clients import Worker
from tests.proof.history.credentials import logs_in
from tests.proof.history.events import EDITED, ROTATED, Event, Op, Outcome, Surface
from tests.proof.history.installation import EMERGENCY_S, Installation

Enough: TypeAlias = Callable[[], bool]

_DOUBTFUL_S: Final = 10.0
"""How long one who got no answer does not know which version counts as fetched."""

_LEFT_TO_ITS_END_S: Final = 9.0
"""Longer than any node may act on what it knew: from then on a read is one too many."""

PAIR: Final = ROTATED[0]
_EDIT: Final = ".edit."
FOR_ERIN: Final = "keep-0"
"""What one who may do nothing asks for in an emergency."""


async def ruling(worker: Worker, enough: Enough, dice: random.Random) -> None:
    """Grant the reader all, and take it back, in turn."""
    turns = 0
    while not enough():
        event = await worker.ask(Op.REVOKE if turns % 2 else Op.GRANT, "*", who="reader")
        turns += event is not None and event.ok
        await asyncio.sleep(dice.uniform(0.1, 1.0))


async def rotating(worker: Worker, enough: Enough, dice: random.Random) -> None:
    """Have credentials rotated, one or the other."""
    while not enough():
        await worker.ask(Op.ROTATE, dice.choice(ROTATED))
        await asyncio.sleep(dice.uniform(0.2, 1.5))


async def consuming(worker: Worker, enough: Enough, dice: random.Random) -> None:
    """Fetch the credential that is rotated without a gap, and log in with it where it is known to be the newest."""
    newest, in_doubt = 0, 0.0
    while not enough():
        read = await worker.ask(Op.GET, PAIR, surface=Surface.OWN)
        if read is None or not read.ok or read.stale or read.version < newest:
            in_doubt = time.monotonic() if read is None or read.outcome is Outcome.UNKNOWN else in_doubt
        elif time.monotonic() > in_doubt + _DOUBTFUL_S or read.version > newest:
            newest = read.version
            await _log_in(worker, read)
        await asyncio.sleep(dice.uniform(0.1, 0.4))


async def _log_in(worker: Worker, read: Event) -> None:
    began = time.monotonic()
    outcome = await logs_in(read.value)
    worker.told.append(
        replace(read, id=f"{read.id}.login", op=Op.LOGIN, began=began, ended=time.monotonic(), outcome=outcome)
    )


async def emergencies(erin: Worker, ann: Worker, enough: Enough, dice: random.Random) -> None:
    """Ask for access, have it approved, and give some of it back before its time."""
    while not enough():
        asked = await erin.ask(Op.ASK, FOR_ERIN)
        if asked is not None and asked.ok:
            await ann.ask(Op.APPROVE, FOR_ERIN, who="erin", of=asked.of, lasts=EMERGENCY_S)
            if dice.random() < 0.5:
                await asyncio.sleep(dice.uniform(0.2, 0.6 * EMERGENCY_S))
                await erin.ask(Op.WITHDRAW, FOR_ERIN, of=asked.of)
            else:
                await asyncio.sleep(EMERGENCY_S + _LEFT_TO_ITS_END_S)
        await asyncio.sleep(dice.uniform(0.1, 1.0))


async def reading(erin: Worker, enough: Enough, dice: random.Random) -> None:
    """Try to read what one may read in an emergency only."""
    while not enough():
        await erin.ask(Op.GET, FOR_ERIN)
        await asyncio.sleep(dice.uniform(0.1, 0.4))


async def keeping(worker: Worker, enough: Enough, dice: random.Random) -> None:
    """Change the encryption key, to and fro; some give up the first key for good."""
    keys, retires = [NEW_ID, OLD_ID], dice.random() < 0.5
    while not enough():
        await asyncio.sleep(dice.uniform(0.3, 2.0))
        event = await worker.ask(Op.ACTIVATE, "*", value=keys[0])
        if event is None or not event.ok:
            continue
        for _ in range(dice.randint(1, 4)):
            await worker.ask(Op.REWRAP, "*")
        if retires and (event := await worker.ask(Op.RETIRE, "*", value=OLD_ID)) is not None and event.ok:
            return
        keys.reverse() if not retires else None


def is_edit(value: str) -> bool:
    """Whether a value was written in the vault itself."""
    return _EDIT in value


async def editing(made: Installation, told: list[Event], enough: Enough, dice: random.Random) -> None:
    """Write secrets in the vault itself, past every node."""
    for number in range(1_000_000):
        await asyncio.sleep(dice.uniform(0.5, 2.5))
        if enough():
            return
        name, now = dice.choice(EDITED), time.monotonic()
        value = f"{name}{_EDIT}{number}"
        made.vault.model.set(name, value, Attributes())
        told.append(
            Event(
                id=f"edit.{number}",
                client="vault",
                who="vault",
                node=-1,
                surface=Surface.KEY_VAULT,
                op=Op.EDIT,
                name=name,
                began=now,
                ended=time.monotonic(),
                outcome=Outcome.OK,
                value=value,
            )
        )
