"""Audit records as lines of a file."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.domain.chain import Entry

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What makes spreadsheets take a cell for a formula (OWASP, "CSV Injection")."""

_FACTS: Final = AuditRecord.__struct_fields__


async def json_lines(entries: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[bytes]:
    """Entries as they are hashed, a line each."""
    async for some in entries:
        yield b"".join(entry.line() + b"\n" for entry in some)


async def csv_lines(entries: AsyncIterator[Sequence[Entry]]) -> AsyncIterator[bytes]:
    """Entries for a spreadsheet, under a head line; none of what others wrote takes effect there."""
    yield _csv([("writer", "boot", "seq", *_FACTS)])
    async for some in entries:
        yield _csv([(*entry.chain, entry.seq, *msgspec.structs.astuple(entry.record)) for entry in some])


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
