"""Secrets, versions and their life through our own API, against the real service."""

import asyncio
from typing import Any

import pytest

from tests.support.https import Client, Response
from tests.support.installation import Installation

UNKNOWN = "0123456789abcdef0123456789abcdef"


async def put(vault: Client, name: str, value: str = "x", headers: Any = None, **members: Any) -> Response:
    return await vault.request("PUT", f"/v1/secrets/{name}", {"value": value, **members}, headers)


async def made(vault: Client, name: str, value: str = "x", **members: Any) -> Any:
    answer = await put(vault, name, value, **members)
    assert answer.status == 200, answer.body
    return answer.json


def refused(answer: Response, status: int, code: str, field: str | None = None) -> None:
    assert (answer.status, answer.problem["code"], answer.problem.get("field")) == (status, code, field)


async def everything(vault: Client, path: str, query: str = "") -> list[Any]:
    """All items of a listing, page by page."""
    items, cursor = [], ""
    while True:
        answer = await vault.request("GET", f"{path}?limit=2{query}{cursor}")
        assert answer.status == 200, answer.body
        assert len(answer.json["items"]) <= 2
        items += answer.json["items"]
        if answer.json["next_cursor"] is None:
            return items
        cursor = f"&cursor={answer.json['next_cursor']}"


async def test_a_secret_is_set_and_read_with_all_that_was_given(vault: Client) -> None:
    given = {
        "content_type": "text/plain",
        "tags": {"team": "payments"},
        "expires_at": "2099-01-01T00:00:00Z",
        "description": "For the tests.",
        "rotation_policy": {"interval_days": 30},
        "notify_on_expiry": ["ops@example.com"],
    }
    written = await made(vault, "Own-Set", "s3cret", **given)
    assert (written["name"], written["version"], written["replicated"]) == ("own-set", 1, True)
    answer = await vault.request("GET", "/v1/secrets/own-set")
    secret = answer.json
    assert answer.header("etag") == '"1"'
    assert answer.header("cache-control") == "no-cache, no-store"
    assert (secret["name"], secret["value"], secret["version_id"]) == ("Own-Set", "s3cret", written["version_id"])
    for member in ("content_type", "tags", "expires_at", "description"):
        assert secret[member] == given[member]
    (listed,) = [item for item in await everything(vault, "/v1/secrets") if item["name"] == "Own-Set"]
    assert listed["rotation_policy"]["interval_days"] == 30
    assert listed["notify_on_expiry"] == given["notify_on_expiry"]
    assert "value" not in listed


async def test_i4_a_write_happens_only_if_nobody_was_faster(vault: Client) -> None:
    assert (await put(vault, "own-tag", "1", {"If-None-Match": "*"})).header("etag") == '"1"'
    refused(await put(vault, "own-tag", "2", {"If-None-Match": "*"}), 412, "generation_mismatch")
    assert (await put(vault, "own-tag", "2", {"If-Match": '"1"'})).header("etag") == '"2"'
    refused(await put(vault, "own-tag", "3", {"If-Match": '"1"'}), 412, "generation_mismatch")
    refused(
        await vault.request("PATCH", "/v1/secrets/own-tag", {"enabled": False}, {"If-Match": '"1"'}),
        *(412, "generation_mismatch"),
    )
    refused(
        await vault.request("POST", "/v1/secrets/own-tag/rollback", {"version": 1}, {"If-Match": '"1"'}),
        *(412, "generation_mismatch"),
    )
    assert (await vault.request("GET", "/v1/secrets/own-tag")).json["value"] == "2"


@pytest.mark.parametrize(
    "headers",
    [
        *({"If-Match": value} for value in ("1", "*", 'W/"1"', '"0"', '"1", "2"', "", '"99999999999999999999"')),
        *({"If-None-Match": value} for value in ('"1"', "", "**")),
        {"If-Match": '"1"', "If-None-Match": "*"},
    ],
)
async def test_a_precondition_that_says_nothing_clear_is_refused(vault: Client, headers: dict[str, str]) -> None:
    answer = await put(vault, "own-unclear", "x", headers)
    assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
    assert answer.problem["field"].startswith("If-")
    refused(await vault.request("GET", "/v1/secrets/own-unclear"), 404, "secret_not_found")


async def test_a_precondition_given_twice_is_refused(vault: Client) -> None:
    async with vault.connected() as connection:
        head = vault.head("PUT", "/v1/secrets/own-twice", {"If-Match": '"1"', "if-match": '"2"'}, 13)
        await connection.send(head + b'{"value":"x"}')
        refused(await connection.response(), 400, "invalid_input", "if-match")


async def test_i4_a_repeated_write_takes_effect_once(vault: Client) -> None:
    key = {"Idempotency-Key": "9f0c"}
    first, again = await put(vault, "own-once", "x", key), await put(vault, "own-once", "x", key)
    assert (first.status, again.status) == (200, 200)
    assert first.json == again.json
    refused(await put(vault, "own-once", "y", key), 409, "idempotency_mismatch")
    refused(await put(vault, "own-once", "y", {"Idempotency-Key": ""}), 400, "invalid_input", "idempotency_key")
    assert len(await everything(vault, "/v1/secrets/own-once/versions")) == 1


