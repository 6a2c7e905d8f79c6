"""Identities, tokens, grants and roles in pages: each entry once and in order, and no page reads the others again."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from holdfast.domain.slices import Slice
from holdfast.errors import InvalidInput
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.grants import PostgresGrants
from tests.support.node import Inside
from tests.support.postgres import execute

Ask = Callable[..., Awaitable[Slice[Any]]]

NAMES = [f"app-{number:03}" for number in range(7)]


async def walked(ask: Ask, keys: Callable[[Any], Any], limit: int) -> list[Any]:
    """Everything there is, page by page."""
    found: list[Any] = []
    after = None
    while True:
        page = await ask(after=after, limit=limit)
        assert len(page.items) <= limit
        assert page.items or not page.more
        found += page.items
        if not page.more:
            return found
        assert len(page.items) == limit
        after = keys(page.items[-1])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
async def test_identities_and_tokens_come_once_each_and_in_order(service: SecretsService, limit: int) -> None:
    for name in NAMES:
        await service.identities.add(name)
        await service.tokens.create(name)
    await service.tokens.create(NAMES[0])
    names = [each.name for each in await walked(service.identities.page, lambda each: each.name, limit)]
    assert names == NAMES
    tokens = await walked(service.tokens.page, lambda each: (each.created_at, each.id), limit)
    assert tokens == (await service.tokens.list())[::-1]

    async def of_one(**more: Any) -> Slice[Any]:
        return await service.tokens.page(NAMES[0], **more)

    assert len(await walked(of_one, lambda each: (each.created_at, each.id), limit)) == 2


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_rules_that_do_not_count_any_more_take_no_place_in_a_page(
    service: SecretsService, database_url: str, limit: int
) -> None:
    await service.set_secret("gone", "v")
    for number in range(5):
        await service.grant_access(f"p-{number}", "alice", ["get"])
        await service.access.assign_role(f"bob-{number}", "reader", "q-*")
        await service.grant_access("gone", f"late-{number}", ["get"])
    await service.grant_access("p-2", "expired", ["get"], expires_at=service_now(service) + timedelta(hours=1))
    await service.delete_secret("gone")
    await service.purge_secret("gone")
    await execute(
        database_url,
        "INSERT INTO secret_access_control (secret_name, user_id, permissions, granted_by) "
        "VALUES ('p-0', 'forger', ARRAY['get'], 'nobody')",
    )
    grants = await walked(service.access.page_of_grants, lambda each: (each.pattern, each.user_id), limit)
    assert [(each.pattern, each.user_id) for each in grants] == [
        *(("p-0", "alice"), ("p-1", "alice"), ("p-2", "alice"), ("p-2", "expired"), ("p-3", "alice"), ("p-4", "alice")),
    ]
    roles = await walked(
        service.access.page_of_roles, lambda each: (each.subject, each.role.value, each.pattern), limit
    )
    assert [each.subject for each in roles] == [f"bob-{number}" for number in range(5)]


def service_now(service: SecretsService) -> Any:
    return service._use.clock.now()


async def test_a_page_does_not_read_what_other_pages_hold(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        await inside.service.grant_access(f"s-{number:03}", "alice", ["get"])
    read: list[int] = []
    page = PostgresGrants.page

    async def counted(self: PostgresGrants, *arguments: Any) -> Any:
        rules = await page(self, *arguments)
        read.append(len(rules))
        return rules

    monkeypatch.setattr(PostgresGrants, "page", counted)
    found = await inside.service.access.page_of_grants(after=("s-249", "alice"), limit=10)
    assert [each.pattern for each in found.items][:2] == ["s-250", "s-251"]
    assert read == [50]


@pytest.mark.parametrize("limit", [0, -1, 10_001, "7"])
async def test_a_limit_has_limits(service: SecretsService, limit: Any) -> None:
    for ask in (
        service.identities.page,
        service.tokens.page,
        service.access.page_of_grants,
        service.access.page_of_roles,
    ):
        with pytest.raises(InvalidInput):
            await ask(limit=limit)
