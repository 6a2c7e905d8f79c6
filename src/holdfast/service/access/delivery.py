"""What became of an answer: a record of its own where it may not have arrived.

A surface calls ``begin_answer`` before it handles a request, and ``broken_off`` when the connection broke before the
whole answer had been handed over. What was put on record as done in between is what the answer told, or did not.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeAlias

from holdfast.domain.audit import AuditRecord

Note: TypeAlias = Callable[[AuditRecord], Coroutine[Any, Any, None]]
Passed: TypeAlias = list[tuple[AuditRecord, Note]]

_passed: Final[ContextVar[Passed | None]] = ContextVar("passed", default=None)
_tasks: Final[set[asyncio.Task[None]]] = set()


def begin_answer() -> Passed:
    """Return the list that fills with what is put on record as done for the answer that this task now works on."""
    passed: Passed = []
    _passed.set(passed)
    return passed


def pass_on(record: AuditRecord, note: Note) -> None:
    """Take note that an answer depends on ``record``; ``note`` will record that it broke off, if it does."""
    passed = _passed.get()
    if passed is not None:
        passed.append((record, note))


def broken_off(passed: Sequence[tuple[AuditRecord, Note]]) -> None:
    """Put on record, beside everything that passed, that nobody knows whether the answer arrived."""
    for record, note in passed:
        task = asyncio.create_task(note(record), name="break-off")
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)
