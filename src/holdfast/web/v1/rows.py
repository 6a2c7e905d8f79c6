"""Operations of the API from the rows of the contract: what they take and give, and one handler for all."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from holdfast.contract.documents import document_of
from holdfast.contract.row import Asked, Http, Needs, Row
from holdfast.domain.policy import Permission
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, NoQuery, Operation

_WITHOUT_BODY: Final = frozenset({"GET", "DELETE"})


def operations_of(rows: Iterable[Row[Any, Any]]) -> tuple[Operation, ...]:
    """Return the operations that rows have in the API."""
    return tuple(_operation(row, row.http) for row in rows if row.http is not None)


def _operation(row: Row[Any, Any], http: Http) -> Operation:
    in_query = http.method in _WITHOUT_BODY
    return Operation(
        id=http.id,
        method=http.method,
        path=http.path,
        tag=http.tag,
        summary=http.summary,
        needs=_words(row.needs),
        handle=partial(_handle, row),
        answer=document_of(row).kind,
        query=row.request if in_query else NoQuery,
        body=None if in_query else row.request,
        errors=http.errors,
    )


async def _handle(row: Row[Any, Any], call: Call) -> Answer:
    asked: Asked = call.query if call.body is None else call.body
    answer = await call.service.run(row, asked, call.caller)
    return Answer(document_of(row).put(answer))


def _words(needs: tuple[Permission, ...] | Needs) -> str:
    """What an operation needs, in words; on the whole installation, as no row names a secret yet."""
    if isinstance(needs, Needs):
        return SOMEBODY
    return f"{' or '.join(f'`{each}`' for each in needs)} on `*`"
