"""A change made in the code of functions that are there already, which is quicker than a new import of everything."""

import ast
import gc
from collections.abc import Iterator
from inspect import CO_OPTIMIZED
from types import CodeType, FunctionType

from tests.proof.mutation.changes import mutated
from tests.proof.mutation.covering import ROOT

Key = tuple[str, int, int]
"""Qualified name, first line, and which of several such."""


def codes(code: CodeType, seen: dict[Key, CodeType] | None = None) -> dict[Key, CodeType]:
    """A code object and all within it."""
    found = {} if seen is None else seen
    for again in range(100):
        key = code.co_qualname, code.co_firstlineno, again
        if key not in found:
            found[key] = code
            break
    for each in code.co_consts:
        if isinstance(each, CodeType):
            codes(each, found)
    return found


class Live:
    """The functions of a file that are in use in this process."""

    def __init__(self, file: str) -> None:
        self._path = str(ROOT / file)
        self._source = (ROOT / file).read_text()
        self._codes = codes(compile(self._source, self._path, "exec"))
        self._functions: dict[Key, list[FunctionType]] = {}
        for each in _functions(self._path):
            for key, code in self._codes.items():
                if key[:2] == (each.__code__.co_qualname, each.__code__.co_firstlineno) and code == each.__code__:
                    self._functions.setdefault(key, []).append(each)

    def change(self, number: int) -> bool:
        """Make a change; False: it is, or may be, in what ran when the module was imported, so nothing was changed."""
        changed = codes(compile(mutated(ast.parse(self._source), number), self._path, "exec"))
        differ = {key for key, code in self._codes.items() if changed.get(key) != code}
        done = False
        for key in differ:
            new = changed.get(key)
            if new is None or (_own(new) != _own(self._codes[key]) and not new.co_flags & CO_OPTIMIZED):
                return False
        for key in differ:
            for each in self._functions.get(key, ()):
                if len(changed[key].co_freevars) != len(each.__code__.co_freevars):
                    return False
                each.__code__ = changed[key]
                done = True
        return done


def _functions(path: str) -> Iterator[FunctionType]:
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename == path:
            yield each


def _own(code: CodeType) -> object:
    """What a code object is, without those within it."""
    plain = [(type(each), each) for each in code.co_consts if not isinstance(each, CodeType)]
    return code.co_code, plain, code.co_names, code.co_varnames, code.co_exceptiontable
