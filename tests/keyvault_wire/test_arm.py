"""The resource manager's paths, queries and documents, without a server."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from azure.keyvault.secrets._shared.challenge_auth_policy import _validate_challenge_resource

from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.arm_documents import GROUP, Cloud, Place, place_of
from holdfast.keyvault_wire.arm_routes import PATHS, VAULT_TYPE, ArmRefusal, Asked, Question, asked, is_of_arm, is_open
from holdfast.keyvault_wire.routes import MethodNotAllowed

TENANT = "6f9b1f6e-0f0a-5a51-8d7e-3b0c7a1d2e4f"
CLOUD = Cloud(
    place=Place("my", "vault.example.com"),
    resource="https://vault.example.com",
    tenant=TENANT,
    retention_days=7,
    purge_protection=False,
)
VAULT_ID = f"/subscriptions/{TENANT}/resourceGroups/{GROUP}/providers/Microsoft.KeyVault/vaults/my"
V = b"api-version=2022-09-01"


def about(path: str, query: str = "api-version=2022-09-01") -> Any:
    return CLOUD.answer(asked("GET", path.encode(), query.encode()))


@pytest.mark.parametrize(
    ("path", "question"),
    [
        ("/metadata/endpoints", Question.ENDPOINTS),
        ("//metadata/endpoints", Question.ENDPOINTS),  # as go-azure-helpers asks for locations
        ("/tenants/", Question.TENANTS),
        ("/Subscriptions", Question.SUBSCRIPTIONS),
        ("/subscriptions/A-1", Question.SUBSCRIPTION),
        ("/subscriptions/a-1/resources", Question.RESOURCES),
        ("/subscriptions/a-1/providers/Microsoft.KeyVault/vaults", Question.VAULTS),
        ("/subscriptions/a-1/resourceGroups/g_(1)/providers/microsoft.keyvault/Vaults", Question.VAULTS),
        (VAULT_ID, Question.VAULT),
    ],
)
def test_what_clients_ask_is_understood(path: str, question: Question) -> None:
    assert asked("GET", path.encode(), V).question is question
    assert is_of_arm(path.encode())
    assert is_open(path.encode()) == (question is Question.ENDPOINTS)


def test_every_path_is_of_the_resource_manager_and_none_of_the_vault() -> None:
    assert set(PATHS.values()) == set(Question)
    assert all(is_of_arm(f"/{path}".encode()) for path in PATHS)
    for path in (
        b"/secrets",
        b"/",
        b"/subscriptionsx",
        b"/metadata",
        b"/metadata/identity/oauth2/token",
        b"/v1/tenants",
    ):
        assert not is_of_arm(path)


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", PATHS)
def test_nothing_can_be_changed(method: str, path: str) -> None:
    with pytest.raises(MethodNotAllowed) as refused:
        asked(method, f"/{path}".format(subscription="a", group="b", vault="c").encode(), V)
    assert refused.value.allowed == ("GET",)


@pytest.mark.parametrize(
    "path",
    [
        "/metadata/endpoints/more",
        "/subscriptions/a/locations",
        "/subscriptions//resources",
        "/subscriptions/a%2Fresources",
        "/subscriptions/%61",
        "/subscriptions/a\n",
        "/subscriptions/" + "a" * 91,
        "/subscriptions/ä",
        "/subscriptions/a/providers/Microsoft.Storage/vaults",
        f"{VAULT_ID}/accessPolicies/add",
        f"{VAULT_ID}/../../x",
    ],
)
def test_other_paths_lead_nowhere(path: str) -> None:
    with pytest.raises(ArmRefusal) as refused:
        asked("GET", path.encode(), V)
    assert (refused.value.status, refused.value.arm_code) == (HTTPStatus.NOT_FOUND, "NotFound")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("api-version=", "MissingApiVersionParameter"),
        ("api-version=7.4", "InvalidApiVersionParameter"),
        ("api-version=2022-09-01%0d%0a", "InvalidApiVersionParameter"),
        ("api-version=2022-09-01&$filter=name", "InvalidFilterInQueryString"),
        ("api-version=2022-09-01&$filter=name+eq+%27a%27+or+name+eq+%27b%27", "InvalidFilterInQueryString"),
        ("api-version=2022-09-01&$filter=name+eq+%27a%27+and+name+eq+%27b%27", "InvalidFilterInQueryString"),
        ("api-version=2022-09-01&$filter=substringof(%27a%27,name)", "InvalidFilterInQueryString"),
        ("api-version=2022-09-01&$filter=" + "name+eq+%27a%27+and+" * 999, "InvalidFilterInQueryString"),
    ],
)
def test_odd_queries_are_refused_in_arms_words(query: str, code: str) -> None:
    with pytest.raises(ArmRefusal) as refused:
        asked("GET", b"/subscriptions/a/resources", query.encode())
    assert (refused.value.status, refused.value.arm_code) == (HTTPStatus.BAD_REQUEST, code)


@pytest.mark.parametrize("query", ["api-version=2022-09-01&api-version=2020-01-01", "&".join(["a=1"] * 33)])
def test_a_query_in_two_minds_is_bad_input(query: str) -> None:
    with pytest.raises(InvalidInput):
        asked("GET", b"/tenants", query.encode())


def test_a_filter_names_a_type_and_a_vault() -> None:
    clauses = b"resourceType%20eq%20%27Microsoft.KeyVault%2Fvaults%27%20and%20name%20eq%20%27My%27"
    query = b"api-version=2015-11-01&$filter=" + clauses
    wanted = Asked(Question.RESOURCES, "2015-11-01", "a", vault="my", kind=VAULT_TYPE.lower())
    assert asked("GET", b"/subscriptions/a/resources", query) == wanted


# --- documents


@pytest.mark.parametrize(
    ("host", "place"),
    [
        ("my.vault.example.com", Place("my", "vault.example.com")),
        ("my.vault.example.com:8200", Place("my", "vault.example.com:8200")),
        ("a-1.b.c", Place("a-1", "b.c")),
        *(
            (host, None)
            for host in ("127.0.0.1:8200", "[::1]:8200", "localhost", "localhost:8200", "a_b.c", "-a.c", "a-.c")
        ),
    ],
)
def test_a_place_is_a_name_under_a_domain(host: str, place: Place | None) -> None:
    assert place_of(host) == place


def names_of(document: Mapping[str, Any]) -> set[str]:
    """Every address that a document names."""
    return set(re.findall(r"https?://[^']+", str(document)))


def test_the_document_of_the_cloud_has_the_shape_of_its_version() -> None:
    one = about("/metadata/endpoints")
    assert about("/metadata/endpoints", "api-version=2023-11-01") == one
    for version in ("2019-05-01", "2020-06-01"):
        assert about("/metadata/endpoints", f"api-version={version}") == [one]
    first = about("/metadata/endpoints", "api-version=2015-01-01")
    assert set(first) == {"galleryEndpoint", "graphEndpoint", "portalEndpoint", "authentication"}
    for document in (one, first):
        assert names_of(document) == {"https://my.vault.example.com", "https://vault.example.com"}
    # As Terraform's packages put it together: a cloud like Azure's own, whose vaults are under this suffix.
    login = one["authentication"]
    assert (login["tenant"], login["identityProvider"], one["name"]) == ("common", "AAD", "Holdfast")
    assert f"https://{one['suffixes']['keyVaultDns']}" == login["audiences"][0]
    _validate_challenge_resource(f"{login['audiences'][0]}/.default", "https://my.vault.example.com/secrets")


def test_the_document_that_needs_no_token_does_not_tell_the_tenant() -> None:
    for version in ("2015-01-01", "2019-05-01", "2022-09-01"):
        assert TENANT not in str(about("/metadata/endpoints", f"api-version={version}"))


def test_a_vault_is_told_as_azures_resource_manager_tells_it() -> None:
    vault = about(VAULT_ID)
    assert (vault["id"], vault["name"], vault["type"]) == (VAULT_ID, "my", VAULT_TYPE)
    assert vault["properties"] == {
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "standard"},
        "accessPolicies": [],
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": 7,
        "vaultUri": "https://my.vault.example.com/",
        "provisioningState": "Succeeded",
    }
    subscription = f"/subscriptions/{TENANT}"
    for path in (f"{subscription}/resources", f"{subscription}/providers/{VAULT_TYPE}", VAULT_ID.rpartition("/")[0]):
        assert about(path) == {"value": [vault]}
    assert about(subscription.upper())["subscriptionId"] == TENANT
    assert about("/subscriptions") == {"value": [about(subscription)]}
    assert [each["tenantId"] for each in about("/tenants")["value"]] == [TENANT]


@pytest.mark.parametrize(
    "path",
    [
        f"/subscriptions/{TENANT[:-1]}0",
        "/subscriptions/x/resources",
        VAULT_ID.replace(GROUP, "other"),
        f"{VAULT_ID}x",
        VAULT_ID.replace(TENANT, "x"),
    ],
)
def test_what_is_not_here_is_not_told(path: str) -> None:
    assert about(path) is None


@pytest.mark.parametrize(
    ("clauses", "count"),
    [
        ("resourceType eq 'Microsoft.KeyVault/vaults'", 1),
        ("name eq 'MY' and resourceType eq 'microsoft.keyvault/vaults'", 1),
        ("name eq 'other'", 0),
        ("resourceType eq 'Microsoft.Storage/storageAccounts'", 0),
    ],
)
def test_a_filter_narrows_a_listing(clauses: str, count: int) -> None:
    query = f"api-version=2015-11-01&$filter={clauses.replace(' ', '+')}"
    assert len(about(f"/subscriptions/{TENANT}/resources", query)["value"]) == count


def test_protection_against_a_purge_is_told_where_there_is_any() -> None:
    protected = Cloud(
        place=CLOUD.place, resource=CLOUD.resource, tenant=TENANT, retention_days=90, purge_protection=True
    )
    found = protected.answer(asked("GET", VAULT_ID.encode(), V))
    assert found["properties"]["enablePurgeProtection"] is True
