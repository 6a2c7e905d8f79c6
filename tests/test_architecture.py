"""The budgets and border rules of the code base. An exception is named here, with its reason, or not made."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from holdfast.domain.operations import SUFFICIENT
from holdfast.domain.policy import Permission
from holdfast.stores.postgres.queries import load_all
from holdfast.stores.postgres.renewals import RENEWALS

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MODULE_LIMIT_LINES = 400
FUNCTION_LIMIT_LINES = 40
FUNCTION_MEDIAN_LINES = 10
TESTS_PER_PATCH = 20

LONG_MODULES: dict[str, str] = {
    "src/holdfast/service/manager.py": "the public methods: signatures and docstrings, bodies of a call or two",
}
LONG_FUNCTIONS: dict[str, str] = {
    # "src/holdfast/example.py::function": "why it is one piece",
}

_PATCH = re.compile(r"monkeypatch\.(setattr|delattr|setitem|delitem|setenv|delenv|chdir)\(|mock\.patch|mocker\.|@patch")
# Each alternative begins with a class of one letter, so that this file does not match itself.
_INDEX = re.compile(r"[p]ypi\.org|[p]ythonhosted|[a]rtifactory|--(extra-)?[i]ndex-url|--[f]ind-links", re.IGNORECASE)
_LOADED = re.compile(r'\bload\("(\w+)"\)')
_MACHINE_PATH = re.compile(r"(?<![\w.])/(root|Users|work)/[\w.-]+")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_no_module_is_longer_than_the_limit() -> None:
    long = {path for path in map(_name, SOURCES) if len(_lines(path)) > MODULE_LIMIT_LINES}
    assert long == set(LONG_MODULES)


def test_no_function_body_is_longer_than_the_limit() -> None:
    long = {name for name, function in _functions() if _body_lines(function) > FUNCTION_LIMIT_LINES}
    assert long == set(LONG_FUNCTIONS)


def test_the_median_function_is_short() -> None:
    assert statistics.median(_body_lines(function) for _, function in _functions()) <= FUNCTION_MEDIAN_LINES


def test_hardly_any_test_patches_anything() -> None:
    """Fakes stand behind ports; a patch ties a test to how the code is written."""
    text = "".join(path.read_text() for path in TESTS if path != Path(__file__))
    tests = len(re.findall(r"^ *(?:async )?def test_", text, re.MULTILINE))
    assert len(_PATCH.findall(text)) * TESTS_PER_PATCH <= tests


def test_every_import_obeys_the_layers() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    linted = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("forbidden", [_INDEX, _MACHINE_PATH], ids=["package index", "path of one machine"])
def test_no_file_names_what_belongs_to_one_machine(forbidden: re.Pattern[str]) -> None:
    """Which package index is used, and where things lie, is the installing machine's own affair."""
    found = [f"{_name(path)}: {match[0]}" for path in _tracked() for match in forbidden.finditer(_text(path))]
    assert found == []


def test_the_build_requirement_is_the_locked_one() -> None:
    """The project is built without isolation, by the hatchling of the locked requirements."""
    required = re.search(r'requires = \["(hatchling==[\d.]+)"\]', (ROOT / "pyproject.toml").read_text())
    assert required is not None
    assert required[1] in (ROOT / "requirements" / "runtime.txt").read_text()


def test_every_operation_of_the_guard_is_in_the_table_of_sufficient_permissions() -> None:
    """What is missing in domain/operations.py would not be replayed by a simulation of other rules."""
    found: dict[str, set[tuple[Permission, ...]]] = {}
    for name, permissions in _guarded():
        found.setdefault(name, set()).add(permissions)
    del found["invalidate"]
    assert {name: {SUFFICIENT.get(name, ())} for name in found} == found


def test_every_statement_in_sql_is_run_by_somebody() -> None:
    """By whoever loads its file, under its name. Housekeeping runs all of its file, compliance what evidence asks."""
    used = {"housekeeping": [r"\w+"], "renewals": [each.statement for each in RENEWALS]}
    for path in SOURCES:
        names = list(_texts(path))
        loaded = {"compliance"} if "service/compliance" in _name(path) else set(_LOADED.findall(path.read_text()))
        for file in loaded:
            used.setdefault(file, []).extend(names)
    statements = [each.split(".sql: ") for each in load_all()]
    unused = [each for each in statements if not re.fullmatch("|".join(used[each[0]]), each[1])]
    assert len(statements) > 100
    assert unused == []


def test_every_dependency_has_a_reason() -> None:
    """The other way round too: what is no dependency any more has no reason left."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    lists = [project["project"]["dependencies"], *extras.values(), *project["dependency-groups"].values()]
    needed = {re.split(r"[\[<>=]", each)[0].lower() for each in chain.from_iterable(lists)} - {"holdfast"}
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    explained = {name for cell in cells[1:] for name in re.split(r", | with ", re.sub(r" \(.*\)", "", cell).lower())}
    assert explained - {"hiredis"} == needed


def _texts(path: Path) -> Iterator[str]:
    """Every text in a module as a pattern; where it is put together, any word stands for what varies."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.Constant) else None for each in node.slice.values]
            yield "".join(r"\w+" if part is None else re.escape(str(part)) for part in parts)


def _guarded() -> Iterator[tuple[str, tuple[Permission, ...]]]:
    """Every call of ``guard.operation`` whose operation is written out there, with the permissions named there."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "operation":
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                names = [each.attr for each in node.args if isinstance(each, ast.Attribute)]
                if texts:
                    yield str(texts[0]), tuple(Permission[name] for name in names if name in Permission.__members__)


def _functions() -> Iterator[tuple[str, Function]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield f"{_name(path)}::{node.name}", node


def _body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _tracked() -> list[Path]:
    """Every file that belongs to the repository or is about to."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _lines(name: str) -> list[str]:
    return (ROOT / name).read_text().splitlines()


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
