"""Which tests run which lines of a module, and how long each takes."""

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[3]
SERVERS: Final = {"postgres_server", "database_url", "empty", "redis_server", "redis_url"}
PURE: Final = (
    *("tests/domain", "tests/crypto", "tests/resilience", "tests/service", "tests/auth", "tests/config"),
    *("tests/keyvault_wire", "tests/v1_wire", "tests/importing", "tests/outbound", "tests/keys", "tests/cache"),
    *("tests/nodes/test_hostile_channel_model.py", "tests/backup/test_refusals.py", "tests/web/test_login.py"),
)
"""Where tests that need no server are; those among them that need one are passed over."""

Lines = Mapping[str, Mapping[int, list[str]]]
"""For each file the tests of each line, the most particular ones first."""


class Contexts:
    """A plugin of pytest that tells coverage whose lines it counts, and leaves out tests that need a server."""

    def __init__(self, coverage: Any, *, servers: bool) -> None:
        self._coverage, self._servers = coverage, servers
        self.took_s: dict[str, float] = defaultdict(float)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Servers are slow, and so are models; the former are left to the tests that a module names."""
        items[:] = [each for each in items if self._servers or not SERVERS & set(getattr(each, "fixturenames", ()))]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Count for this test."""
        test, began = function_of(item.nodeid), time.process_time()
        self._coverage.switch_context(test)
        try:
            return (yield)
        finally:
            self._coverage.switch_context("")
            self.took_s[test] += time.process_time() - began


def function_of(nodeid: str) -> str:
    """A test without its parameters."""
    return nodeid.partition("[")[0]


def measure(files: list[str], tests: list[str], into: Path, *, servers: bool) -> None:
    """Run tests, and write which of them run which lines. In a process of its own: it imports what is measured."""
    import coverage

    measured = coverage.Coverage(data_file=None, include=[str(ROOT / file) for file in files])
    measured.start()
    plugin = Contexts(measured, servers=servers)
    code = pytest.main(["-q", "-p", "no:cacheprovider", "--timeout=300", *tests], plugins=[plugin])
    measured.stop()
    if code != 0:
        sys.exit("The tests do not pass as things are, so they say nothing about mutants.")
    data = measured.get_data()
    found = {file: data.contexts_by_lineno(str(ROOT / file)) for file in files}
    into.write_text(json.dumps(_ordered(found, plugin.took_s)))


def covering(into: Path) -> Lines:
    """What ``measure`` wrote."""
    read = json.loads(into.read_text())
    return {file: {int(line): tests for line, tests in lines.items()} for file, lines in read.items()}


def _ordered(found: Mapping[str, Mapping[int, list[str]]], took_s: Mapping[str, float]) -> dict[str, Any]:
    breadth: dict[str, int] = defaultdict(int)
    for lines in found.values():
        for tests in lines.values():
            for test in tests:
                breadth[test] += 1
    return {
        file: {
            line: sorted(
                (each for each in tests if each), key=lambda test: (took_s[test] > 2, breadth[test], took_s[test], test)
            )
            for line, tests in lines.items()
        }
        for file, lines in found.items()
    }


def in_a_child(work: Any, *arguments: Any, **options: Any) -> int:
    """Run something in a copy of this process; returns its exit code."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work(*arguments, **options)
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
