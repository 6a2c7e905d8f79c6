"""Running the checks: each by itself, so that no failure or silence of one keeps the others from being told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from holdfast.domain.diagnosis import Diagnosis, Finding, failure
from holdfast.errors import HoldfastError

PATIENCE_S: Final = 20.0
"""Seconds for one check: longer than any single time-out inside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One group of findings. ``look`` finds them; ``patience_s``: seconds after which that is given up."""

    name: str
    look: Callable[[], Awaitable[Sequence[Finding]]]
    patience_s: float = PATIENCE_S


async def examine(checks: Sequence[Check]) -> Diagnosis:
    """Run all checks at the same time and return what they find, in their order."""
    found = await asyncio.gather(*map(_run, checks))
    return Diagnosis(findings=[finding for findings in found for finding in findings])


async def _run(check: Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(check.patience_s):
            return await check.look()
    except TimeoutError:
        return [
            failure(
                check.name,
                f"No answer within {check.patience_s:.0f} s.",
                why="What hangs here hangs for a node as well.",
                fix="See whether the backend is overloaded or a firewall drops packets, then run it again.",
            )
        ]
    except HoldfastError as error:
        return [
            failure(
                check.name, str(error), why="The rest of this check could not be looked at.", fix="Follow that text."
            )
        ]
    except Exception as error:  # a fault of one check must not hide what the others found
        return [
            failure(
                check.name,
                f"This check itself failed ({type(error).__name__}).",
                why="Nothing is known of what it looks at.",
                fix="Please report it, without secrets, to the maintainers.",
            )
        ]
