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


@cache
def form_of(row: Row[Any, Any]) -> Form:
    """Return the form of a row's answers in the API."""
    document = row.http.document if row.http is not None else None
    if isinstance(document, type):
        return Form(document, document.of, lambda told: told.to(row.answer))
    if row.http is None or row.http.member is None or document is None:
        return Form(row.answer, _itself, _itself)
    member, told = row.http.member, {"__doc__": row.http.described}
    kind = msgspec.defstruct(document, [(member, row.answer)], bases=(Document,), kw_only=True, namespace=told)
    return Form(kind, lambda answer: kind(**{member: answer}), lambda found: getattr(found, member))


def _itself(answer: Any) -> Any:
    return answer
