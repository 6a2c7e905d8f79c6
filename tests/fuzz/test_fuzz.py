"""Every parser of outside bytes has a target, and what was found once is refused as it should be, each time."""

import ast
import asyncio
import re
import sys
from collections.abc import Iterator
from hashlib import sha512
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from holdfast.errors import UNREADABLE, InvalidInput
from tests.fuzz import answers, http
from tests.fuzz.seeds import CORPUS, SEEDS, folder_of, seeds
from tests.fuzz.table import DECODERS, NOT_FROM_OUTSIDE, TARGETS
from tests.fuzz.target import Target, shaped

_DOCUMENTS = re.compile(
    r"json\.loads|tomllib\.loads|msgspec\.\w+\.decode|_decode(_place)?|_decoder\.decode|_part\.decode|_header|_times"
)
SOURCE = Path(__file__).parents[2] / "src" / "holdfast"


@pytest.fixture(autouse=True, scope="module")
def _no_loops_left() -> Iterator[None]:
    yield
    for made in (http._server, answers._loop):
        if made.cache_info().currsize:
            loop = made()
            (loop if isinstance(loop, asyncio.AbstractEventLoop) else loop.loop).close()
            made.cache_clear()


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_is_taken_or_refused(name: str) -> None:
    for seed in seeds(name):
        TARGETS[name](seed)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_reach_the_parsers_that_a_target_is_about(name: str) -> None:
    reached: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        reached.add(frame.f_globals.get("__name__", ""))

    for seed in seeds(name):
        sys.setprofile(note)  # for each: Python takes it away where no further call fits on the stack
        try:
            TARGETS[name](seed)
        finally:
            sys.setprofile(None)
    assert {f"holdfast.{parser}" for parser in TARGETS[name].parsers} <= reached


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_something(name: str) -> None:
    assert any(TARGETS[name](seed) for seed in seeds(name))


def test_every_module_that_decodes_has_a_target_or_a_reason() -> None:
    decoding = {module for module in _modules() if _decodes(module)}
    covered = {parser for target in TARGETS.values() for parser in target.parsers}
    assert decoding - covered == set(NOT_FROM_OUTSIDE)


def test_what_decodes_documents_expects_them_to_be_nested_without_end() -> None:
    """That is a RecursionError, which is no ValueError, and which no library makes one of its own of."""
    assert RecursionError in UNREADABLE
    flat = {"stores.keyvault.pages"}  # one text, found by an expression
    forgotten = []
    for module in _modules():
        for tried in ast.walk(ast.parse(_file(module).read_text())):
            caught = " ".join(ast.unparse(each.type) for each in getattr(tried, "handlers", ()) if each.type)
            expected = "RecursionError" in caught or "UNREADABLE" in caught
            if isinstance(tried, ast.Try) and _reads_documents(tried) and not expected:
                forgotten.append(f"{module}:{tried.lineno}")
    assert {each.partition(":")[0] for each in forgotten} == flat


def test_another_error_than_a_refusal_is_a_finding() -> None:
    def parse(data: bytes) -> None:
        if data == b"!":
            raise InvalidInput("no", field="a")
        raise KeyError(data)

    target = Target("x", parse, ())
    assert target(b"!") is False
    with pytest.raises(KeyError):
        target(b"?")


def test_documents_of_members_are_made_of_any_bytes() -> None:
    assert shaped(b"", ["a"]) == {"a": None}
    made = [shaped(sha512(bytes([each])).digest(), ["a", "b"]) for each in range(256)]
    assert all(set(each) <= {"a", "b"} for each in made)
    assert len({str(each) for each in made}) > 50


def test_the_corpus_is_small_and_of_known_targets() -> None:
    assert set(SEEDS) == set(TARGETS)
    kept = list(CORPUS.glob("*/*"))
    assert {path.parent for path in kept} <= {folder_of(name) for name in TARGETS}
    assert sum(path.stat().st_size for path in kept) < 200_000


def _modules() -> list[str]:
    return [".".join(path.relative_to(SOURCE).with_suffix("").parts) for path in sorted(SOURCE.rglob("*.py"))]


def _file(module: str) -> Path:
    return SOURCE / f"{module.replace('.', '/')}.py"


def _decodes(module: str) -> bool:
    return any(map(_is_decoding, ast.walk(ast.parse(_file(module).read_text()))))


def _is_decoding(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in DECODERS


def _reads_documents(tried: ast.Try) -> bool:
    return any(
        isinstance(node, ast.Call) and _DOCUMENTS.fullmatch(ast.unparse(node.func))
        for statement in tried.body
        for node in ast.walk(statement)
    )
