"""I14: what restores may cost, whose bodies are a thousand times as long as any other."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, cast

import pytest

from holdfast.domain.policy import Caller
from holdfast.web.admission import LARGE_AT_ONCE, Admission
from holdfast.web.limits import MAX_RESTORE_BYTES
from holdfast.web.rates import Rates
from tests.support.https import Client
from tests.support.installation import Installation

PATHS = ("/secrets/restore?api-version=7.4", "/v1/secrets:restore")


def admission() -> Admission:
    return Admission(cast("Any", None), Rates(1, 1, lambda: 0.0))


async def test_i14_few_backups_are_opened_at_a_time_and_one_of_one_identity() -> None:
    door, opening, gate = admission(), [], asyncio.Event()

    async def restore(who: str) -> None:
        async with door.room(Caller(who)):
            opening.append(who)
            await gate.wait()

    asked = [asyncio.ensure_future(restore(who)) for who in ("greedy", "greedy", "greedy", "second", "third")]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert opening == ["greedy", "second"]
    assert len(opening) == LARGE_AT_ONCE
    gate.set()
    await asyncio.gather(*asked)
    assert sorted(opening) == ["greedy", "greedy", "greedy", "second", "third"]


@pytest.mark.parametrize("path", PATHS)
async def test_i14_who_may_restore_nothing_is_refused_before_the_backup_has_come(
    installation: Installation, vault: Client, path: str
) -> None:
    who = f"restores-nothing-{len(path)}"
    nobody = await installation.client(who, await installation.register(who, []))
    async with nobody.connected() as connection:
        await connection.send(nobody.head("POST", path, {}, MAX_RESTORE_BYTES - 1))
        assert (await connection.response()).status == 403
    history = await vault.request("GET", f"/v1/audit?user_id={who}&operation=restore")
    assert [record["error_code"] for record in history.json["items"]] == ["access_denied"]


@pytest.mark.parametrize("path", PATHS)
async def test_i14_backups_that_trickle_keep_no_restore_waiting(vault: Client, path: str) -> None:
    name = f"trickled-{len(path)}"
    assert (await vault.request("PUT", f"/v1/secrets/{name}", {"value": "x"})).status == 200
    blob = (await vault.request("POST", f"/v1/secrets/{name}/backup", {})).json["backup"]
    async with AsyncExitStack() as stack:
        for _ in range(3 * LARGE_AT_ONCE):
            connection = await stack.enter_async_context(vault.connected())
            await connection.send(vault.head("POST", path, {}, MAX_RESTORE_BYTES - 1) + b"{")
        answer = await vault.request("POST", "/v1/secrets:restore", {"backup": blob})
        assert answer.status == 409
