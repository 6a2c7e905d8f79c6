"""Key Vault's behaviour, case by case, over raw HTTP against the real service.

The numbers are those of the project's conformance checklist for the secrets API.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.https import Client, Response
from tests.support.installation import Installation

V = "?api-version=7.4"
UNKNOWN = "0123456789abcdef0123456789abcdef"


async def put(vault: Client, name: str, value: str = "x", **members: Any) -> Response:
    answer = await vault.request("PUT", f"/secrets/{name}{V}", {"value": value, **members})
    assert answer.status == 200, answer.body
    return answer


async def bundle(vault: Client, path: str) -> Any:
    answer = await vault.request("GET", f"{path}{V}")
    assert answer.status == 200, answer.body
    return answer.json


async def refused(answer: Response, status: int, code: str, inner: str | None = None) -> None:
    assert (answer.status, answer.codes) == (status, (code, inner))
    assert (answer.header("retry-after") is not None) == (status in {429, 503})


def version_of(secret: Any) -> str:
    return str(secret["id"]).rpartition("/")[2]


async def names(vault: Client, path: str = "/secrets") -> list[str]:
    return [item["id"].rpartition("/")[2] for page in await pages(vault, path) for item in page]


async def pages(vault: Client, path: str, query: str = V) -> list[list[Any]]:
    found, link = [], f"{path}{query}"
    while link:
        answer = await vault.request("GET", link)
        assert answer.status == 200, answer.body
        found.append(answer.json["value"])
        following = answer.json["nextLink"]
        link = following and following.removeprefix(vault.url)
    return found


# --- set ---------------------------------------------------------------------------------------------------------


async def test_18_a_set_answers_the_whole_bundle(vault: Client) -> None:
    secret = (await put(vault, "a18")).json
    assert set(secret) == {"value", "id", "attributes"}
    assert re.fullmatch(re.escape(vault.url) + r"/secrets/a18/[0-9a-f]{32}", secret["id"])
    attributes = secret["attributes"]
    assert set(attributes) == {"enabled", "created", "updated", "recoveryLevel", "recoverableDays"}
    assert attributes["created"] == attributes["updated"]
    assert type(attributes["created"]) is int
    assert abs(attributes["created"] - time.time()) < 60
    assert (await bundle(vault, "/secrets/a18")) == secret


async def test_19_and_23_every_set_is_a_new_version_that_inherits_nothing(vault: Client) -> None:
    first = (await put(vault, "a19", contentType="t", tags={"k": "v"}, attributes={"exp": 4102444800})).json
    second = (await put(vault, "a19")).json
    assert first["id"] != second["id"]
    assert second["attributes"]["created"] >= first["attributes"]["created"]
    assert set(second) == {"value", "id", "attributes"}
    assert "exp" not in second["attributes"]


async def test_20_an_empty_value_is_a_value(vault: Client) -> None:
    assert (await put(vault, "a20", "")).json["value"] == ""
    assert (await bundle(vault, "/secrets/a20"))["value"] == ""


async def test_21_and_22_everything_given_is_echoed(vault: Client) -> None:
    assert set((await put(vault, "a21", attributes={})).json) == {"value", "id", "attributes"}
    given = {"enabled": False, "nbf": 1893456000, "exp": 1893456001}
    secret = (await put(vault, "a22", contentType="text/plain", tags={"k": "v"}, attributes=given)).json
    assert (secret["value"], secret["contentType"], secret["tags"]) == ("x", "text/plain", {"k": "v"})
    assert given.items() <= secret["attributes"].items()


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b'{"value":null}', b"{", b"", b"[]", b'{"value":1}', b'{"value":"x","value":"y"}', b"\xff\xfe{\0}\0"),
        *(b'{"value":"x","tags":{"k":1}}', b'{"value":"x","attributes":{"exp":1.5}}', b"[" * 5000),
    ],
)
async def test_24_and_25_bad_bodies_are_bad_parameters_and_change_nothing(vault: Client, body: bytes) -> None:
    await refused(await vault.request("PUT", f"/secrets/a24{V}", body), 400, "BadParameter")
    await refused(await vault.request("GET", f"/secrets/a24{V}"), 404, "SecretNotFound")


@pytest.mark.parametrize(
    ("most", "too_much"),
    [
        ({"value": "x" * 25_600}, {"value": "x" * 25_601}),
        ({"value": "é" * 12_800}, {"value": "é" * 12_800 + "x"}),
        ({"value": "\0" * 25_600}, {"value": "\0" * 25_601}),
        (
            {"value": "", "tags": {str(n): "" for n in range(15)}},
            {"value": "", "tags": {str(n): "" for n in range(16)}},
        ),
        ({"value": "", "contentType": "c" * 255}, {"value": "", "contentType": "c" * 256}),
        ({"value": "", "tags": {"k": "v" * 512}}, {"value": "", "tags": {"k": "v" * 513}}),
    ],
    ids=["value", "utf-8", "escaped", "tags", "content-type", "tag"],
)
async def test_26_to_29_the_limits_are_exact(vault: Client, most: dict[str, Any], too_much: dict[str, Any]) -> None:
    answer = await vault.request("PUT", f"/secrets/a26{V}", most)
    assert (answer.status, answer.json["value"]) == (200, most["value"])
    await refused(await vault.request("PUT", f"/secrets/a26{V}", too_much), 400, "BadParameter")


@pytest.mark.parametrize("name", ["0", "-a", "A-b-9", "n" * 127])
async def test_30_names_may_be_odd(vault: Client, name: str) -> None:
    assert f"/secrets/{name}/" in (await put(vault, name)).json["id"]


@pytest.mark.parametrize("name", ["n" * 128, "a_b", "a.b", "a%20b", "a%2Fb", "a:b", "%00", "a%0d%0ab"])
async def test_30_but_not_that_odd(vault: Client, name: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        await refused(await vault.request(method, f"/secrets/{name}{V}", {"value": "x"}), 400, "BadParameter")


async def test_31_a_set_without_a_name_is_no_method(vault: Client) -> None:
    answer = await vault.request("PUT", f"/secrets/{V}", {"value": "x"})
    await refused(answer, 405, "MethodNotAllowed")
    assert answer.json["error"]["message"] == "HTTP PUT not allowed"
    assert answer.header("allow") == "GET"


@pytest.mark.parametrize("value", ["\U0001f600", "a\0b", "l1\nl2\r\n\t", "ünï\u2028", '"\\', "\x7f\x01"])
async def test_32_any_text_comes_back_identical(vault: Client, value: str) -> None:
    await put(vault, "a32", value)
    assert (await bundle(vault, "/secrets/a32"))["value"] == value
    raw = b'{"value":"' + b"".join(b"\\u%04x" % unit for unit in _utf16(value)) + b'"}'
    assert (await vault.request("PUT", f"/secrets/a32{V}", raw)).json["value"] == value


def _utf16(text: str) -> list[int]:
    encoded = text.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2]) for at in range(0, len(encoded), 2)]


@pytest.mark.parametrize("name", ["versions", "restore", "backup", "recover"])
async def test_33_words_of_the_api_are_names_too(vault: Client, name: str) -> None:
    await put(vault, name, "mine")
    assert (await bundle(vault, f"/secrets/{name}"))["value"] == "mine"


async def test_34_names_are_one_in_any_case(vault: Client) -> None:
    first = (await put(vault, "a34-name")).json
    await put(vault, "A34-NAME", "second")
    assert (await bundle(vault, "/secrets/a34-Name"))["value"] == "second"
    assert (await bundle(vault, f"/secrets/A34-name/{version_of(first)}"))["value"] == "x"
    assert len([name for name in await names(vault) if name.lower() == "a34-name"]) == 1


async def test_34_every_answer_names_the_secret_in_the_casing_of_its_first_set(vault: Client) -> None:
    await put(vault, "A34-Casing")
    answers = [await put(vault, "a34-CASING", "second")]
    answers += [await vault.request("PATCH", f"/secrets/a34-CASING{V}", {"tags": {"k": "v"}})]
    answers += [await vault.request("GET", f"/secrets/a34-CASING{V}")]
    answers += [await vault.request("DELETE", f"/secrets/a34-CASING{V}")]
    answers += [await vault.request("GET", f"/deletedsecrets/a34-CASING{V}")]
    answers += [await vault.request("POST", f"/deletedsecrets/a34-CASING/recover{V}")]
    listed = (await vault.request("GET", f"/secrets/a34-CASING/versions{V}")).json["value"]
    ids = [answer.json["id"] for answer in answers] + [item["id"] for item in listed]
    assert {found.split("/")[-2] for found in ids} == {"A34-Casing"}


# --- get ---------------------------------------------------------------------------------------------------------


async def test_35_and_36_the_latest_version_has_many_paths(vault: Client) -> None:
    secret = (await put(vault, "a35")).json
    for path in ("/secrets/a35", "/secrets/a35/", "/Secrets/A35/", "//secrets/a35", "/secrets/%61%335"):
        assert (await bundle(vault, path))["value"] == "x"
        assert version_of(await bundle(vault, path)) == version_of(secret)


async def test_37_an_old_version_stays(vault: Client) -> None:
    first = (await put(vault, "a37", "old")).json
    await put(vault, "a37", "new")
    for version in (version_of(first), version_of(first).upper()):
        found = await bundle(vault, f"/secrets/a37/{version}")
        assert (found["value"], found["id"]) == ("old", first["id"])
    assert await bundle(vault, f"/secrets/a37%2F{version_of(first)}/") == await bundle(
        vault, f"/secrets/a37/{version_of(first)}"
    )


async def test_38_to_40_what_is_not_there(vault: Client) -> None:
    await put(vault, "a39")
    await refused(await vault.request("GET", f"/secrets/a38{V}"), 404, "SecretNotFound")
    await refused(await vault.request("GET", f"/secrets/a39/{UNKNOWN}{V}"), 404, "SecretNotFound")
    for version in ("xyz", "1", UNKNOWN + "0"):
        await refused(await vault.request("GET", f"/secrets/a39/{version}{V}"), 400, "BadParameter")


async def test_41_a_disabled_version_is_refused_and_older_ones_are_not(vault: Client) -> None:
    old = (await put(vault, "a41", "old")).json
    new = (await put(vault, "a41", "new", attributes={"enabled": False})).json
    for path in ("/secrets/a41", f"/secrets/a41/{version_of(new)}"):
        await refused(await vault.request("GET", path + V), 403, "Forbidden", "SecretDisabled")
    assert (await bundle(vault, f"/secrets/a41/{version_of(old)}"))["value"] == "old"


async def test_42_expiry_and_start_are_information(vault: Client) -> None:
    await put(vault, "a42", attributes={"exp": 1000000000})
    answer = await vault.request("GET", f"/secrets/a42{V}")
    assert (answer.status, answer.json["value"]) == (200, "x")
    assert answer.header("x-holdfast-expired") == "true"
    assert "expired" in (answer.header("warning") or "")
    await put(vault, "a42", attributes={"nbf": 4102444800})
    answer = await vault.request("GET", f"/secrets/a42{V}")
    assert (answer.status, answer.header("x-holdfast-not-yet-valid")) == (200, "true")


async def test_14_and_43_versions_of_the_api_and_parameters_not_known(vault: Client) -> None:
    for version in ("7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01", "2016-10-01"):
        query = f"?api%2Dversion={version}&outContentType=PEM&other=1"
        assert (await vault.request("PUT", f"/secrets/a14{query}", {"value": version})).status == 200
        assert (await vault.request("GET", f"/secrets/a14/{query}")).json["value"] == version
        assert (await vault.request("GET", f"/secrets{query}")).status == 200


@pytest.mark.parametrize("query", ["", "?api-version=", "?api-version=1.0", "?api-version=latest"])
async def test_15_and_16_a_missing_or_unknown_api_version(vault: Client, query: str) -> None:
    for path in ("/secrets/a15", "/secrets", "/deletedsecrets/a15"):
        answer = await vault.request("GET", path + query)
        await refused(answer, 400, "BadParameter")
        assert "2026-04-01" in answer.json["error"]["message"]


async def test_44_of_two_sets_within_a_second_the_later_wins(vault: Client) -> None:
    for number in range(10):
        await put(vault, "a44", str(number))
    assert (await bundle(vault, "/secrets/a44"))["value"] == "9"


# --- update ------------------------------------------------------------------------------------------------------


async def test_45_and_46_an_update_changes_what_it_names(vault: Client) -> None:
    made = (await put(vault, "a45", contentType="t", tags={"k": "v"}, attributes={"nbf": 1000000000})).json
    for path in (f"/secrets/a45/{version_of(made)}", "/secrets/a45/", "/secrets/a45"):
        answer = await vault.request("PATCH", path + V, {"attributes": {"exp": 4102444800}})
        assert answer.status == 200
        changed = answer.json
        assert set(changed) == {"contentType", "id", "attributes", "tags"}
        assert (changed["id"], changed["tags"], changed["contentType"]) == (made["id"], {"k": "v"}, "t")
        assert (changed["attributes"]["exp"], changed["attributes"]["nbf"]) == (4102444800, 1000000000)
        assert changed["attributes"]["created"] == made["attributes"]["created"]
        assert changed["attributes"]["updated"] >= made["attributes"]["updated"]


async def test_47_tags_are_replaced_as_a_whole(vault: Client) -> None:
    await put(vault, "a47", tags={"a": "1", "b": "2"})
    assert (await vault.request("PATCH", f"/secrets/a47{V}", {"tags": {"d": "5"}})).json["tags"] == {"d": "5"}
    assert (await vault.request("PATCH", f"/secrets/a47{V}", {"tags": {}})).json["tags"] == {}
    assert (await bundle(vault, "/secrets/a47"))["tags"] == {}  # as recordings of the real service have it


async def test_48_and_49_a_disabled_version_is_enabled_and_a_value_is_ignored(vault: Client) -> None:
    made = (await put(vault, "a48", "old", attributes={"enabled": False})).json
    body = {"value": "new", "attributes": {"enabled": True}}
    assert (await vault.request("PATCH", f"/secrets/a48/{version_of(made)}{V}", body)).status == 200
    secret = await bundle(vault, "/secrets/a48")
    assert (secret["value"], secret["id"]) == ("old", made["id"])


async def test_50_and_51_updates_of_nothing(vault: Client) -> None:
    made = (await put(vault, "a51")).json
    await refused(await vault.request("PATCH", f"/secrets/a50{V}", {}), 404, "SecretNotFound")
    await refused(await vault.request("PATCH", f"/secrets/a51/{UNKNOWN}{V}", {}), 404, "SecretNotFound")
    answer = await vault.request("PATCH", f"/secrets/a51{V}", {})
    assert (answer.status, answer.json["id"]) == (200, made["id"])
    await refused(await vault.request("PATCH", f"/secrets/a51{V}", b""), 400, "BadParameter")


# --- list --------------------------------------------------------------------------------------------------------


async def test_52_and_64_items_have_no_version_no_value_and_no_null(vault: Client) -> None:
    await put(vault, "a52", attributes={"enabled": False})
    for path in ("/secrets", "/secrets/"):
        items = [item for page in await pages(vault, path) for item in page]
        (item,) = [item for item in items if item["id"].endswith("/a52")]
        assert set(item) == {"id", "attributes"}
        assert item["attributes"]["enabled"] is False
        assert item["id"] == f"{vault.url}/secrets/a52"


@pytest.fixture(scope="module")
async def many(installation: Installation) -> AsyncIterator[Client]:
    """A client that sees 60 secrets and no others."""
    secret = await installation.register("many", pattern="m53-*")
    client = await installation.client("many", secret)
    wanted = [f"M53-{number:02}" if number % 2 else f"m53-{number:02}" for number in range(60)]
    await asyncio.gather(*(installation.service.set_secret(name, "x") for name in wanted))
    yield client
    await asyncio.gather(*(installation.service.delete_secret(name) for name in wanted))


async def test_53_and_61_a_listing_comes_in_pages_in_the_order_of_names(many: Client) -> None:
    found = await pages(many, "/secrets")
    assert [len(page) for page in found] == [25, 25, 10]
    listed = [item["id"].rpartition("/")[2].upper() for page in found for item in page]
    assert listed == [f"M53-{number:02}" for number in range(60)]


async def test_54_and_56_a_next_link_is_absolute_and_survives_another_api_version(many: Client) -> None:
    answer = await many.request("GET", f"/secrets{V}&maxresults=2")
    link = answer.json["nextLink"]
    assert len(answer.json["value"]) == 2
    assert link.startswith(many.url + "/secrets?")
    assert "maxresults=2" in link
    assert re.search(r"&\$skiptoken=[A-Za-z0-9_-]+(&|$)", link)
    target = link.removeprefix(many.url)
    same = (await many.request("GET", target)).json["value"]
    other = (await many.request("GET", target.replace("7.4", "2026-04-01").replace("$", "%24"))).json["value"]
    assert same == other
    assert len(same) == 2
    without = (await many.request("GET", target.replace("&maxresults=2", ""))).json["value"]
    assert len(without) == 25


async def test_57_changes_between_pages_lose_and_repeat_nothing(many: Client, installation: Installation) -> None:
    first = (await many.request("GET", f"/secrets{V}&maxresults=20")).json
    await installation.service.delete_secret("m53-19")
    await installation.service.delete_secret("m53-40")
    await installation.service.set_secret("m53-05a", "x")
    await installation.service.set_secret("m53-30a", "x")
    rest = await pages(many, "/secrets", first["nextLink"].removeprefix(many.url + "/secrets"))
    seen = [item["id"].rpartition("/")[2].lower() for page in [first["value"], *rest] for item in page]
    assert len(seen) == len(set(seen))
    assert set(seen) - {"m53-30a"} == {f"m53-{number:02}" for number in range(60)} - {"m53-40"}
    for name in ("m53-19", "m53-40"):
        await installation.service.recover_secret(name)
    for name in ("m53-05a", "m53-30a"):
        await installation.service.delete_secret(name)


async def test_58_an_empty_vault_is_an_empty_page(installation: Installation) -> None:
    client = await installation.client("nobody", await installation.register("nobody", pattern="nothing-*"))
    for path in ("/secrets", "/deletedsecrets"):
        assert (await client.request("GET", path + V)).body == b'{"value":[],"nextLink":null}'


@pytest.mark.parametrize(
    "wrong", ["maxresults=0", "maxresults=26", "maxresults=abc", "maxresults=-1", "$skiptoken=AAAA"]
)
async def test_59_and_60_wrong_pages_are_bad_parameters(vault: Client, wrong: str) -> None:
    for path in ("/secrets", "/deletedsecrets", "/secrets/a1/versions"):
        await refused(await vault.request("GET", f"{path}{V}&{wrong}"), 400, "BadParameter")


async def test_62_all_versions_are_listed_in_pages(vault: Client) -> None:
    made = [(await put(vault, "a62", attributes={"enabled": False, "exp": 1000000000})).json["id"] for _ in range(5)]
    found = await pages(vault, "/secrets/A62/versions", V + "&maxresults=2")
    items = [item for page in found for item in page]
    assert [item["id"].rpartition("/")[2] for item in items] == sorted(id_.rpartition("/")[2] for id_ in made)
    assert all("value" not in item for item in items)
    assert [len(page) for page in found] == [2, 2, 1]


async def test_63_versions_of_nothing_are_an_empty_page(vault: Client) -> None:
    answer = await vault.request("GET", f"/secrets/nosuch/versions{V}")
    assert (answer.status, answer.body) == (200, b'{"value":[],"nextLink":null}')


# --- delete, recover, purge ---------------------------------------------------------------------------------------


async def test_65_to_70_a_deleted_secret_is_gone_and_recoverable(vault: Client) -> None:
    made = (await put(vault, "A65-Case", tags={"k": "v"})).json
    answer = await vault.request("DELETE", f"/secrets/a65-case{V}")
    assert answer.status == 200
    deleted = answer.json
    assert list(deleted)[:3] == ["recoveryId", "deletedDate", "scheduledPurgeDate"]
    assert deleted["recoveryId"] == f"{vault.url}/deletedsecrets/A65-Case"
    assert deleted["scheduledPurgeDate"] - deleted["deletedDate"] == 90 * 86_400
    assert deleted["attributes"]["recoverableDays"] == 90
    assert (deleted["id"], deleted["tags"], "value" in deleted) == (made["id"], {"k": "v"}, False)

    for path in ("/secrets/a65-case", f"/secrets/a65-case/{version_of(made)}"):
        await refused(await vault.request("GET", path + V), 404, "SecretNotFound")
    assert (await vault.request("GET", f"/secrets/a65-case/versions{V}")).json["value"] == []
    assert "A65-Case" not in await names(vault)
    assert await bundle(vault, "/deletedsecrets/A65-CASE") == deleted

    items = [item for page in await pages(vault, "/deletedsecrets") for item in page]
    (item,) = [item for item in items if item["id"] == f"{vault.url}/secrets/A65-Case"]
    assert item["recoveryId"] == deleted["recoveryId"]
    assert "value" not in item

    await refused(await vault.request("DELETE", f"/secrets/a65-case{V}"), 404, "SecretNotFound")
    await refused(await vault.request("DELETE", f"/secrets/nosuch{V}"), 404, "SecretNotFound")
    again = await vault.request("PUT", f"/secrets/a65-case{V}", {"value": "x"})
    await refused(again, 409, "Conflict", "ObjectIsDeletedButRecoverable")


async def test_71_and_72_a_recovered_secret_is_as_it_was(vault: Client) -> None:
    old = (await put(vault, "a71", "old")).json
    new = (await put(vault, "a71", "new")).json
    await vault.request("DELETE", f"/secrets/a71{V}")
    headers = {"Content-Type": "application/json"}
    answer = await vault.request("POST", f"/deletedsecrets/a71/recover{V}", headers=headers)
    assert (answer.status, answer.json["id"], "value" in answer.json) == (200, new["id"], False)
    assert await bundle(vault, "/secrets/a71") == new
    assert await bundle(vault, f"/secrets/a71/{version_of(old)}") == old
    for name in ("a71", "nosuch"):
        await refused(await vault.request("POST", f"/deletedsecrets/{name}/recover{V}"), 404, "SecretNotFound")


@pytest.mark.parametrize("word", ["deletedsecrets", "deletedSecrets"])
async def test_73_and_74_a_purged_secret_leaves_its_name_free(vault: Client, word: str) -> None:
    old = (await put(vault, "a73", "old")).json
    await vault.request("DELETE", f"/secrets/a73{V}")
    answer = await vault.request("DELETE", f"/{word}/a73{V}")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.header("content-type") is None
    assert answer.header("content-length") is None
    await refused(await vault.request("GET", f"/deletedsecrets/a73{V}"), 404, "SecretNotFound")
    await put(vault, "a73", "new")
    assert len((await pages(vault, "/secrets/a73/versions"))[0]) == 1
    await refused(await vault.request("GET", f"/secrets/a73/{version_of(old)}{V}"), 404, "SecretNotFound")


async def test_76_only_a_deleted_secret_is_purged(vault: Client) -> None:
    await put(vault, "a76")
    for name in ("a76", "nosuch"):
        await refused(await vault.request("DELETE", f"/deletedsecrets/{name}{V}"), 404, "SecretNotFound")
    assert (await bundle(vault, "/secrets/a76"))["value"] == "x"


# --- backup, restore ----------------------------------------------------------------------------------------------


async def test_79_to_81_a_backup_brings_everything_back(vault: Client) -> None:
    old = (await put(vault, "a79", "marked-old", tags={"k": "v"}, attributes={"enabled": False})).json
    new = (await put(vault, "a79", "marked-new", contentType="t")).json
    blob = (await vault.request("POST", f"/secrets/a79/backup{V}")).json["value"]
    assert re.fullmatch(r"[A-Za-z0-9_-]+", blob)
    assert "marked" not in blob

    await refused(await vault.request("POST", f"/secrets/restore{V}", {"value": blob}), 409, "Conflict")
    await vault.request("DELETE", f"/secrets/a79{V}")
    await refused(await vault.request("POST", f"/secrets/restore{V}", {"value": blob}), 409, "Conflict")
    await vault.request("DELETE", f"/deletedsecrets/a79{V}")
    answer = await vault.request("POST", f"/secrets/restore{V}", {"value": blob})
    assert (answer.status, answer.json["id"], "value" in answer.json) == (200, new["id"], False)

    assert await bundle(vault, "/secrets/a79") == new
    (versions,) = await pages(vault, "/secrets/a79/versions")
    restored = next(item for item in versions if item["id"] == old["id"])
    assert (restored["tags"], restored["attributes"]) == (old["tags"], old["attributes"])


async def test_81_a_restored_secret_has_its_name_in_the_casing_of_its_first_set(vault: Client) -> None:
    new = (await put(vault, "a81-MixedCase")).json
    blob = (await vault.request("POST", f"/secrets/a81-mixedcase/backup{V}")).json["value"]
    await vault.request("DELETE", f"/secrets/a81-mixedcase{V}")
    await vault.request("DELETE", f"/deletedsecrets/a81-mixedcase{V}")
    assert (await vault.request("POST", f"/secrets/restore{V}", {"value": blob})).json["id"] == new["id"]
    assert (await bundle(vault, "/secrets/a81-mixedcase"))["id"] == new["id"]


async def test_82_and_83_bad_backups(vault: Client) -> None:
    await put(vault, "a82")
    blob = (await vault.request("POST", f"/secrets/a82/backup{V}")).json["value"]
    flipped = blob[:40] + ("A" if blob[40] != "A" else "B") + blob[41:]
    for wrong in ("AAAA", flipped, blob[:-8], "", "not base64url!"):
        answer = await vault.request("POST", f"/secrets/restore{V}", {"value": wrong})
        await refused(answer, 400, "Malformed backup blob")
        assert answer.json["error"]["message"] == "Backup blob is corrupt."
    await refused(await vault.request("POST", f"/secrets/nosuch/backup{V}"), 404, "SecretNotFound")


# --- who may ------------------------------------------------------------------------------------------------------


async def test_7_each_operation_needs_its_own_permission(vault: Client, installation: Installation) -> None:
    await put(vault, "a7")
    idle = await installation.client("idle", await installation.register("idle", permissions=()))
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/secrets/a7", None),
        ("GET", f"/secrets/a7/{UNKNOWN}", None),
        ("GET", "/secrets/nosuch", None),
        ("PUT", "/secrets/a7", {"value": "y"}),
        ("PATCH", "/secrets/a7", {}),
        ("DELETE", "/secrets/a7", None),
        ("GET", "/secrets/a7/versions", None),
        ("GET", "/deletedsecrets/a7", None),
        ("POST", "/deletedsecrets/a7/recover", None),
        ("DELETE", "/deletedsecrets/a7", None),
        ("POST", "/secrets/a7/backup", None),
    ]
    for method, path, body in calls:
        await refused(await idle.request(method, path + V, body), 403, "Forbidden", "ForbiddenByRbac")
    blob = (await vault.request("POST", f"/secrets/a7/backup{V}")).json
    await refused(await idle.request("POST", f"/secrets/restore{V}", blob), 403, "Forbidden", "ForbiddenByRbac")
    assert (await bundle(vault, "/secrets/a7"))["value"] == "x"


async def test_88_other_paths_and_methods(vault: Client) -> None:
    for path in ("/", "/secrets/a/b/c", "/index.html"):
        await refused(await vault.request("GET", path + V), 404, "NotFound")
    for path in ("/keys", "/certificates/a"):
        await refused(await vault.request("GET", path + V), 400, "SecretsOnly")
    for method in ("HEAD", "OPTIONS", "TRACE", "POST"):
        answer = await vault.request(method, f"/secrets/a{V}")
        assert answer.status == 405
        assert answer.header("allow") == "GET, PUT, PATCH, DELETE"


async def test_90_concurrent_sets_all_count(vault: Client) -> None:
    answers = await asyncio.gather(*(put(vault, "a90", str(number)) for number in range(60)))
    made = {version_of(answer.json): answer.json["value"] for answer in answers}
    assert len(made) == 60
    found = [item for page in await pages(vault, "/secrets/a90/versions") for item in page]
    assert {version_of(item) for item in found} == set(made)
    newest = await vault.request("GET", f"/secrets/a90{V}")
    assert newest.json["value"] == made[version_of(newest.json)]
    assert newest.header("x-holdfast-version") == "60"


async def test_ids_keep_the_host_and_port_the_client_used(vault: Client) -> None:
    secret = (await put(vault, "a-host")).json
    parts = urlsplit(secret["id"])
    assert (parts.scheme, parts.netloc) == ("https", f"127.0.0.1:{vault.port}")
