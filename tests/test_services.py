"""Tests that need servers of Debian's are left out aloud where these are not installed."""

import subprocess
import sys

from tests.support.reference import ROOT

_WITHOUT = """
import sys, pytest
from tests.support import debian
debian.PROGRAMS = {package: ("no-such-program",) for package in debian.PROGRAMS}
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/telemetry/test_prometheus.py"]))
"""


def test_what_is_left_out_is_said_in_a_line_of_its_own() -> None:
    ran = subprocess.run([sys.executable, "-c", _WITHOUT], cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout
    expected = "LEFT OUT: 2 tests with real servers; not installed: prometheus. `make services` installs them."
    assert expected in ran.stdout.splitlines()
