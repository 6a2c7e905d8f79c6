"""Every example of the documents runs, says something sensible and shows no value."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.serving import serving

ROOT = Path(__file__).parents[2]
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

EXPECTED = {
    "basic_operations.py": "Recovered example-old-api-key: version 1 is current again",
    "access_control.py": "After the revocation: Permission denied",
    "versioning.py": "Enabled: True",
    "monitoring_and_health.py": "Backend postgresql: healthy",
    "cache_management.py": "comes from the cache",
    "error_handling.py": "does not exist",
    "batch_operations.py": "Got 3 secrets at once",
    "rotation.py": "Retired by decision: it accepts 1",
    "break_glass.py": "Given back: Permission denied",
    "expiry_notices.py": "The receiver got secret.expiring: example-notice-key expires in 10 days",
    "migration.py": "Next: remove the variables",
}


ON_A_SERVER = {
    "access_and_audit.py": [
        "example-reader may get example-database-password for 90 days",
        "example-reader got version 1 of example-database-password: *****",
        "May example-reader rotate it? no",
        "After the revocation: Permission denied",
        "example-reader get refused: Permission denied",
    ],
    "break_glass.py": [
        "Approved by example-api-ann, example-api-ben: *****",
        "After the revocation: Permission denied",
        "Granted by recovery codes of set 1; 3 codes are left",
    ],
    "break_glass.sh": [
        "refused at first, with exit code 4",
        "not by herself, exit code 4",
        "example-shell-erin got it",
        "example-shell-erin  example-shell-root  get  2 of 2  ",
        "refused after the revocation, with exit code 4",
        "is revoked",
        "Agreed: example-shell-ben",
        "break_glass.revoke",
    ],
    "rotation_and_expiry.py": [
        "example-api-signing-key is rotated to version 2",
        "Rolled back, as a new version",
        "Rotated every 30 days",
        "The last rotation: example-api-signing-key, retired",
        "0 rotations were due",
        "example-api-certificate expires in 10 days",
        "Nobody will be told: the server has no mail set up",
    ],
    "rotation_and_expiry.sh": [
        "Rotation: retired, version 2, by random for admin (manual)",
        "example-shell-certificate  1 ",
    ],
    "access_and_audit.sh": [
        "example-shell-reader got it",
        "example-shell-reader may not rotate it",
        "allows it",
        "refused after the revocation, with exit code 4",
        "access_denied",
    ],
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} - {"__init__.py"} == set(EXPECTED)
    assert {path.name for path in (ROOT / "examples" / "server").iterdir() if path.is_file()} - {"__init__.py"} == set(
        ON_A_SERVER
    )


@pytest.mark.parametrize("script", EXPECTED)
def test_example(script: str, database_url: str, data_folder: Path) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "AZURE_"))},
        "DATABASE_URL": database_url,
        "FALLBACK_ENCRYPTION_KEY": KEY,
        "HOLDFAST_DATA_DIR": str(data_folder / "node"),
        "DB_PASSWORD": "c4n4ry-password",
        "STRIPE_API_KEY": "c4n4ry-key",
        "JWT_SECRET": "c4n4ry-jwt",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[script] in done.stdout
    assert "c4n4ry" not in done.stdout + done.stderr


@pytest.mark.parametrize("script", ON_A_SERVER)
async def test_example_on_a_server(script: str, database_url: str, data_folder: Path) -> None:
    async with serving(database_url, data_folder) as server:
        environ = {
            "HOLDFAST_ADDR": f"https://127.0.0.1:{server.port}",
            "HOLDFAST_CACERT": str(server.ca_file),
            "HOLDFAST_TOKEN": server.admin_token,
            "HOME": str(data_folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        program = [sys.executable] if script.endswith(".py") else ["sh"]
        command = [*program, str(ROOT / "examples" / "server" / script)]

        def run() -> "subprocess.CompletedProcess[str]":
            return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

        done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
    for line in ON_A_SERVER[script]:
        assert line in done.stdout, done.stdout + done.stderr
