"""Rotations through our own API; how they survive everything is tested where they are made."""

from tests.support.https import Client
from tests.support.installation import Installation
from tests.web.v1.test_secrets import made, refused


async def test_a_secret_is_rotated_and_the_former_value_stays_at_hand(
    installation: Installation, vault: Client
) -> None:
    await made(vault, "rot-one", "old")
    installation.service.register_rotation_handler("rot-*", lambda: "new")
    result = (await vault.request("POST", "/v1/secrets/rot-one/rotate")).json
    assert (result["success"], result["version"], result["error_message"]) == (True, 2, None)
    assert (await vault.request("GET", "/v1/secrets/rot-one")).json["value"] == "new"
    status = (await vault.request("GET", "/v1/secrets/rot-one/rotation")).json
    assert (status["run"]["id"], status["run"]["from_version"]) == (result["run_id"], 1)
    runs = (await vault.request("GET", "/v1/rotations?limit=5")).json["items"]
    assert result["run_id"] in [run["id"] for run in runs]


async def test_a_schedule_is_kept_and_a_person_is_asked(vault: Client) -> None:
    await made(vault, "rot-plan", "x")
    policy = (await vault.request("PUT", "/v1/secrets/rot-plan/rotation", {"interval_days": 7})).json
    assert (policy["interval_days"], policy["auto_rotate"]) == (7, True)
    status = (await vault.request("GET", "/v1/secrets/rot-plan/rotation")).json
    assert status["schedule"]["policy"]["interval_days"] == 7
    for verb in ("approve", "cancel", "resume", "retire"):
        refused(await vault.request("POST", f"/v1/secrets/rot-plan/rotation:{verb}"), 409, "conflict")
    for days in (0, 3651, None, "7"):
        answer = await vault.request("PUT", "/v1/secrets/rot-plan/rotation", {"interval_days": days})
        refused(answer, 400, "invalid_input", "interval_days")
    assert (await vault.request("POST", "/v1/rotations:execute")).json == {"items": []}


async def test_whoever_may_rotate_is_told_why_it_failed(installation: Installation, vault: Client) -> None:
    await made(vault, "rot-fails", "former-password")

    def fails() -> str:
        raise ValueError("there is no\nrole for former-password here")

    installation.service.register_rotation_handler("rot-fails", fails)
    answer = await vault.request("POST", "/v1/secrets/rot-fails/rotate")
    assert (answer.status, answer.problem["code"]) == (502, "rotation_failed")
    told = "'rot-fails' is not rotated, and nothing is changed: ValueError: there is no role for ***** here."
    assert answer.problem["detail"] == told


async def test_a_secret_that_nobody_can_rotate_says_so(vault: Client) -> None:
    await made(vault, "norot", "x")
    answer = await vault.request("POST", "/v1/secrets/norot/rotate")
    assert (answer.status, answer.problem["code"]) == (400, "invalid_input")
    refused(await vault.request("GET", "/v1/secrets/norot?stage=previous"), 404, "secret_not_found")
    refused(await vault.request("GET", "/v1/secrets/norot?stage=next"), 400, "invalid_input", "stage")
