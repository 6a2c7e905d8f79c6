"""What is counted, as a span as well."""

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Self

from holdfast.ports import Span


class Traced:
    """A reading or a writing with a span around it. ``source`` is said of both."""

    __slots__ = ("_counted", "_opened", "_span", "source")

    def __init__(self, counted: Any, span: AbstractContextManager[Span]) -> None:
        self._counted, self._span = counted, span
        self.source: Any = None

    def __enter__(self) -> Self:
        self._opened = self._span.__enter__()
        self._counted.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.source is not None:
            self._counted.source = self.source
            self._opened.note(source=self.source.value)
        self._counted.__exit__(kind, error, trace)
        self._span.__exit__(kind, error, trace)
