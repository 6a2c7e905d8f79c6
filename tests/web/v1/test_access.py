"""Who may do what, through our own API."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.https import Client
from tests.support.installation import Installation
from tests.support.node import within
from tests.web.v1.test_secrets import everything, made, refused


async def granted(vault: Client, pattern: str, user_id: str, *permissions: str, **members: Any) -> Any:
    body = {"pattern": pattern, "user_id": user_id, "permissions": permissions, **members}
    answer = await vault.request("PUT", "/v1/grants", body)
    assert answer.status == 200, answer.body
    return answer.json


async def test_i6_a_grant_counts_at_once_and_so_does_its_end(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-one")
    reader = await installation.client("acc-reader", await installation.register("acc-reader", ()))
    refused(await reader.request("GET", "/v1/secrets/acc-one"), 403, "access_denied")
    until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    given = await granted(vault, "Acc-*", "acc-reader", "list", "get", expires_at=until.isoformat())
    assert (given["pattern"], given["permissions"], given["granted_by"]) == ("acc-*", ["get", "list"], "app")
    assert datetime.fromisoformat(given["expires_at"]) == until
    assert (await reader.request("GET", "/v1/secrets/acc-one")).status == 200
    assert given in await everything(vault, "/v1/grants")
    allowed = await reader.request("GET", "/v1/check?name=acc-one&user_id=acc-reader&permission=get")
    assert allowed.json == {"allowed": True}
    for removed in (True, False):
        answer = await vault.request("DELETE", "/v1/grants?pattern=acc-*&user_id=acc-reader")
        assert answer.json == {"removed": removed}
    refused(await reader.request("GET", "/v1/secrets/acc-one"), 403, "access_denied")


@pytest.mark.parametrize(
    ("member", "value", "field"),
    [
        *(("user_id", value, "user_id") for value in ("system", "SYSTEM", "anonymous", "*", "", " a", "é", "a" * 256)),
        *(("pattern", value, "name") for value in ("a_b", "a-b/", "*" * 2, "[a]*", "(a+)+$")),
        *(("expires_at", value, "expires_at") for value in ("2001-01-01T00:00:00Z", "-infinity", "2030-01-01", 1)),
        *(("granted_by", value, "") for value in ("system", "app", None)),
    ],
)
async def test_case_16_22_and_23_a_grant_that_cannot_be_is_refused(
    vault: Client, member: str, value: object, field: str
) -> None:
    body = {"pattern": "acc-x", "user_id": "acc-user", "permissions": ["get"], member: value}
    answer = await vault.request("PUT", "/v1/grants", body)
    assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
    assert answer.problem.get("field", "") in {field, member}


async def test_case_22_nobody_grants_more_than_they_hold(installation: Installation, vault: Client) -> None:
    secret = await installation.register("acc-team", ["get", "grant"], "acc-team-*")
    team = await installation.client("acc-team", secret)
    body = {"pattern": "acc-team-a", "user_id": "acc-team-user", "permissions": ["get"]}
    assert (await team.request("PUT", "/v1/grants", body)).status == 200
    for more in ({"permissions": ["get", "set"]}, {"pattern": "acc-*"}, {"pattern": "*"}, {"pattern": "other"}):
        refused(await team.request("PUT", "/v1/grants", {**body, **more}), 403, "access_denied")
    role = {"subject": "acc-team", "role": "admin", "pattern": "*"}
    refused(await team.request("PUT", "/v1/roles", role), 403, "access_denied")
    assert (await vault.request("GET", "/v1/check?name=acc-team-a&user_id=acc-team-user&permission=set")).json == {
        "allowed": False
    }


async def test_a_role_is_given_shown_explained_and_taken(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-role")
    reader = await installation.client("acc-role-user", await installation.register("acc-role-user", ()))
    body = {"subject": "acc-role-user", "role": "reader", "pattern": "acc-role*"}
    given = await vault.request("PUT", "/v1/roles", body)
    assert body.items() <= given.json.items()
    assert (await reader.request("GET", "/v1/secrets/acc-role")).status == 200
    assert given.json in await everything(vault, "/v1/roles")
    question = {"name": "acc-role", "user_id": "acc-role-user", "permission": "get"}
    why = (await vault.request("POST", "/v1/explain", question)).json
    assert (why["allowed"], why["considered"][0]["permissions"]) == (True, ["get", "list"])
    assert why["rule"] == why["considered"][0]["rule"]
    answer = await vault.request("DELETE", "/v1/roles?subject=acc-role-user&role=reader&pattern=acc-role*")
    assert answer.json == {"removed": True}
    refused(await reader.request("GET", "/v1/secrets/acc-role"), 403, "access_denied")
    assert (await vault.request("POST", "/v1/explain", question)).json["allowed"] is False
    refused(await reader.request("POST", "/v1/explain", {**question, "user_id": "app"}), 403, "access_denied")


async def test_a_change_of_rules_is_tried_before_it_is_made(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-tried")
    reader = await installation.client("acc-tried-user", await installation.register("acc-tried-user", ["get"]))
    assert (await reader.request("GET", "/v1/secrets/acc-tried")).status == 200
    change = {"kind": "revoke", "subject": "acc-tried-user", "pattern": "*"}
    same = {"kind": "assign", "subject": "acc-tried-user", "pattern": "acc-*", "role": "reader"}

    async def replayed() -> Any:
        return (await vault.request("POST", "/v1/simulate", {"changes": [change], "days": 1})).json["breaks"]

    async def is_broken() -> bool:
        return any(each["identity"] == "acc-tried-user" for each in await replayed())

    await within(10, is_broken)
    both = await vault.request("POST", "/v1/simulate", {"changes": [change, same]})
    assert not [each for each in both.json["breaks"] if each["secret"] == "acc-tried"]
    assert (await reader.request("GET", "/v1/secrets/acc-tried")).status == 200
    for wrong in ({**same, "role": None}, {**change, "kind": "grant"}, {**change, "pattern": "a_b"}):
        answer = await vault.request("POST", "/v1/simulate", {"changes": [wrong]})
        assert (answer.status, answer.problem["code"]) == (400, "invalid_input")


async def test_case_18_to_20_no_permission_implies_another(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-verbs", "marked-value")
    requests: dict[str, tuple[str, str, object]] = {
        "get": ("GET", "/v1/secrets/acc-verbs/versions/1", None),
        "list": ("GET", "/v1/secrets/acc-verbs/versions", None),
        "set": ("PUT", "/v1/secrets/acc-verbs", {"value": "marked-value"}),
        "grant": ("PUT", "/v1/grants", {"pattern": "acc-verbs", "user_id": "u", "permissions": ["grant"]}),
        "audit": ("GET", "/v1/secrets/acc-verbs/history", None),
        "delete": ("DELETE", "/v1/secrets/acc-verbs", None),
    }
    for held in requests:
        user = f"acc-may-{held}"
        client = await installation.client(user, await installation.register(user, [held], "acc-verbs"))
        for needed, (method, target, body) in requests.items():
            also = needed == "audit" and held == "grant"
            if needed == "delete" and held == "delete":
                continue
            answer = await client.request(method, target, body)
            assert (answer.status == 200) is (needed == held or also), (held, needed)
            assert (b"marked-value" in answer.body) is (needed == held == "get")


async def test_case_18_a_forbidden_secret_is_as_good_as_none(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-hidden")
    stranger = await installation.client("acc-stranger", await installation.register("acc-stranger", ()))
    hidden = (await stranger.request("GET", "/v1/secrets/acc-hidden")).problem
    none = (await stranger.request("GET", "/v1/secrets/acc-absent")).problem
    for problem in (hidden, none):
        del problem["request_id"]
        problem["detail"] = problem["detail"].replace("hidden", "absent")
    assert hidden == none


async def test_case_27_and_i15_rights_end_with_the_secret(installation: Installation, vault: Client) -> None:
    await made(vault, "acc-reborn")
    secret = await installation.register("acc-former", ["get"], "acc-reborn")
    former = await installation.client("acc-former", secret)
    assert (await former.request("GET", "/v1/secrets/acc-reborn")).status == 200
    await vault.request("DELETE", "/v1/secrets/acc-reborn")
    await vault.request("DELETE", "/v1/deleted-secrets/acc-reborn")
    await made(vault, "acc-reborn", "of another team")
    refused(await former.request("GET", "/v1/secrets/acc-reborn"), 403, "access_denied")


async def test_a_client_is_made_used_and_removed(installation: Installation, vault: Client) -> None:
    made_one = await vault.request("POST", "/v1/clients", {"client_id": "acc/new client"})
    assert made_one.status == 201
    client = await installation.client("acc%2Fnew%20client", made_one.json["client_secret"])
    assert (await client.request("GET", "/v1/secrets")).json == {"items": [], "next_cursor": None}
    refused(await vault.request("POST", "/v1/clients", {"client_id": "acc/new client"}), 409, "conflict")
    listed = await everything(vault, "/v1/clients")
    (found,) = [each for each in listed if each["client_id"] == "acc/new client"]
    assert set(found) == {"client_id", "created_at", "created_by"}
    for removed in (True, False):
        answer = await vault.request("DELETE", "/v1/clients/acc%2Fnew%20client")
        assert answer.json == {"removed": removed}
    refused(await client.request("GET", "/v1/secrets"), 401, "unauthenticated")


async def test_case_10_and_43_what_a_client_says_of_itself_proves_nothing(
    installation: Installation, vault: Client
) -> None:
    await made(vault, "acc-record")
    headers = {
        "User-Agent": '=x\t{"success":true}\x9b31m\xad' + "y" * 1000,
        "X-Forwarded-For": "203.0.113.9",
        "X-User-Id": "admin",
    }
    assert (await vault.request("GET", "/v1/secrets/acc-record", headers=headers)).status == 200
    escape = await vault.request("GET", "/v1/secrets/acc-record", headers={"User-Agent": "x\x1b[31m"})
    assert (escape.status, escape.codes) == (400, ("BadParameter", None))
    records = (await vault.request("GET", "/v1/secrets/acc-record/history?limit=9")).json["items"]
    (record,) = [each for each in records if each["operation"] == "get"]
    assert (record["user_id"], record["ip_address"]) == ("app", "127.0.0.1")
    assert len(record["user_agent"]) == 256
    assert record["user_agent"].isprintable()


@pytest.mark.parametrize("name", ["x' OR '1'='1", "x%25", "x_", '"; DROP TABLE secrets_vault; --'])
async def test_case_45_and_46_sql_is_text(vault: Client, name: str) -> None:
    for target in (f"/v1/check?name={name}&user_id=u&permission=get", f"/v1/grants?pattern={name}&user_id=u"):
        method = "GET" if "check" in target else "DELETE"
        answer = await vault.request(method, target.replace(" ", "%20").replace('"', "%22"))
        refused(answer, 400, "invalid_input", "name" if method == "GET" else "pattern")
    identity = "x' OR '1'='1"
    assert (await vault.request("DELETE", f"/v1/grants?pattern=*&user_id={identity.replace(' ', '%20')}")).json == {
        "removed": False
    }
    assert (await vault.request("GET", "/v1/secrets?limit=1")).status == 200
