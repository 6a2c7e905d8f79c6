"""Every example of the documents runs, says something sensible and shows no value."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    "migration.py": "Next: remove the variables",
}


def test_every_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "examples").glob("*.py")} - {"__init__.py"} == set(EXPECTED)


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
