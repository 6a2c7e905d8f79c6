"""Identities and tokens through our own API."""

from dataclasses import replace

import pytest

from holdfast.ports import IdentityRecord, TokenRecord
from holdfast.v1_wire.identities import IdentityDocument, TokenDocument
from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.v1.test_access import granted
from tests.web.v1.test_secrets import everything, made, refused

NO_TOKEN = "7b7b5b7e-0000-4000-8000-000000000000"


async def test_an_identity_is_made_proves_itself_by_a_token_and_is_stopped(
    installation: Installation, vault: Client
) -> None:
    await made(vault, "idn-one", "x")
    new = await vault.request("POST", "/v1/identities", {"name": "idn/app one", "kind": "application"})
    assert (new.status, new.json) == (201, {"name": "idn/app one", "kind": "application"})
    refused(await vault.request("POST", "/v1/identities", {"name": "idn/app one"}), 409, "conflict")
    await granted(vault, "idn-*", "group:idn-team", "get")
    token = await vault.request("POST", "/v1/tokens", {"identity": "idn/app one", "networks": ["127.0.0.0/8"]})
    assert token.status == 201
    assert token.json["record"]["networks"] == ["127.0.0.0/8"]
    app = replace(vault, token=token.json["token"])
    refused(await app.request("GET", "/v1/secrets/idn-one"), 403, "access_denied")
    path = "/v1/identities/idn%2Fapp%20one"
    assert (await vault.request("PUT", f"{path}/groups", {"groups": ["idn-team"]})).json == {"groups": ["idn-team"]}
    assert (await app.request("GET", "/v1/secrets/idn-one")).json["value"] == "x"
    (shown,) = [each for each in await everything(vault, "/v1/identities") if each["name"] == "idn/app one"]
    assert (shown["groups"], shown["tokens"], shown["disabled_at"]) == (["idn-team"], 1, None)
    assert (await vault.request("POST", f"{path}/disable")).status == 204
    refused(await app.request("GET", "/v1/secrets/idn-one"), 401, "unauthenticated")
    assert (await vault.request("POST", f"{path}/enable")).status == 204
    assert (await app.request("GET", "/v1/secrets/idn-one")).status == 200
    for removed in (True, False):
        assert (await vault.request("DELETE", path)).json == {"removed": removed}
    refused(await app.request("GET", "/v1/secrets/idn-one"), 401, "unauthenticated")
    refused(await vault.request("POST", f"{path}/disable"), 404, "identity_not_found")


async def test_a_token_renews_itself_and_its_owner_ends_it(vault: Client) -> None:
    await vault.request("POST", "/v1/identities", {"name": "idn-renew"})
    body = {"identity": "idn-renew", "lifetime_s": 60, "max_lifetime_s": 3600, "description": "for a test"}
    new = (await vault.request("POST", "/v1/tokens", body)).json
    record, owner = new["record"], replace(vault, token=new["token"])
    assert (record["lifetime_s"], record["description"], record["renewals"]) == (60, "for a test", 0)
    renewed = (await owner.request("POST", f"/v1/tokens/{record['id']}/renew")).json
    assert (renewed["renewals"], renewed["max_expires_at"]) == (1, record["max_expires_at"])
    assert renewed["expires_at"] > record["expires_at"]
    (mine,) = (await owner.request("GET", "/v1/tokens?identity=idn-renew")).json["items"]
    assert mine["id"] == record["id"]
    assert new["token"] not in str(mine)
    refused(await owner.request("GET", "/v1/tokens"), 403, "access_denied")
    refused(await owner.request("POST", "/v1/tokens", {"identity": "idn-renew"}), 403, "access_denied")
    assert (await owner.request("DELETE", f"/v1/tokens/{record['id']}")).json == {"removed": True}
    refused(await owner.request("GET", "/v1/tokens?identity=idn-renew"), 401, "unauthenticated")
    assert (await vault.request("DELETE", f"/v1/tokens/{record['id']}")).json == {"removed": False}
    refused(await vault.request("POST", f"/v1/tokens/{record['id']}/renew"), 409, "conflict")


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("lifetime_s", value) for value in (0, -1, 59, 31_536_001, 1.5, None, "60")),
        *(("networks", value) for value in (["10.0.0.1/8"], ["x"], [""], ["10.0.0.0/8"] * 21)),
        *(("description", value) for value in ("x" * 201, "a\nb")),
        *(("id", NO_TOKEN), ("hash", "x"), ("renewals", 1)),
    ],
)
async def test_case_31_a_token_that_cannot_be_is_refused(vault: Client, member: str, value: object) -> None:
    await vault.request("POST", "/v1/identities", {"name": "idn-odd"})
    answer = await vault.request("POST", "/v1/tokens", {"identity": "idn-odd", member: value})
    assert (answer.status, answer.problem["code"]) == (400, "invalid_input")


@pytest.mark.parametrize("token_id", ["x", "0", NO_TOKEN + "0", "%00"])
async def test_a_tokens_id_is_a_uuid(vault: Client, token_id: str) -> None:
    refused(await vault.request("DELETE", f"/v1/tokens/{token_id}"), 400, "invalid_input", "token_id")
    refused(await vault.request("DELETE", f"/v1/tokens/{NO_TOKEN}"), 404, "token_not_found")


async def test_records_arrive_as_they_were(installation: Installation, vault: Client) -> None:
    await vault.request("POST", "/v1/identities", {"name": "idn-record", "kind": "person"})
    await installation.service.tokens.create("idn-record", networks=["10.0.0.0/8", "2001:db8::/32"], description="d")
    (token,) = await installation.service.tokens.list("idn-record")
    assert TokenRecord(**TokenDocument.of_token(token).members()) == token
    (identity,) = [each for each in await installation.service.identities.list() if each.name == "idn-record"]
    assert IdentityDocument.of(identity).to(IdentityRecord) == identity
