"""One mutant: the module with one change, imported in a copy of this process, and the tests that run the line."""

import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import resource
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import zip_longest
from types import CodeType, ModuleType
from typing import Final

import pytest

from tests.proof.mutation.changes import changes, mutated
from tests.proof.mutation.covering import ROOT, SERVERS, function_of
from tests.proof.mutation.patching import Live

CPU_S: Final = 60
"""Processor seconds of a mutant, whatever else the machine does; an endless loop ends here."""

TROUBLE: Final = ROOT / ".proof" / "mutants.trouble"
"""Why a mutant could not be tried."""

UNCHANGED: Final = -1
"""The number of the mutant that is none: its tests have to pass."""

_STILLBORN, _SURVIVES, _AT_IMPORT, _ASKED_WRONGLY = 77, 78, 79, 80
_WRONG: Final = {pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.NO_TESTS_COLLECTED}


_OPTIONS: Final = (
    *("-x", "-q", "-p", "no:cacheprovider", "--timeout=60", "--tb=no"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),  # plugins were imported before the copy was made
)


class Verdict(StrEnum):
    """What the tests said of a mutant."""

    KILLED = "killed"
    SURVIVES = "survives"
    STUCK = "stuck"
    """It hangs, loops or ends the process: no test passes."""
    STILLBORN = "stillborn"
    """It cannot be imported, so it says nothing about tests."""
    AT_IMPORT = "at import"
    """The change is in what an import runs: it has to be tried afresh."""


_VERDICTS: Final = {_STILLBORN: Verdict.STILLBORN, _SURVIVES: Verdict.SURVIVES, _AT_IMPORT: Verdict.AT_IMPORT}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of a file, the text of the scope that it is made in, and where."""

    file: str
    number: int
    line: int
    key: str
    digest: str
    """Of the file's text: verdicts hold as long as it stays."""

    @property
    def module(self) -> str:
        """As it is imported."""
        return self.file.removeprefix("src/").removesuffix(".py").replace("/", ".")


def mutants(file: str) -> Iterator[Mutant]:
    """All mutants of a file. Equal changes of a scope are told apart by a number."""
    source = (ROOT / file).read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()[:12]
    seen: Counter[str] = Counter()
    for number, change in enumerate(changes(ast.parse(source))):
        seen[change.key] += 1
        again = f" ({seen[change.key]})" if seen[change.key] > 1 else ""
        yield Mutant(file, number, change.line, change.key + again, digest)


class _Mutation(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the changed module, and nothing else."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Stand in for the module's own file."""
        if fullname != self._mutant.module:
            return None
        return importlib.util.spec_from_file_location(fullname, ROOT / self._mutant.file, loader=self)

    def get_source(self, fullname: str) -> str:
        """The text as it is; tracebacks show it."""
        return (ROOT / self._mutant.file).read_text()

    def get_code(self, fullname: str) -> CodeType:
        """The code as it is changed."""
        source, number = self.get_source(fullname), self._mutant.number
        tree = ast.parse(source)
        return compile(tree if number == UNCHANGED else mutated(tree, number), str(ROOT / self._mutant.file), "exec")


class Fresh:
    """Tries mutants in copies of this process, which import everything again. Nothing of ours may be imported here."""

    def begin(self, mutant: Mutant, tests: Sequence[str]) -> int:
        """Start to try a mutant; returns the process. No test goes on after the first failure."""
        return _copy(lambda: _imported(mutant) or (_told(pytest.main([*_OPTIONS, *tests])) if tests else _SURVIVES))


class Collected:
    """A plugin of pytest that tries mutants in copies of this process, in which all tests are collected already."""

    def __init__(self, work: Callable[["Collected"], object]) -> None:
        self._work = work
        self._items: dict[str, list[pytest.Item]] = {}
        self._live: dict[str, Live] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of the tests."""
        self._session = session
        for item in session.items:
            fixtures: list[str] = getattr(item, "fixturenames", [])
            if not SERVERS & set(fixtures):
                fixtures[:] = [each for each in fixtures if each != "_warden"]  # there is no server to watch over
                self._items.setdefault(function_of(item.nodeid), []).append(item)
        self._work(self)
        return True

    def begin(self, mutant: Mutant, tests: Sequence[str]) -> int:
        """Start to try a mutant; returns the process."""
        live = self._live.get(mutant.file) or self._live.setdefault(mutant.file, Live(mutant.file))
        return _copy(lambda: self._tried(live, mutant.number, tests))

    def _tried(self, live: Live, number: int, tests: Sequence[str]) -> int:
        if number != UNCHANGED and not live.change(number):
            return _AT_IMPORT
        items = [item for test in tests for item in self._items.get(test, ())]
        items.sort(key=_draws)
        for item, following in zip_longest(items, items[1:]):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._session.testsfailed:
                return 1
        if tests and not items:
            raise LookupError(tests)
        return _SURVIVES


def _draws(item: pytest.Item) -> bool:
    """Whether a test draws examples, of which there are many: it is asked after those that look at one thing."""
    return hasattr(getattr(item, "function", None), "hypothesis") or item.name == "runTest"


def _copy(work: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        try:
            os.setsid()
            silent = os.open(os.devnull, os.O_RDWR)
            for each in (0, 1, 2):
                os.dup2(silent, each)
            used = resource.getrusage(resource.RUSAGE_SELF)
            resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S,) * 2)
            os._exit(work())
        except BaseException:
            TROUBLE.write_text(traceback.format_exc())
            raise
        finally:
            os._exit(_ASKED_WRONGLY)
    return child


def verdict(status: int) -> Verdict:
    """What the end of such a process says.

    Raises:
        RuntimeError: nothing, as no test was run.
    """
    if os.WIFSIGNALED(status):
        return Verdict.STUCK
    if os.WEXITSTATUS(status) == _ASKED_WRONGLY:
        raise RuntimeError("no test was run")
    return _VERDICTS.get(os.WEXITSTATUS(status), Verdict.KILLED)


def _imported(mutant: Mutant) -> int:
    sys.meta_path.insert(0, _Mutation(mutant))
    try:
        importlib.import_module(mutant.module)
    except Exception:  # whatever it is, the change shows before any test
        return _STILLBORN
    return 0


def _told(code: int) -> int:
    return _ASKED_WRONGLY if code in _WRONG else _SURVIVES if code == pytest.ExitCode.OK else 1
