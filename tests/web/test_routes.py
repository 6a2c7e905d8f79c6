"""Every route of the server, by the tables that requests are dispatched by: none answers a stranger."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.routing import Mount, Route

from holdfast.domain.policy import Permission
from holdfast.keyvault_wire import routes as vault_routes
from holdfast.keyvault_wire.arm_routes import PATHS as ARM_PATHS
from holdfast.keyvault_wire.arm_routes import Question
from holdfast.keyvault_wire.routes import Operation as VaultOperation
from holdfast.web.app import create_router, surfaces
from holdfast.web.v1.operation import SOMEBODY
from holdfast.web.v1.table import OPERATIONS
from tests.support.certificates import public_pem
from tests.support.https import Client, Response
from tests.support.installation import Installation
from tests.support.node import rows
from tests.support.operations import TERMS
from tests.web.conftest import Stubbed

PUBLIC = {
    "/healthz",
    "/readyz",
    "/v1/openapi.json",
    "/v1/docs",
    "/v1/docs/{file}",
    "/msi/{rest:path}",
    "/{tenant:tenant}/oauth2/token",
    "/{tenant:tenant}/oauth2/v2.0/token",
    "/{tenant:tenant}/.well-known/openid-configuration",
    "/{tenant:tenant}/v2.0/.well-known/openid-configuration",
    "/{tenant:tenant}/discovery/keys",
    "/{tenant:tenant}/discovery/v2.0/keys",
}
"""What needs no login: health says nothing, the documents are the same everywhere, the others are how one logs in."""

V = "?api-version=7.4"
VAULT: dict[VaultOperation, tuple[str, str, Any]] = {
    VaultOperation.SET: ("PUT", f"/secrets/route{V}", {"value": "x"}),
    VaultOperation.GET: ("GET", f"/secrets/route{V}", None),
    VaultOperation.UPDATE: ("PATCH", f"/secrets/route{V}", {}),
    VaultOperation.LIST: ("GET", f"/secrets{V}", None),
    VaultOperation.LIST_VERSIONS: ("GET", f"/secrets/route/versions{V}", None),
    VaultOperation.DELETE: ("DELETE", f"/secrets/route{V}", None),
    VaultOperation.LIST_DELETED: ("GET", f"/deletedsecrets{V}", None),
    VaultOperation.GET_DELETED: ("GET", f"/deletedsecrets/route{V}", None),
    VaultOperation.RECOVER: ("POST", f"/deletedsecrets/route/recover{V}", None),
    VaultOperation.PURGE: ("DELETE", f"/deletedsecrets/route{V}", None),
    VaultOperation.BACKUP: ("POST", f"/secrets/route/backup{V}", None),
    VaultOperation.RESTORE: ("POST", f"/secrets/restore{V}", {"value": ""}),
}
BODIES: dict[str, Any] = {
    "setSecret": {"value": "x"},
    "batchGetSecrets": {"items": [{"name": "route"}]},
    "rollbackSecret": {"version": 1},
    "scheduleRotation": {"interval_days": 30},
    "putGrant": {"pattern": "route", "user_id": "route-user", "permissions": ["get"]},
    "assignRole": {"subject": "route-user", "role": "reader", "pattern": "route"},
    "explain": {"name": "route", "user_id": "route-user", "permission": "get"},
    "simulate": {"changes": [{"kind": "revoke", "subject": "route-user", "pattern": "route"}]},
    "addIdentity": {"name": "route-new"},
    "setGroups": {"groups": ["route-group"]},
    "createToken": {"identity": "route-user"},
    "enrolTotp": {"identity": "route-user"},
    "confirmTotp": {"code": "123456"},
    "verifyTotp": {"code": "123456"},
    "addClient": {"client_id": "route-client"},
    "federateClient": TERMS,
    "certifyClient": {"name": "route", "certificate": public_pem()},
    "warmCache": {"names": ["route"]},
    "invalidateCache": {"name": "route"},
    "discardIntents": {"name": "route"},
    "retryNotices": {},
    "discardNotices": {},
    "testNotices": {},
    "activateKey": {"key_id": "0123456789abcdef"},
    "retireKey": {"key_id": "0123456789abcdef"},
    "requestEmergency": {"name": "route", "reason": "the route is on fire"},
    "redeemEmergency": {"codes": ["AAAAA-AAAAA-AAAAA-AAAAA-AAAAA", "BBBBB-BBBBB-BBBBB-BBBBB-BBBBB"]},
    "createRecoveryCodes": {"name": "route"},
    "acknowledgeAuditGap": {"gap": "7b7b5b7e-0000-4000-8000-000000000000/1/1-2"},
}
UNSEEN = {
    *("getEmergency", "approveEmergency", "denyEmergency", "withdrawEmergency", "revokeEmergency", "redeemEmergency"),
}
"""Whether there is such a request for emergency access is not a stranger's to know."""

OF_ONE_S_OWN = {"confirmTotp", "verifyTotp"}
"""What everybody may do to their own; a stranger has nothing that it could work on, and proves nothing by it."""

PARAMETERS = {
    "name": "route",
    "version": "1",
    "client_id": "route-client",
    "credential": "route-credential",
    "identity": "route-user",
    "number": "4711",
    "token_id": "7b7b5b7e-0000-4000-8000-000000000000",
}
QUERIES = {
    "deleteGrant": "?pattern=route&user_id=route-user",
    "unassignRole": "?subject=route-user&role=reader&pattern=route",
    "checkAccess": "?name=route&user_id=route-user&permission=get",
}


_NEEDS = {operation.id: set(re.findall(r"`(\w+)`", operation.needs)) for operation in OPERATIONS}


