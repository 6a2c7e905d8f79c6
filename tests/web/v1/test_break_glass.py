"""Emergency access through our own API."""

from dataclasses import replace
from typing import get_args

import pytest

from holdfast.domain.break_glass import REQUESTABLE
from holdfast.v1_wire.break_glass import Requestable
from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.v1.test_secrets import made, refused

ASKING = {"name": "bgl-db", "reason": "The primary does not come up"}


async def person(vault: Client, name: str, role: str | None = None) -> Client:
    await vault.request("POST", "/v1/identities", {"name": name, "kind": "person"})
    if role is not None:
        await vault.request("PUT", "/v1/roles", {"subject": name, "role": role, "pattern": "bgl-*"})
    return replace(vault, token=(await vault.request("POST", "/v1/tokens", {"identity": name})).json["token"])


async def test_a_request_goes_through_approval_to_its_end(installation: Installation, vault: Client) -> None:
    await made(vault, "bgl-db", "x")
    ann, ben = await person(vault, "bgl-ann", "approver"), await person(vault, "bgl-ben", "approver")
    erin, frank = await person(vault, "bgl-erin"), await person(vault, "bgl-frank")
    new = await erin.request("POST", "/v1/break-glass", {**ASKING, "permissions": ["get", "list"], "duration_s": 600})
    assert new.status == 201
    assert (new.json["state"], new.json["permissions"], new.json["approvers"]) == ("requested", ["get", "list"], 2)
    path = f"/v1/break-glass/{new.json['id']}"
    refused(await frank.request("GET", path), 404, "request_not_found")
    refused(await frank.request("POST", f"{path}/approve"), 404, "request_not_found")
    refused(await erin.request("POST", f"{path}/approve"), 403, "access_denied")
    assert (await ann.request("POST", f"{path}/approve")).json["state"] == "requested"
    refused(await ann.request("POST", f"{path}/approve"), 409, "conflict")
    refused(await erin.request("GET", "/v1/secrets/bgl-db"), 403, "access_denied")
    granted = (await ben.request("POST", f"{path}/approve")).json
    assert (granted["state"], granted["decided_by"]) == ("approved", "bgl-ben")
    assert [each["voter"] for each in granted["votes"]] == ["bgl-ann", "bgl-ben"]
    assert (await erin.request("GET", "/v1/secrets/bgl-db")).json["value"] == "x"
    (shown,) = (await ann.request("GET", "/v1/break-glass?open_only=true&limit=5")).json["items"]
    assert (shown["rule"], shown["reason"]) == (f"break-glass:{new.json['id']}", ASKING["reason"])
    assert (await frank.request("GET", "/v1/break-glass")).json == {"items": []}
    assert (await ann.request("POST", f"{path}/revoke")).json["state"] == "revoked"
    refused(await erin.request("GET", "/v1/secrets/bgl-db"), 403, "access_denied")
    for verb in ("deny", "revoke"):
        refused(await ann.request("POST", f"{path}/{verb}"), 409, "conflict")
    refused(await erin.request("POST", f"{path}/withdraw"), 409, "conflict")


async def test_recovery_codes_stand_for_approvers(installation: Installation, vault: Client) -> None:
    await made(vault, "bgl-codes", "x")
    erin = await person(vault, "bgl-eve")
    new = await vault.request("POST", "/v1/break-glass-codes", {"name": "bgl-*", "number": 3, "threshold": 2})
    assert new.status == 201
    assert len(new.json["codes"]) == 3
    request = (await erin.request("POST", "/v1/break-glass", {**ASKING, "name": "bgl-codes"})).json
    path = f"/v1/break-glass/{request['id']}/redeem"
    refused(await erin.request("POST", path, {"codes": new.json["codes"][:1]}), 403, "access_denied")
    assert (await erin.request("POST", path, {"codes": new.json["codes"][:2]})).json["state"] == "approved"
    (listed,) = (await vault.request("GET", "/v1/break-glass-codes")).json["items"]
    assert (listed["used"], listed["number"], listed["threshold"]) == ([1, 2], 3, 2)
    assert not set(new.json["codes"]) & set(str(listed).split("'"))
    refused(await erin.request("GET", "/v1/break-glass-codes"), 403, "access_denied")
    for removed in (True, False):
        answer = await vault.request("DELETE", f"/v1/break-glass-codes/{listed['id']}")
        assert answer.json == {"removed": removed}


def test_the_document_names_what_may_be_asked_for() -> None:
    assert set(get_args(Requestable)) == REQUESTABLE


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("reason", {"name": "bgl-db"}),
        ("reason", {"name": "bgl-db", "reason": "short"}),
        ("name", {**ASKING, "name": "a*b*c"}),
        ("permissions[0]", {**ASKING, "permissions": ["purge"]}),
        ("permissions[0]", {**ASKING, "permissions": ["fly"]}),
        ("duration_s", {**ASKING, "duration_s": 86_401}),
        ("duration", {**ASKING, "duration_s": 3_601}),
        ("code", {**ASKING, "code": "12345"}),
        (None, {**ASKING, "approvers": 0}),
    ],
)
async def test_i14_bad_requests_are_refused_by_field(vault: Client, field: str | None, body: dict[str, object]) -> None:
    refused(await vault.request("POST", "/v1/break-glass", body), 400, "invalid_input", field)


@pytest.mark.parametrize("number", ["0", "-1", "x", "9" * 30, "%00", "1.5"])
async def test_i14_what_is_no_number_names_no_request(vault: Client, number: str) -> None:
    refused(await vault.request("GET", f"/v1/break-glass/{number}"), 400, "invalid_input", "number")