async def test_versions_are_read_listed_and_rolled_back_to(vault: Client) -> None:
    ids = [(await made(vault, "own-versions", f"v{number}"))["version_id"] for number in range(1, 6)]
    listed = await everything(vault, "/v1/secrets/own-versions/versions")
    assert [(each["version"], each["version_id"]) for each in listed] == list(enumerate(ids, 1))
    assert [each["current"] for each in listed] == [False, False, False, False, True]
    for path in ("2", ids[1], ids[1].upper()):
        answer = await vault.request("GET", f"/v1/secrets/own-versions/versions/{path}")
        assert (answer.json["value"], answer.header("etag")) == ("v2", '"2"')
    back = await vault.request("POST", "/v1/secrets/own-versions/rollback", {"version": 2})
    assert (back.json["version"], back.header("etag")) == (6, '"6"')
    assert (await vault.request("GET", "/v1/secrets/own-versions")).json["value"] == "v2"


@pytest.mark.parametrize("version", ["7", UNKNOWN, "9" * 18])
async def test_a_version_that_is_not_there_is_not_found(vault: Client, version: str) -> None:
    await made(vault, "own-absent")
    refused(await vault.request("GET", f"/v1/secrets/own-absent/versions/{version}"), 404, "version_not_found")


async def test_a_version_of_another_secret_is_not_found(vault: Client) -> None:
    other = await made(vault, "own-other")
    await made(vault, "own-mine")
    path = f"/v1/secrets/own-mine/versions/{other['version_id']}"
    refused(await vault.request("GET", path), 404, "version_not_found")
    refused(await vault.request("PATCH", path, {"enabled": False}), 404, "version_not_found")


@pytest.mark.parametrize("version", ["0", "007", "-1", "1.0", "x", "9" * 19, "9" * 31, "%00", "1%20", "%D9%A1"])
async def test_a_version_that_cannot_be_is_a_bad_request(vault: Client, version: str) -> None:
    refused(await vault.request("GET", f"/v1/secrets/own-mine/versions/{version}"), 400, "invalid_input", "version")


async def test_attributes_change_without_a_new_version(vault: Client) -> None:
    await made(vault, "own-patch", "one", tags={"a": "1"}, content_type="t", expires_at="2099-01-01T00:00:00+02:00")
    await made(vault, "own-patch", "two", tags={"a": "1"})
    answer = await vault.request("PATCH", "/v1/secrets/own-patch", {"tags": {"b": "2"}, "description": "d"})
    assert (answer.json["version"], answer.json["tags"]) == (2, {"b": "2"})
    first = await vault.request("PATCH", "/v1/secrets/own-patch/versions/1", {"content_type": None})
    assert (first.json["content_type"], first.json["expires_at"]) == (None, "2098-12-31T22:00:00Z")
    await vault.request("PATCH", "/v1/secrets/own-patch", {"enabled": False})
    refused(await vault.request("GET", "/v1/secrets/own-patch"), 403, "secret_disabled")


async def test_i5_a_secret_is_deleted_recovered_and_purged(vault: Client) -> None:
    await made(vault, "Own-Gone", "x")
    deleted = await vault.request("DELETE", "/v1/secrets/own-gone")
    assert (deleted.json["name"], deleted.json["state"], deleted.json["current"]["version"]) == (
        "Own-Gone",
        "deleted",
        1,
    )
    refused(await vault.request("GET", "/v1/secrets/own-gone"), 404, "secret_not_found")
    refused(await put(vault, "own-gone"), 409, "secret_deleted")
    assert (await vault.request("GET", "/v1/deleted-secrets/own-gone")).json == deleted.json
    assert "Own-Gone" in [each["name"] for each in await everything(vault, "/v1/deleted-secrets")]
    assert (await vault.request("POST", "/v1/deleted-secrets/own-gone/recover")).json["version"] == 1
    assert (await vault.request("GET", "/v1/secrets/own-gone")).json["value"] == "x"
    await vault.request("DELETE", "/v1/secrets/own-gone")
    purged = await vault.request("DELETE", "/v1/deleted-secrets/own-gone")
    assert (purged.status, purged.body, purged.header("content-type")) == (204, b"", None)
    refused(await vault.request("DELETE", "/v1/deleted-secrets/own-gone"), 404, "secret_not_found")


async def test_a_backup_brings_a_secret_back(vault: Client) -> None:
    await made(vault, "own-backup", "one")
    await made(vault, "own-backup", "two")
    backup = (await vault.request("POST", "/v1/secrets/own-backup/backup")).json["backup"]
    refused(await vault.request("POST", "/v1/secrets:restore", {"backup": backup}), 409, "conflict")
    await vault.request("DELETE", "/v1/secrets/own-backup")
    await vault.request("DELETE", "/v1/deleted-secrets/own-backup")
    assert (await vault.request("POST", "/v1/secrets:restore", {"backup": backup})).json["version"] == 2
    assert (await vault.request("GET", "/v1/secrets/own-backup/versions/1")).json["value"] == "one"
    for damaged in (backup[:-8], "x", "é", backup + "!"):
        answer = await vault.request("POST", "/v1/secrets:restore", {"backup": damaged})
        refused(answer, 400, "malformed_backup", "backup")


