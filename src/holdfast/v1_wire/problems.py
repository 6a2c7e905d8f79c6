"""What a refusal looks like: RFC 9457."""

from typing import Final

from msgspec import UNSET, UnsetType

from holdfast.v1_wire.documents import Document

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:holdfast:error:"


class Problem(Document):
    """A refusal. ``code`` is stable and safe to match on, ``detail`` is for people; ``retryable``: the same request
    may succeed later. ``field`` names what is wrong where that is known."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    retryable: bool
    request_id: str
    field: str | UnsetType = UNSET


def problem(
    code: str, detail: str, *, status: int, request_id: str, retryable: bool = False, field: str | None = None
) -> Problem:
    """Return the problem of an error's code."""
    return Problem(
        type=_TYPE + code,
        title=code.replace("_", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        retryable=retryable,
        request_id=request_id,
        field=field or UNSET,
    )
