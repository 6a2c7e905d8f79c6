"""Texts of others, without the values that they may quote."""

import base64
import json
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

from holdfast.domain.audit import MAX_ERROR, printable
from holdfast.domain.secret import MASK, SecretValue

MIN_MASKED: Final = 4
"""Characters. A shorter value would be found in any text, and says nothing that guessing would not."""


def masked(text: str, values: Iterable[SecretValue | None]) -> str:
    """Return a text on one line, cut to ``MAX_ERROR`` characters, in which none of the values stands in clear.

    Nor as they stand in URLs, in JSON, in Python's own notation, or in base64.
    """
    forms = {form for value in values if value is not None for form in _forms(value.reveal())}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASK)
    return printable(" ".join(text.split()), MAX_ERROR) or ""


def _forms(value: str) -> Iterable[str]:
    if len(value) < MIN_MASKED:
        return ()
    encoded = value.encode("utf-8", "surrogatepass")
    return (
        *(value, quote(value, safe=""), quote(value), quote_plus(value)),
        *(json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]),
        *(base64.b64encode(encoded).decode(), base64.urlsafe_b64encode(encoded).decode().rstrip("=")),
    )
