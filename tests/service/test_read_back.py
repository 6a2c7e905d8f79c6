"""I4: a change that was committed and cannot be read back is never told as one that was not made."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.errors import OutcomeUnknown
from holdfast.service.manager import SecretsService
from tests.break_glass.support import ANN, BEN, SECRET, asked, prepare
from tests.support.cable import cable_to
from tests.support.node import opened
from tests.support.postgres import fetch

Change = Callable[[SecretsService], Awaitable[Any]]

CHANGES: dict[str, tuple[Change, str]] = {
    "grant": (
        lambda service: service.grant_access("k", "bob", ["get"]),
        "SELECT count(*) FROM secret_access_control WHERE user_id = 'bob'",
    ),
    "revoke": (
        lambda service: service.revoke_access("k", "eve"),
        "SELECT 1 - count(*) FROM secret_access_control WHERE user_id = 'eve'",
    ),
    "role": (
        lambda service: service.access.assign_role("bob", "auditor", "*"),
        "SELECT count(*) FROM role_assignments WHERE subject = 'bob'",
    ),
    "identity": (
        lambda service: service.identities.add("new"),
        "SELECT count(*) FROM identities WHERE name = 'new'",
    ),
    "disabled": (
        lambda service: service.identities.disable("eve"),
        "SELECT count(*) FROM identities WHERE name = 'eve' AND disabled_at IS NOT NULL",
    ),
    "removed": (
        lambda service: service.identities.remove("eve"),
        "SELECT 1 - count(*) FROM identities WHERE name = 'eve'",
    ),
    "groups": (
        lambda service: service.identities.set_groups("eve", ["sre"]),
        "SELECT count(*) FROM identity_groups WHERE group_name = 'sre'",
    ),
    "token": (
        lambda service: service.tokens.create("eve"),
        "SELECT count(*) FROM api_tokens WHERE identity_name = 'eve'",
    ),
    "client": (
        lambda service: service.add_client("app"),
        "SELECT count(*) FROM identities WHERE name = 'app'",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_i4_a_change_that_cannot_be_read_back_is_not_told_as_refused(
    database_url: str, tmp_path: Path, name: str
) -> None:
    change, made = CHANGES[name]
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path) as node:
        await node.service.identities.add("eve")
        await node.service.grant_access("k", "eve", ["get"])
        node.database.recorded = cable.cut
        with pytest.raises(OutcomeUnknown, match="read before you repeat it"):
            await change(node.service)
        cable.mend()
        assert await fetch(database_url, made) == 1


async def test_i4_an_emergency_grant_that_cannot_be_read_back_is_not_told_as_refused(
    database_url: str, tmp_path: Path
) -> None:
    async with cable_to(database_url) as cable, opened(cable.dsn, tmp_path) as node:
        await prepare(node.service)
        request = await asked(node.service)
        await node.service.break_glass.approve(request.id, context=ANN)
        node.database.recorded = cable.cut
        with pytest.raises(OutcomeUnknown, match="read before you repeat it"):
            await node.service.break_glass.approve(request.id, context=BEN)
        cable.mend()
        assert (await node.service.break_glass.get(request.id, context=ANN)).state == "approved"
        assert await fetch(database_url, f"SELECT count(*) FROM break_glass_grants WHERE pattern = '{SECRET}'") == 1
