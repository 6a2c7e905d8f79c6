"""Assertions (RFC 7523): JSON Web Tokens read without latitude, so that no two readers see two things in one."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from holdfast.errors import UNREADABLE, Unauthenticated

MAX_ASSERTION_LENGTH: Final = 16_384
"""Characters. One with a chain of certificates has some 6,000."""

_SHAPE: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", re.ASCII)
_UNREAD: Final = ("crit", "b64", "zip")
"""Headers that change how the rest is to be read (RFC 7515, RFC 7797, RFC 7516); none of them is of use here."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """An assertion, of which nothing is proven yet."""

    text: str = field(repr=False)
    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read_assertion(text: str) -> Assertion:
    """Return what an assertion says.

    Raises:
        Unauthenticated: too long, not three parts in base64url, not JSON objects, a member twice, NaN or Infinity, or
            with a header that changes how it is to be read.
    """
    if len(text) > MAX_ASSERTION_LENGTH or not _SHAPE.fullmatch(text):
        raise _malformed()
    header, claims, _ = text.split(".")
    assertion = Assertion(text, _object(header), _object(claims))
    if any(name in assertion.header for name in _UNREAD):
        raise _malformed()
    return assertion


def _object(part: str) -> dict[str, Any]:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8")
        found = json.loads(raw, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UNREADABLE:
        found = None
    if not isinstance(found, dict):  # outside the handler: its error holds the text
        raise _malformed()
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _no_constant(_: str) -> NoReturn:
    raise ValueError("no JSON number")


def _malformed() -> Unauthenticated:
    return Unauthenticated("The assertion is malformed.")
