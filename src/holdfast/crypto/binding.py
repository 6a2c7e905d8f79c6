"""Associated data: what a ciphertext is bound to, as bytes that no other facts can produce."""

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Final

from holdfast.domain.sealed import Place
from holdfast.domain.secret import Attributes

VALUE_FORMAT: Final = 1
"""Counts up with every change of what a value is bound to, or how."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ABSENT: Final = b"\x00"
_PRESENT: Final = b"\x01"


def frame(*parts: bytes | None) -> bytes:
    """Join parts so that they can be told apart again: no two different lists of parts give the same bytes.

    Each part is ``00`` for None, or ``01``, its length in four bytes (big-endian), and the part itself.
    """
    return b"".join([_ABSENT if part is None else _PRESENT + len(part).to_bytes(4, "big") + part for part in parts])


def bind_place(place: Place) -> bytes:
    """Return the associated data of a secret's value: every fact of its place."""
    return frame(
        b"secret",
        b"%d" % VALUE_FORMAT,
        place.incarnation.bytes,
        place.name.encode(),
        b"%d" % place.version,
        place.version_id.encode(),
        *_attributes(place.attributes),
    )


def _attributes(attributes: Attributes) -> tuple[bytes | None, ...]:
    return (
        b"enabled" if attributes.enabled else b"disabled",
        _microseconds(attributes.not_before, attributes.not_before_seconds),
        _microseconds(attributes.expires_at, attributes.expires_at_seconds),
        None if attributes.content_type is None else attributes.content_type.encode(),
        frame(*(text.encode() for text in chain.from_iterable(sorted(attributes.tags.items())))),
    )


def _microseconds(moment: datetime | None, seconds: int | None) -> bytes | None:
    """A moment in whole microseconds since 1970, as PostgreSQL keeps it; one moment is one text in every zone.

    ``seconds``: the moment itself, where ``moment`` is only the nearest date to it.
    """
    if seconds is not None:
        return b"%d" % (seconds * 1_000_000)
    return None if moment is None else b"%d" % ((moment - _EPOCH) // timedelta(microseconds=1))
