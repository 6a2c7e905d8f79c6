"""JSON without the latitude that lets two readers of one text disagree."""

import json
import re
from typing import Any, Final, NoReturn

from holdfast.errors import InvalidInput

MAX_DEPTH: Final = 16
"""Nested objects and arrays; Key Vault's requests need 2."""

# Possessive, and content with an unterminated string: one pass over any text, however hostile.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_BRACKET: Final = re.compile(r"[\[\]{}]")


def parse_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in ``raw``.

    Raises:
        InvalidInput: not UTF-8 (UTF-16 and byte-order marks included), not JSON, not an object, a key given twice,
            NaN or Infinity, nested deeper than 16.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _bad("is not UTF-8") from error
    _check_depth(text)
    try:
        parsed = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidInput:
        raise
    except (ValueError, RecursionError):
        # The parser's own error holds the text, which may be a secret: it is not to be kept as a cause.
        raise _bad("is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise _bad("is not a JSON object")
    return parsed


def _check_depth(text: str) -> None:
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > MAX_DEPTH:
            raise _bad(f"is nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _bad("names a member twice")
    return result


def _no_constant(_: str) -> NoReturn:
    raise _bad("is not valid JSON: NaN and Infinity are no JSON numbers")


def _bad(what: str) -> InvalidInput:
    return InvalidInput(f"The request body {what}; send one JSON object in UTF-8.", field="body")
