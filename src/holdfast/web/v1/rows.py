"""Operations of the API from the rows of the contract: what they take and give, and one handler for all."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from holdfast.contract.documents import form_of
from holdfast.contract.row import Asked, Http, Needs, Row
from holdfast.domain.policy import Permission
from holdfast.web.v1.operation import SOMEBODY, Answer, Call, NoQuery, Operation


def operations_of(rows: Iterable[Row[Any, Any]]) -> tuple[Operation, ...]:
    """Return the operations that rows have in the API."""
    return tuple(_operation(row, row.http) for row in rows if row.http is not None)


def _operation(row: Row[Any, Any], http: Http) -> Operation:
    asked: type[Asked] | None = row.request if row.request.__struct_fields__ else None
    return Operation(
        id=http.id,
        method=http.method,
        path=http.path,
        tag=http.tag,
        summary=http.summary,
        needs=_words(row.needs),
        handle=partial(_handle, row),
        answer=form_of(row).kind,
        answer_name=http.document if isinstance(http.document, str) else None,
        query=(asked if http.in_query else None) or NoQuery,
        body=None if http.in_query else asked,
        cost=lambda _: http.cost,
        errors=http.errors,
    )


async def _handle(row: Row[Any, Any], call: Call) -> Answer:
    given = (each for each in (call.body, call.query) if isinstance(each, row.request))
    asked = next(given, None) or row.request()
    return Answer(form_of(row).put(await call.service.run(row, asked, call.caller)))


def _words(needs: tuple[Permission, ...] | Needs) -> str:
    """What an operation needs, in words; on the whole installation, as no row names a secret yet."""
    if isinstance(needs, Needs):
        return SOMEBODY
    return f"{' or '.join(f'`{each}`' for each in needs)} on `*`"
