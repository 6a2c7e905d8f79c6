"""A page of a listing, parted into its entries before any of them is read: what ails one says nothing of the others."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from holdfast.domain.names import MAX_NAME_LENGTH
from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.strict_json import parse_object
from holdfast.stores.keyvault.errors import ImplausibleAnswer

MAX_ENTRIES: Final = 10_000
"""Entries of one page. Key Vault sends 25 at most (its REST API, ``maxresults``); some emulators send all they have."""

MAX_MARKS: Final = 1_000_000
"""Brackets, commas and texts in one page: more than any has, and looked through in about a second."""

_TEXT: Final = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'  # possessive: one pass over any bytes, however hostile
_TOKEN: Final = re.compile(_TEXT + rb"|[\[\]{},\"]", re.DOTALL)  # a quote by itself: a text without an end
_MEMBER: Final = re.compile(rb"\s*(" + _TEXT + rb")\s*:(.*)", re.DOTALL)
_ID: Final = re.compile(rb'"id"\s*:\s*(' + _TEXT + rb")")
_NAME: Final = re.compile(r".{0,1000}?/(?:deleted)?secrets/([^/]{1,512})", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Page:
    """The entries as they came, and the ``nextLink`` as it came."""

    entries: tuple[bytes, ...]
    link: bytes = b"null"

    @property
    def next_link(self) -> str | None:
        """Where the listing goes on, or None at its end; ``ImplausibleAnswer`` if that is no text."""
        found = parse(b'{"link":' + self.link + b"}")["link"]
        if found is not None and not isinstance(found, str):
            raise ImplausibleAnswer("its next page is no address")
        return found or None


def parse(raw: bytes) -> dict[str, Any]:
    """Return an answer, or one entry of a page, as JSON; ``ImplausibleAnswer`` if it can be read in no or two ways."""
    try:
        return parse_object(raw)
    except InvalidInput:
        raise ImplausibleAnswer("it is no JSON object, or an ambiguous or endlessly nested one") from None


def page(raw: bytes) -> Page:
    """Return a page; ``ImplausibleAnswer`` if it is none."""
    members = [_MEMBER.fullmatch(part) for part in _parts(raw, b"{}")]
    found = {member[1]: member[2] for member in members if member}
    if len(found) != len(members) or b'"value"' not in found:
        raise ImplausibleAnswer("it is no page of a listing")
    return Page(tuple(_parts(found[b'"value"'], b"[]")), found.get(b'"nextLink"', b"null"))


def shown_name(raw: bytes) -> str:
    """Return what can be shown of the name of an entry that cannot be read, "" if nothing can.

    What cannot be shown is replaced, not left out: what remained might be the name of another secret.
    """
    found = _ID.search(raw)
    named = _NAME.match(_decoded(found[1])) if found else None
    text = "".join(letter if letter.isprintable() else "\ufffd" for letter in named[1]) if named else ""
    return text if len(text) <= MAX_NAME_LENGTH else text[: MAX_NAME_LENGTH - 1] + "…"


def _decoded(text: bytes) -> str:
    try:
        return str(json.loads(text.decode(errors="replace"), strict=False))
    except ValueError:  # an escape that is none
        return ""


def _parts(raw: bytes, brackets: bytes) -> list[bytes]:
    """What the commas of an object or array part. It is not looked into."""
    text = raw.strip()
    depth, start, parts = 0, 1, []
    for seen, token in enumerate(_TOKEN.finditer(text)):
        mark = token[0]
        if seen > MAX_MARKS or mark == b'"':
            raise ImplausibleAnswer("it is no page of a listing")
        depth += (mark in (b"[", b"{")) - (mark in (b"]", b"}"))
        if depth == 0 or (depth == 1 and mark == b","):
            parts.append(text[start : token.start()])
            start = token.end()
            if len(parts) > MAX_ENTRIES:
                raise ImplausibleAnswer(f"a page of more than {MAX_ENTRIES} entries")
        if depth == 0:
            break
    if depth or start != len(text) or text[:1] + text[-1:] != brackets:
        raise ImplausibleAnswer("it is no page of a listing")
    return parts if len(parts) > 1 or any(part.strip() for part in parts) else []
