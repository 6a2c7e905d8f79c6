"""The runner itself: it changes what it says, where it says, and what is explained is there."""

import ast
import os
import signal

from holdfast.resilience.breaker import CircuitBreaker
from tests.proof.mutation.__main__ import FILES, explained, summary, survivors
from tests.proof.mutation.changes import changes, mutated
from tests.proof.mutation.covering import ROOT
from tests.proof.mutation.patching import Live
from tests.proof.mutation.trying import Verdict, _copy, mutants, verdict

SOURCE = '''
"""Text."""
LIMIT: int = 3

def f(x: int = 1) -> bool:
    """Text."""
    if x < LIMIT and not x:
        raise ValueError
    g(x)
    return x == 2
'''
BREAKER = "src/holdfast/resilience/breaker.py"


def test_one_place_is_changed_at_a_time() -> None:
    found = [(each.was, each.now) for each in changes(ast.parse(SOURCE))]
    assert found == [
        ("3", "4"),
        ("1", "2"),
        ("x < LIMIT and (not x)", "not (x < LIMIT and (not x))"),
        ("x < LIMIT and (not x)", "x < LIMIT or not x"),
        ("x < LIMIT", "x <= LIMIT"),
        ("raise ValueError", ""),
        ("g(x)", ""),
        ("return x == 2", "return None"),
        ("x == 2", "x != 2"),
        ("2", "3"),
    ]
    made = {ast.unparse(mutated(ast.parse(SOURCE), number)) for number in range(len(found))}
    assert len(made | {ast.unparse(ast.parse(SOURCE))}) == len(found) + 1


def test_a_function_in_use_is_changed_and_a_table_is_not() -> None:
    wanted = next(
        each
        for each in mutants(BREAKER)
        if each.key == "CircuitBreaker.watch: return Admission(self, self._era) -> return None"
    )
    limit = next(each for each in mutants(BREAKER) if each.key == ": 5 -> 6")

    def work() -> int:
        assert not Live(BREAKER).change(limit.number)
        assert Live(BREAKER).change(wanted.number)
        return 3 if CircuitBreaker("x", lambda: 0.0).watch() is None else 4

    assert os.waitstatus_to_exitcode(os.waitpid(_copy(work), 0)[1]) == 3
    assert CircuitBreaker("x", lambda: 0.0).watch() is not None


def test_a_process_that_is_ended_is_a_mutant_that_was_noticed() -> None:
    def work() -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert verdict(os.waitpid(_copy(work), 0)[1]) is Verdict.STUCK


def test_whatever_is_explained_is_a_mutant() -> None:
    for file, keys in explained().items():
        assert file in FILES
        assert set(keys) <= {each.key for each in mutants(file)}


def test_what_survives_is_told_unless_it_is_explained() -> None:
    every = list(mutants(BREAKER))
    verdicts = dict.fromkeys(every, Verdict.KILLED)
    assert survivors(every, verdicts) == []
    explained_one = next(each for each in every if each.key in explained()[BREAKER])
    other = next(each for each in every if each.key not in explained()[BREAKER])
    verdicts |= {explained_one: Verdict.SURVIVES, other: Verdict.SURVIVES}
    assert survivors(every, verdicts) == [other]
    assert f"| {len(every)} | {len(every) - 2} | 1 | 1 | 0 |" in summary(every, verdicts)
    assert (ROOT / BREAKER).exists()
