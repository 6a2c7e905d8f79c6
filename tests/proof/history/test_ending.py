"""Looks at an installation that is still recovering."""

import time
from collections.abc import Sequence

import asyncpg

from tests.proof.history.ending import caught_up


class Looks:
    """What each look finds, or fails with; the last again and again."""

    def __init__(self, *found: Sequence[str] | Exception) -> None:
        self._found = list(found)

    async def __call__(self) -> Sequence[str]:
        found = self._found.pop(0) if len(self._found) > 1 else self._found[0]
        if isinstance(found, Exception):
            raise found
        return found


RECOVERING = asyncpg.CannotConnectNowError("the database system is in recovery mode")


async def test_a_database_that_recovers_is_asked_again() -> None:
    looks = Looks(RECOVERING, RECOVERING, [])
    assert await caught_up(looks, time.monotonic() + 30) == []


async def test_one_that_does_not_recover_in_time_is_told() -> None:
    (left,) = await caught_up(Looks(RECOVERING), time.monotonic())
    assert "recovering" in left


async def test_what_is_left_in_time_is_told() -> None:
    assert await caught_up(Looks(["1 open intents"]), time.monotonic()) == ["1 open intents"]
