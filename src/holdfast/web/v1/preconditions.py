"""Request headers that make a write conditional or repeatable. The entity tag of a secret is its generation."""

import enum
import re
from collections.abc import Mapping
from typing import Any, Final

from holdfast.domain.validation import MAX_KEY
from holdfast.errors import InvalidInput
from holdfast.web.exchange import Exchange

_TAG: Final = re.compile(r'"([1-9][0-9]{0,18})"', re.ASCII)


class Precondition(enum.StrEnum):
    """Which of them an operation heeds."""

    IF_MATCH = "If-Match"
    IF_NONE_MATCH = "If-None-Match"
    IDEMPOTENCY_KEY = "Idempotency-Key"


MEANINGS: Final[Mapping[Precondition, tuple[str, dict[str, Any]]]] = {
    Precondition.IF_MATCH: (
        "The ETag that the secret must still have; otherwise the answer is 412 and nothing changes.",
        {"type": "string", "pattern": '^"[1-9][0-9]{0,17}"$', "examples": ['"3"']},
    ),
    Precondition.IF_NONE_MATCH: (
        "`*`: the secret must not exist yet; otherwise the answer is 412 and nothing changes.",
        {"type": "string", "pattern": r"^\*$"},
    ),
    Precondition.IDEMPOTENCY_KEY: (
        "The same key gives the same answer for 24 hours, and takes effect once.",
        {"type": "string", "minLength": 1, "maxLength": MAX_KEY, "pattern": "^[!-~]+$"},
    ),
}
"""Meaning and schema of each."""


def etag(version: int) -> tuple[tuple[bytes, bytes], ...]:
    """Return the ETag header of a secret at a generation; none for 0, which stands for one that is not known yet."""
    return ((b"etag", f'"{version}"'.encode()),) if version else ()


def expected_generation(exchange: Exchange) -> int | None:
    """Return the generation that a write expects: 0 for none at all, None for whatever is there.

    Raises:
        InvalidInput: both headers are given, or one that says something else.
    """
    match, none_match = exchange.optional(b"if-match"), exchange.optional(b"if-none-match")
    if match is not None and none_match is not None:
        raise InvalidInput("Give If-Match or If-None-Match, not both.", field="If-Match")
    if none_match is not None:
        return _no_generation(none_match)
    if match is None:
        return None
    tag = _TAG.fullmatch(match)
    if tag is None:
        raise InvalidInput('If-Match must be one ETag as answers carry it, such as "3".', field="If-Match")
    return int(tag[1])


def idempotency_key(exchange: Exchange) -> str | None:
    """Return the key that ties repetitions of a request together."""
    return exchange.optional(b"idempotency-key")


def _no_generation(none_match: str) -> int:
    if none_match != "*":
        raise InvalidInput("If-None-Match must be *: the secret must not exist yet.", field="If-None-Match")
    return 0
