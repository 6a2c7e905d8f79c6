"""What an answer looks like in the API: itself, or a document around a bare list or number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from holdfast.contract.row import Row
from holdfast.v1_wire.documents import Document


@dataclass(frozen=True, slots=True)
class Form:
    """The form of an answer. ``put`` makes the document of an answer, ``take`` the answer of a document."""

    kind: Any
    put: Callable[[Any], Any]
    take: Callable[[Any], Any]


def form_of(row: Row[Any, Any]) -> Form:
    """Return the form of a row's answers in the API."""
    http = row.http
    if http is not None and isinstance(http.document, type):
        return Form(http.document, http.document.of, lambda told: told.to(row.answer))
    if http is None or http.member is None or http.document is None:
        return Form(row.answer, _itself, _itself)
    return _around(http.document, http.member, row.answer, http.described)


@cache
def _around(document: str, member: str, answer: Any, described: str | None) -> Form:
    """The form of a bare answer: a document of this name with one member."""
    told = {"__doc__": described}
    kind = msgspec.defstruct(document, [(member, answer)], bases=(Document,), kw_only=True, namespace=told)
    return Form(kind, lambda given: kind(**{member: given}), lambda found: getattr(found, member))


def _itself(answer: Any) -> Any:
    return answer
