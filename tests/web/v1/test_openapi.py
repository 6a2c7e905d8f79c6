"""The OpenAPI document is true: what it says is what the server does, found out by asking it all kinds of things."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.conftest import Stubbed

EXAMPLES = "10"
"""Per operation and phase: about two thousand requests in all."""

BEYOND_THE_SCHEMA = {
    "listSecrets": "a cursor is one that was given out",
    "listVersions": "a cursor is one that was given out",
    "listDeletedSecrets": "a cursor is one that was given out",
    "listGrants": "a cursor is one that was given out",
    "listClients": "a cursor is one that was given out",
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

CONFIG = f"""\
[headers]
Authorization = "Bearer ${{HOLDFAST_TEST_TOKEN}}"

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
    _follow(document, document)


def _follow(part: Any, document: Any) -> None:
    """See that every reference leads somewhere."""
    if isinstance(part, list):
        for each in part:
            _follow(each, document)
    if isinstance(part, dict):
        for key, each in part.items():
            if key == "$ref":
                assert each.removeprefix("#/components/schemas/") in document["components"]["schemas"]
            _follow(each, document)


async def test_i14_the_server_does_what_the_document_says_whatever_it_is_asked(
    installation: Installation, vault: Client, tmp_path: Path
) -> None:
    token = (await installation.client("fuzzer", await installation.register("fuzzer"))).token
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    document = await vault.request("GET", "/v1/openapi.json")
    (tmp_path / "openapi.json").write_text(json.dumps(document.json))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(tmp_path / "schemathesis.toml")),
        *("run", str(tmp_path / "openapi.json"), "--url", installation.url, "--tls-verify", str(installation.ca_file)),
        *("--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "1", "--no-shrink"),
        *("--continue-on-failure", "--warnings", "off"),
        cwd=tmp_path,
        env={**os.environ, "HOLDFAST_TEST_TOKEN": str(token), "NO_COLOR": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
