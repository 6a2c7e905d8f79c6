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
def document_of(row: Row[Any, Any]) -> Form:
    """Return the form of a row's answers in the API."""
    http = row.http
    if http is None or http.member is None or http.document is None:
        return Form(row.answer, _itself, _itself)
    member = http.member
    kind = msgspec.defstruct(
        http.document, [(member, row.answer)], bases=(Document,), kw_only=True, namespace={"__doc__": http.described}
    )
    return Form(kind, lambda answer: kind(**{member: answer}), lambda document: getattr(document, member))


def _itself(answer: Any) -> Any:
    return answer
