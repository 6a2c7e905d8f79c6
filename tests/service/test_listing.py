"""Listings against the plainest way to make them."""

from collections.abc import Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from holdfast.domain.names import SecretName, matches
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.secret import Attributes, SecretSettings, SecretSummary, SecretVersion, State
from holdfast.service.access.grants import GrantBook
from holdfast.service.access.guard import Guard
from holdfast.service.manager import SecretsService
from holdfast.service.secrets.listing import Lister
from tests.domain.test_grants import ALL_NAMES
from tests.support.clock import VirtualClock
from tests.support.node import ALICE
from tests.support.rules import BOOK_LEASES, SEALER, START, QuietFeed, QuietTrail, RulesInMemory, rule

MANY = [SecretName(f"n{number:05}") for number in range(25_000)]
"""More names than are looked at in one round trip."""


class Names:
    """A ledger of ``MANY`` secrets, as far as listings need one. ``rows`` counts those read in full."""

    def __init__(self) -> None:
        self.rows = 0

    async def names(self, state: State, *, after: SecretName | None, limit: int) -> list[SecretName]:
        return [name for name in MANY if after is None or name > after][:limit]

    async def summaries(self, state: State, *, after: SecretName | None, limit: int) -> list[SecretSummary]:
        return await self.summaries_of(state, await self.names(state, after=after, limit=limit))

    async def summaries_of(self, state: State, names: Sequence[SecretName]) -> list[SecretSummary]:
        self.rows += len(names)
        return [_summary(name) for name in names]


@pytest.mark.parametrize(
    "patterns", [["*"], ["n000*"], ["*9"], ["n24999"], ["n1*", "n2*7", "n00000"], ["x*"], ["n09998", "n1000*"]]
)
@pytest.mark.parametrize("limit", [7, 999, 1000, 10_000])
async def test_pages_show_what_may_be_listed_and_read_no_other_rows(patterns: list[str], limit: int) -> None:
    clock, ledger = VirtualClock(), Names()
    book = GrantBook(
        RulesInMemory(*(rule("alice", {Permission.LIST}, pattern) for pattern in patterns)),
        SEALER,
        QuietFeed(),
        clock,
        BOOK_LEASES,
    )
    await book.load()
    stored: Any = ledger
    lister = Lister(stored, Guard(book, QuietTrail(), clock), discover=_nobody)
    expected = [name for name in MANY if any(matches(pattern, name) for pattern in patterns)]
    found: list[SecretName] = []
    for _ in range(4):
        page = await lister.secrets(Caller("alice"), State.ACTIVE, found[-1] if found else None, limit)
        found += [each.name for each in page]
    assert found == expected[: 4 * limit]
    assert ledger.rows == len(found)


async def test_real_listings_agree_with_the_patterns(service: SecretsService) -> None:
    here, random = [name for name in ALL_NAMES if len(name) <= 2], Random(7)
    for name in here:
        await service.set_secret(name, "v")
    for _ in range(25):
        patterns = {random.choice(["a*", "*b", "a*-", "b", "-*", "ab", "*"]) for _ in range(random.randrange(4))}
        for pattern in patterns:
            await service.grant_access(pattern, "alice", ["list"])
        found = await service.list_secrets(context=ALICE)
        expected = sorted(name for name in here if any(matches(pattern, name) for pattern in patterns))
        assert [each.name for each in found] == expected
        for pattern in patterns:
            await service.revoke_access(pattern, "alice")


async def _nobody(_name: SecretName) -> None:
    raise AssertionError("a listing asks nobody")


def _summary(name: SecretName) -> SecretSummary:
    version = SecretVersion(
        name=name,
        version=1,
        version_id="0" * 32,
        attributes=Attributes(),
        created_at=START,
        updated_at=START + timedelta(seconds=1),
        created_by="root",
        current=True,
    )
    return SecretSummary(name=name, display_name=name, state=State.ACTIVE, current=version, settings=SecretSettings())
