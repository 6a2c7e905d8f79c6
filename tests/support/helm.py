"""Helm, where it is there: ``make helm`` builds it from its source into the environment of the tests."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.reference import ROOT

CHART: Final = ROOT / "deploy" / "helm" / "holdfast"
NEWEST: Final = "1.37.0"
OLDEST: Final = "1.29.0"
"""Of Kubernetes: between these the chart is checked; the older one stands in its ``Chart.yaml``."""

_PATIENCE_S: Final = 120


@cache
def program() -> str | None:
    """Where it is."""
    folders = (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))
    return shutil.which("helm", path=os.pathsep.join(folders))


needs_helm = pytest.mark.skipif(program() is None, reason="needs helm, which `make helm` builds with Go")


def helm(*args: str, values: Mapping[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, with values on its stdin."""
    found = program()
    assert found is not None
    more = () if values is None else ("--values", "-")
    return subprocess.run(
        [found, *args, *more],
        input=None if values is None else json.dumps(values),
        check=False,
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
    )


def rendered(values: Mapping[str, Any], version: str = NEWEST) -> list[dict[str, Any]]:
    """Every object that the chart makes of values."""
    done = helm("template", "fleet", str(CHART), "--namespace", "secrets", "--kube-version", version, values=values)
    assert done.returncode == 0, done.stderr
    return [each for each in yaml.safe_load_all(done.stdout) if each]
