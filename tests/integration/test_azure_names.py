"""A server that goes by Azure's own name for vaults, as a real process: what clients see, and whose tokens it gets."""

import time

import jwt
from azure.keyvault.secrets._shared.challenge_auth_policy import _validate_challenge_resource
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.folders import short_folder
from tests.support.https import Client
from tests.support.node import rows
from tests.support.serving import Process, serving

RESOURCE = "https://vault.azure.net"
HOST = "my.vault.azure.net"
TARGET = "/secrets/db-password?api-version=7.4"


async def own_token(server: Process) -> str:
    """A token for Azure's name, from this server's own endpoint under that name."""
    admin = Client(server.port, server.ca_file, server.admin_token)
    secret = (await admin.request("POST", "/v1/clients", {"client_id": "app"})).json["client_secret"]
    grant = {"pattern": "*", "user_id": "app", "permissions": ["get", "set"]}
    assert (await admin.request("PUT", "/v1/grants", grant)).status == 200
    form = f"grant_type=client_credentials&client_id=app&client_secret={secret}&scope={RESOURCE}/.default"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    anonymous = Client(server.port, server.ca_file, host=HOST)
    answer = await anonymous.request("POST", f"/{server.tenant}/oauth2/v2.0/token", form.encode(), headers)
    assert answer.status == 200, answer.body
    return str(answer.json["access_token"])


def entras_token() -> str:
    """A token as Entra makes them for a real vault: genuine to that vault, and a stranger's here."""
    tenant, now = "7b7b5b7e-0000-4000-8000-000000000000", int(time.time())
    claims = {"aud": RESOURCE, "iss": f"https://sts.windows.net/{tenant}/", "tid": tenant, "oid": "marked-object"}
    times = {"iat": now, "nbf": now, "exp": now + 3600}
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode({**claims, **times}, key, "RS256", headers={"kid": "marked-key"})


async def test_clients_that_know_azures_names_alone_are_served_and_tokens_of_entra_are_forgotten(empty: str) -> None:
    with short_folder() as folder:
        log = folder / "log"
        settings = {
            "HOLDFAST_RESOURCE": RESOURCE,
            "HOLDFAST_AZURE_NAMES": "true",
            "HOLDFAST_LOG_LEVEL": "debug",
            "HOLDFAST_ACCESS_LOG": "true",
        }
        async with serving(empty, folder, logs=log, **settings) as server:
            await _serves(server)
            token = entras_token()
            answer = await Client(server.port, server.ca_file, token, host=HOST).request("GET", TARGET)
            assert (answer.status, answer.codes) == (401, ("Unauthorized", None))
            records = "".join(row for (row,) in await rows(empty, "SELECT l::text FROM secret_access_logs l"))
        said = log.read_text()
    for part in (*token.split("."), "marked-object", "marked-key", "sts.windows.net"):
        assert part not in answer.body.decode() + records + said
    assert "unauthenticated" in records
    assert f"This server goes by {RESOURCE}" in said
    assert "SECURITY.md" in said
    assert "GET /secrets/db-password" in said, "the log is one that would show it"


async def _serves(server: Process) -> None:
    stranger = Client(server.port, server.ca_file, host=HOST)
    challenge = (await stranger.request("GET", TARGET)).header("www-authenticate") or ""
    assert challenge == f'Bearer authorization="https://{HOST}/{server.tenant}", resource="{RESOURCE}"'
    _validate_challenge_resource(f"{RESOURCE}/.default", f"https://{HOST}/secrets")  # the SDK's own check
    client = Client(server.port, server.ca_file, await own_token(server), host=HOST)
    assert (await client.request("PUT", TARGET, {"value": "marked"})).status == 200
    assert (await client.request("GET", TARGET)).json["value"] == "marked"
