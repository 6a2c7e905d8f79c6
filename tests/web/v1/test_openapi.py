"""The OpenAPI document is true: what it says is what the server does, found out by asking it all kinds of things."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.config import Settings
from holdfast.crypto.certificates import ServerCertificate
from holdfast.crypto.keyring import generate_key
from holdfast.embedded.postgres import EmbeddedPostgres
from tests.support.folders import short_folder
from tests.support.installation import Installation, installed
from tests.support.postgres import fresh_database
from tests.web.conftest import Stubbed

EXAMPLES = "10"
"""Per operation and phase: some four thousand requests in all, with the coverage."""

BEYOND_THE_SCHEMA = {
    "listSecrets": "a cursor is one that was given out",
    "listVersions": "a cursor is one that was given out",
    "listDeletedSecrets": "a cursor is one that was given out",
    "listGrants": "a cursor is one that was given out",
    "listClients": "a cursor is one that was given out",
    "listClientCredentials": "a cursor is one that was given out",
    "federateClient": "an issuer is an address",
    "certifyClient": "a certificate is one",
    "listExpiring": "a cursor is one that was given out",
    "setSecret": "validity begins before it ends, and a precondition holds or does not",
    "updateSecret": "validity begins before it ends, and a precondition holds or does not",
    "updateVersion": "validity begins before it ends, and a precondition holds or does not",
    "rollbackSecret": "a precondition holds or does not",
    "putGrant": "a grant ends in the future",
    "listRoles": "a cursor is one that was given out",
    "rotateSecret": "somebody knows how to rotate it",
    "scheduleRotation": "1.0 is an integer to a schema, and not to us",
    "searchAudit": "a cursor is one that was given out",
    "listIdentities": "a cursor is one that was given out",
    "addIdentity": "some names are reserved",
    "setGroups": "some names are reserved",
    "disableIdentity": "some names are reserved",
    "enableIdentity": "some names are reserved",
    "removeIdentity": "some names are reserved",
    "listTokens": "a cursor is one that was given out",
    "createToken": "networks are networks",
    "requestEmergency": "the policy has the last word, and a reason is one line",
    "createRecoveryCodes": "no more codes are needed than there are",
    "explain": "some names are reserved",
    "checkAccess": "some names are reserved",
    "simulate": "a change has what its kind needs",
    "assignRole": "a role ends in the future",
    "batchGetSecrets": "1.0 is an integer to a schema, and not to us",
    "restoreSecret": "a backup is one that was taken",
    "sync": "there is a Key Vault",
    "getIntents": "there is a Key Vault",
    "retryIntents": "there is a Key Vault",
    "discardIntents": "there is a Key Vault",
}
"""Operations that may refuse what fits their schema, and why."""

HARMFUL = ("removeClient", "removeIdentity", "disableIdentity", "deleteGrant", "unassignRole")
"""Operations by which the asker could shut itself out: asked by somebody who may do nothing."""

CONFIG = f"""\
[headers]
Authorization = "Bearer ${{ASKERS_TOKEN}}"

[[operations]]
include-operation-id = {json.dumps(HARMFUL)}
headers.Authorization = "Bearer ${{NOBODYS_TOKEN}}"

[[operations]]
include-operation-id = {json.dumps(list(BEYOND_THE_SCHEMA))}
checks.positive_data_acceptance.enabled = false
"""


async def test_the_document_needs_no_login_and_describes_every_operation(stubbed: Stubbed) -> None:
    answer = await stubbed.anonymous.request("GET", "/v1/openapi.json")
    document = answer.json
    assert document["openapi"] == "3.1.0"
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) > 25
    for operation in operations:
        assert operation["summary"]
        assert operation["description"].startswith("Needs ")


@pytest.fixture
async def own(postgres_server: EmbeddedPostgres, certificate: ServerCertificate) -> AsyncIterator[Installation]:
    """An installation that may be harmed."""
    with short_folder() as folder:
        async with fresh_database(postgres_server.dsn) as dsn:
            settings = Settings(database_url=dsn, encryption_key=generate_key(), data_dir=folder)
            async with installed(settings, certificate) as installation:
                yield installation


@pytest.mark.timeout(900)  # some five thousand requests over TLS
async def test_i14_the_server_does_what_the_document_says_whatever_it_is_asked(
    own: Installation, tmp_path: Path
) -> None:
    asker = await own.client("asker", await own.register("asker"))
    await own.service.access.assign_role("asker", "admin", "*")
    nobody = await own.client("nobody", await own.register("nobody", ()))
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    document = await asker.request("GET", "/v1/openapi.json")
    (tmp_path / "openapi.json").write_text(json.dumps(document.json))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(tmp_path / "schemathesis.toml")),
        *("run", str(tmp_path / "openapi.json"), "--url", own.url, "--tls-verify", str(own.ca_file)),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink"),
        *("--continue-on-failure", "--warnings", "off"),
        cwd=tmp_path,
        env={**os.environ, "ASKERS_TOKEN": str(asker.token), "NOBODYS_TOKEN": str(nobody.token), "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert (await asker.request("GET", "/v1/health")).status == 200, "the asker has shut itself out, and asked in vain"
    removals = await asker.request("GET", "/v1/audit?operation=identity.remove")
    assert {each["user_id"] for each in removals.json["items"]} == {"nobody"}