@dataclass(frozen=True)
class Request:
    """One request for each route. ``lists``: our own API shows what may be listed; a stranger may list nothing."""

    id: str
    method: str
    target: str
    body: Any
    lists: bool = False


def requests(backup: str = "") -> Iterator[Request]:
    """A request for every route that needs a login, well-formed but for the login."""
    for kind, (method, target, given) in VAULT.items():
        body = {"value": backup} if kind is VaultOperation.RESTORE else given
        yield Request(kind, method, target, body)
    for operation in OPERATIONS:
        path = operation.path.format(**PARAMETERS)
        body = BODIES.get(operation.id, {} if operation.body else None)
        if operation.id == "restoreSecret":
            body = {"backup": backup}
        target = path + QUERIES.get(operation.id, "")
        yield Request(operation.id, operation.method, target, body, operation.needs is SOMEBODY)


def test_these_are_all_the_routes(stubbed: Stubbed) -> None:
    router: Any = create_router(stubbed.parts, surfaces(stubbed.parts))
    routed = {route.path for route in router.routes if isinstance(route, Route)}
    mounted = {route.path for route in router.routes if isinstance(route, Mount)}
    assert routed == PUBLIC
    assert mounted == {""}, "which leaves every other path to the two APIs"
    assert len(router.routes) == len(routed) + len(mounted)
    assert set(VAULT) == set(VaultOperation)
    for kind, (method, target, _) in VAULT.items():
        assert vault_routes.route(method, target.partition("?")[0].encode()).operation == kind
    assert all(operation.path.startswith("/v1/") for operation in OPERATIONS)


def of_the_manager() -> Iterator[Request]:
    """A request for every route of the resource manager that needs a login; ``tests/web/test_arm.py`` has the rest."""
    for path, question in ARM_PATHS.items():
        if question is not Question.ENDPOINTS:
            target = path.format(subscription="route", group="route", vault="route")
            yield Request(f"arm {path}", "GET", f"/{target}?api-version=2022-09-01", None)


@pytest.mark.parametrize("request_", [*requests(), *of_the_manager()], ids=lambda each: each.id)
@pytest.mark.parametrize("authorization", [None, "Bearer x", "Bearer ", "Basic YXBwOng=", "bearer\tx"])
async def test_i1_no_route_answers_without_a_login(
    stubbed: Stubbed, request_: Request, authorization: str | None
) -> None:
    stubbed.clock.move(600)  # so that nobody here is taken for somebody who guesses
    headers = {} if authorization is None else {"Authorization": authorization}
    for suffix in ("", "&" if "?" in request_.target else "?"):
        target = request_.target + (suffix and f"{suffix}next=/healthz")
        answer = await stubbed.anonymous.request(request_.method, target, request_.body, headers)
        assert answer.status == 401
        assert answer.header("www-authenticate")
        assert answer.header("cache-control") == "no-cache, no-store"


async def test_i1_and_i7_no_route_does_anything_for_an_identity_without_grants(
    installation: Installation, vault: Client
) -> None:
    """Each denial is on record, under the request that was denied."""
    await vault.request("PUT", "/v1/secrets/route", {"value": "marked-value"})
    backup = (await vault.request("POST", f"/secrets/route/backup{V}")).json["value"]
    stranger = await installation.client("route-stranger", await installation.register("route-stranger", ()))
    for each in requests(backup):
        answer = await stranger.request(each.method, each.target, each.body)
        assert b"marked-value" not in answer.body
        if each.lists:
            assert (answer.status, _items(answer)) == (200, [])
        elif each.id == "warmCache":
            assert answer.json == {"warmed": 0}
        elif each.id == "batchGetSecrets":
            assert [item["problem"]["code"] for item in answer.json["items"]] == ["access_denied"]
        elif each.id == "requestEmergency":
            assert (answer.status, answer.json["state"]) == (201, "requested"), "anybody may ask, and nobody is let in"
        elif each.id == "listEmergencies":
            assert {item["requester"] for item in _items(answer)} == {"route-stranger"}
        elif each.id == "whoAmI":
            assert (answer.status, answer.json["identity"], answer.json["groups"]) == (200, "route-stranger", [])
        else:
            assert answer.status == _refused(each)[0], each
            assert _wanted(answer) <= _NEEDS.get(each.id, set(Permission)), (
                "the document says what would have been enough"
            )
        allowed = each.lists or each.id in {"requestEmergency", "listEmergencies", "whoAmI"}
        await _on_record(installation, answer, None if allowed else _refused(each)[1])
    assert (await vault.request("GET", "/v1/secrets/route")).json["version"] == 1
    assert not await installation.service.check_access("route", "route-user", Permission.GET)


def _wanted(answer: Response) -> set[str]:
    """The permissions that a refusal tells to ask for."""
    return set(re.findall(r"'(\w+)'", json.loads(answer.body).get("detail", "").partition("Ask for a grant of")[2]))


def _refused(request: Request) -> tuple[int, str]:
    if request.id in OF_ONE_S_OWN:
        return 401, "unauthenticated"
    return (404, "request_not_found") if request.id in UNSEEN else (403, "access_denied")


def _items(answer: Response) -> list[Any]:
    found: list[Any] = answer.json["value"] if "value" in answer.json else answer.json["items"]
    return found


async def _on_record(installation: Installation, answer: Response, refusal: str | None) -> None:
    """Some record names the request; if it was refused, with the error."""
    found = await rows(
        str(installation.settings.database_url),
        "SELECT DISTINCT user_id, error_code FROM secret_access_logs WHERE request_id = $1",
        answer.header("x-request-id") or answer.header("x-ms-request-id"),
    )
    assert found == [("route-stranger", refusal)]