async def test_case_28_a_batch_has_an_outcome_for_every_item_and_a_record_of_each(
    installation: Installation, vault: Client
) -> None:
    for name in ("own-batch-a", "own-batch-b", "own-batch-off"):
        await made(vault, name, f"value of {name}")
    await made(vault, "own-batch-a", "newer")
    await vault.request("PATCH", "/v1/secrets/own-batch-off", {"enabled": False})
    reader = await installation.client("batcher", await installation.register("batcher", ["get"], "own-batch-*"))
    await made(vault, "own-forbidden", "marked-value")
    names: list[Any] = [{"name": "own-batch-a"}, {"name": "own-batch-a", "version": 1}, {"name": "own-forbidden"}]
    names += [{"name": "own-batch-off"}, {"name": "own-batch-none"}, {"name": "own-batch-b"}]
    answer = await reader.request("POST", "/v1/secrets:batch-get", {"items": names})
    outcomes = [
        (each["status"], each.get("secret", {}).get("value"), each.get("problem", {}).get("code"))
        for each in answer.json["items"]
    ]
    assert outcomes == [
        (200, "newer", None),
        (200, "value of own-batch-a", None),
        (403, None, "access_denied"),
        (403, None, "secret_disabled"),
        (404, None, "secret_not_found"),
        (200, "value of own-batch-b", None),
    ]
    assert b"marked-value" not in answer.body
    refusal = (await installation.service.get_access_history("own-forbidden"))[0]
    assert (refusal.user_id, refusal.error_code) == ("batcher", "access_denied")
    assert refusal.request_id == answer.header("x-request-id")
    assert (
        len(
            [each for each in await installation.service.get_access_history("own-batch-a") if each.user_id == "batcher"]
        )
        == 2
    )


async def test_a_batch_is_bounded(vault: Client) -> None:
    many = [{"name": f"n{number}"} for number in range(101)]
    refused(await vault.request("POST", "/v1/secrets:batch-get", {"items": many}), 400, "invalid_input", "items")
    refused(await vault.request("POST", "/v1/secrets:batch-get", {"items": []}), 400, "invalid_input", "items")


async def test_case_30_a_cursor_is_of_use_to_its_owner_and_listing_only(
    installation: Installation, vault: Client
) -> None:
    for number in range(3):
        await made(vault, f"own-page-{number}")
        await made(vault, "own-page-versions")
    cursor = (await vault.request("GET", "/v1/secrets?limit=1")).json["next_cursor"]
    assert (await vault.request("GET", f"/v1/secrets?limit=5&cursor={cursor}")).status == 200
    other = await installation.client("pager", await installation.register("pager"))
    versions = (await vault.request("GET", "/v1/secrets/own-page-versions/versions?limit=1")).json["next_cursor"]
    days = (await vault.request("GET", "/v1/expiring?limit=1&days=9")).json["next_cursor"] or "x"
    flipped = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    for client, target in (
        (other, f"/v1/secrets?cursor={cursor}"),
        (vault, f"/v1/deleted-secrets?cursor={cursor}"),
        (vault, f"/v1/secrets?cursor={flipped}"),
        (vault, f"/v1/secrets?cursor={cursor[:-4]}"),
        (vault, "/v1/secrets?cursor=-1"),
        (vault, f"/v1/secrets?cursor={'A' * 1025}"),
        (vault, "/v1/secrets?cursor="),
        (vault, f"/v1/secrets?cursor={versions}"),
        (vault, f"/v1/secrets/own-page-0/versions?cursor={versions}"),
        (vault, f"/v1/expiring?days=10&cursor={days}"),
    ):
        refused(await client.request("GET", target), 400, "invalid_input", "cursor")


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1.5", "1e2", "1.0", "", "null", "%31%30%30%31"])
async def test_a_page_has_a_size_within_bounds(vault: Client, limit: str) -> None:
    refused(await vault.request("GET", f"/v1/secrets?limit={limit}"), 400, "invalid_input", "limit")


async def test_a_listing_shows_what_the_caller_may_list(installation: Installation, vault: Client) -> None:
    await asyncio.gather(*(made(vault, f"own-team-{each}") for each in "abc"), made(vault, "own-secret-plan"))
    lister = await installation.client("lister", await installation.register("lister", ["list"], "own-team-*"))
    assert [each["name"] for each in await everything(lister, "/v1/secrets")] == [f"own-team-{each}" for each in "abc"]
    refused(await lister.request("GET", "/v1/secrets/own-team-a"), 403, "access_denied")
    refused(await lister.request("GET", "/v1/secrets/own-secret-plan/versions"), 403, "access_denied")
