"""JSON without the latitude that lets two readers of one text disagree."""

import json
import re
from contextlib import suppress
from typing import Any, Final, NoReturn

from holdfast.errors import UNREADABLE, InvalidInput

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
    text = _text(raw)
    _check_depth(text)
    parsed = _parsed(text)
    if not isinstance(parsed, dict):
        raise _bad("is not a JSON object")
    return parsed


# The errors of decoder and parser hold the text, which may be a secret: none may stay as the context of ours.


def _text(raw: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return raw.decode("utf-8")
    raise _bad("is not UTF-8")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except InvalidInput:
        raise
    except UNREADABLE:
        pass
    raise _bad("is not valid JSON")


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
