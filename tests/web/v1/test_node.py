"""The installation, through our own API."""

from datetime import UTC, datetime, timedelta

from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.v1.test_secrets import everything, made, refused


async def test_health_says_how_everything_is_and_names_no_secret(vault: Client) -> None:
    await made(vault, "node-marked")
    answer = await vault.request("GET", "/v1/health")
    assert answer.json["healthy"] is True
    assert answer.json["total_secrets"] >= 1
    assert {backend["name"] for backend in answer.json["backends"]} >= {"postgresql", "keyvault", "redis"}
    assert b"node-marked" not in answer.body


async def test_nodes_are_shown(vault: Client) -> None:
    answer = await vault.request("GET", "/v1/nodes")
    assert answer.status == 200
    assert all(node["name"] for node in answer.json["items"])


async def test_what_expires_is_listed_soonest_first(vault: Client) -> None:
    for days in (3, 1, 2):
        moment = datetime.now(UTC) + timedelta(days=days, hours=1)
        await made(vault, f"node-expires-{days}", expires_at=moment.isoformat())
    found = await everything(vault, "/v1/expiring", "&days=2")
    ours = [(each["secret_name"], each["days_until_expiry"]) for each in found if "node-expires" in each["secret_name"]]
    assert ours == [("node-expires-1", 1)]
    more = await everything(vault, "/v1/expiring", "&days=5")
    assert [each["secret_name"] for each in more if "node-expires" in each["secret_name"]] == [
        f"node-expires-{days}" for days in (1, 2, 3)
    ]
    assert len(more) == len(found) + 2
    refused(await vault.request("GET", "/v1/expiring?days=3651"), 400, "invalid_input", "days")


async def test_caches_are_warmed_and_distrusted(installation: Installation, vault: Client) -> None:
    for name in ("node-warm-a", "node-warm-b"):
        await made(vault, name)
        await vault.request("POST", "/v1/cache:invalidate", {"name": name})
    names = ["node-warm-a", "node-warm-b", "node-warm-none"]
    assert (await vault.request("POST", "/v1/cache:warm", {"names": names})).json == {"warmed": 2}
    assert (await vault.request("GET", "/v1/secrets/node-warm-a")).json["source"] == "cache"
    cleared = await vault.request("POST", "/v1/cache:invalidate", {})
    assert (cleared.status, cleared.body) == (204, b"")
    assert (await vault.request("GET", "/v1/secrets/node-warm-a")).json["source"] == "mirror"
    many = ["n"] * 1001
    refused(await vault.request("POST", "/v1/cache:warm", {"names": many}), 400, "invalid_input", "names")


async def test_without_a_vault_there_is_nothing_to_compare(vault: Client) -> None:
    for method, path, body in (
        ("POST", "/v1/sync", None),
        ("GET", "/v1/intents", None),
        ("POST", "/v1/intents:retry", None),
        ("POST", "/v1/intents:discard", {"name": "x"}),
    ):
        answer = await vault.request(method, path, body)
        assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
        assert "stands alone" in answer.problem["detail"]
