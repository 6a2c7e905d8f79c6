"""PostgreSQL's binary COPY format ("COPY", section "Binary Format"), read back."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from tests.proof.simulation.tables import Row

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_HEADER_BYTES: Final = 19


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big", signed=True)


_TYPES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "writer": lambda field: UUID(bytes=field),
    **dict.fromkeys(("boot", "seq", "version"), _number),
    **dict.fromkeys(("success", "stale"), lambda field: field == b"\1"),
    "timestamp": lambda field: _EPOCH + timedelta(microseconds=_number(field)),
    "hash": bytes,
}


def decoded(data: bytes, columns: Sequence[str]) -> list[Row]:
    """The rows in it."""
    rows = []
    for fields in _tuples(data):
        known = zip(columns, fields, strict=True)
        rows.append({name: None if field is None else _TYPES.get(name, bytes.decode)(field) for name, field in known})
    return rows


def _tuples(data: bytes) -> Iterator[list[bytes | None]]:
    at = _HEADER_BYTES
    while (count := struct.unpack_from(">h", data, at)[0]) >= 0:
        at += 2
        fields: list[bytes | None] = []
        for _ in range(count):
            length = struct.unpack_from(">i", data, at)[0]
            fields.append(None if length < 0 else data[at + 4 : at + 4 + length])
            at += 4 + max(length, 0)
        yield fields
