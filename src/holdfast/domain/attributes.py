"""What can be changed of a version without making a new one, and what Key Vault says of it besides.

Key Vault's dates are whole seconds of any size; a ``datetime`` ends with the year 9999. So a date that none can hold
is kept as Key Vault's own number, next to the nearest date there is.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import structs
from msgspec.structs import force_setattr, replace

from holdfast.errors import UNREADABLE

EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
"""The first date that is shown: the day before it is another year in some time zones, and infinite to PostgreSQL's
client."""

LATEST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""The last date that is shown, and the last that clients may set."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_CARRIED_ALONG: Final = frozenset({"empty_tags", "vault"})
"""The attributes that make no two of them different."""


def seconds_of(moment: datetime) -> int:
    """Return a moment in whole seconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def nearest_date(seconds: int) -> datetime:
    """Return the moment of that many seconds since 1970, or the nearest that is shown."""
    return _EPOCH + timedelta(seconds=min(max(seconds, seconds_of(EARLIEST)), seconds_of(LATEST)))


class VaultFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What Key Vault alone decides of a version, carried as it is told; None where it tells nothing.

    ``managed``: it backs a certificate, and changes with that only. ``kid``: the id of that certificate's key.
    ``recovery_level``, ``recoverable_days``: whether, and for how many days, it can be recovered after a deletion.
    """

    managed: bool | None = None
    kid: str | None = None
    recovery_level: str | None = None
    recoverable_days: int | None = None

    def purged_at(self, deleted_at: datetime, retention: timedelta) -> datetime:
        """Return when a secret that was deleted then vanishes: after its days, or the ``retention`` if it has none."""
        room, days = LATEST - deleted_at, self.recoverable_days
        kept = retention if days is None or days < 0 else timedelta(days=min(days, room.days + 1))
        return deleted_at + min(kept, room)


class Attributes(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything of a version that can be changed without making a new version. Times are UTC.

    ``not_before_seconds``, ``expires_at_seconds``: since 1970, Key Vault's own number where no date can hold it, else
    None; the date next to it is the nearest one then. Another date in its place makes the number void.
    ``empty_tags``: a client or Key Vault gave an empty object of tags, which is told apart from none.
    ``vault``: what Key Vault adds. These two are carried, and make no two attributes different.
    """

    enabled: bool = True
    not_before: datetime | None = None
    expires_at: datetime | None = None
    content_type: str | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    not_before_seconds: int | None = None
    expires_at_seconds: int | None = None
    empty_tags: bool = False
    vault: VaultFacts = VaultFacts()

    def __post_init__(self) -> None:
        if self.not_before_seconds is not None and _is_void(self.not_before, self.not_before_seconds):
            force_setattr(self, "not_before_seconds", None)
        if self.expires_at_seconds is not None and _is_void(self.expires_at, self.expires_at_seconds):
            force_setattr(self, "expires_at_seconds", None)
        if self.empty_tags and self.tags:
            force_setattr(self, "empty_tags", False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attributes):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __ne__(self, other: object) -> bool:  # a Struct has one of its own, which compares identities
        return not self == other

    __hash__ = None  # type: ignore[assignment]  # tags are a mapping

    @property
    def nbf(self) -> int | None:
        """``not_before`` in seconds since 1970, as Key Vault tells it."""
        return _told(self.not_before, self.not_before_seconds)

    @property
    def exp(self) -> int | None:
        """``expires_at`` in seconds since 1970, as Key Vault tells it."""
        return _told(self.expires_at, self.expires_at_seconds)

    @property
    def clamped(self) -> tuple[str, ...]:
        """Which of ``not_before`` and ``expires_at`` are only the nearest dates to what Key Vault holds."""
        numbers = {"not_before": self.not_before_seconds, "expires_at": self.expires_at_seconds}
        return tuple(name for name, seconds in numbers.items() if seconds is not None)

    def dates_not_in(self, newer: "Attributes") -> tuple[str, ...]:
        """Which of ``not_before`` and ``expires_at`` are given here, and not in the attributes of a newer version."""
        return tuple(
            name
            for name in ("not_before", "expires_at")
            if getattr(self, name) is not None and getattr(newer, name) is None
        )

    @property
    def inherited(self) -> "Attributes":
        """What a new value of the same secret inherits. Dates are of the old value, and so is what Key Vault says."""
        return Attributes(content_type=self.content_type, tags=self.tags, empty_tags=self.empty_tags)


def is_beyond(seconds: int) -> bool:
    """Whether no date that is shown can hold this many seconds since 1970."""
    return not seconds_of(EARLIEST) <= seconds <= seconds_of(LATEST)


def dated(attributes: Attributes, *, nbf: int | None, exp: int | None) -> Attributes:
    """Return attributes with dates in seconds since 1970, of any size."""
    return replace(
        attributes,
        not_before=None if nbf is None else nearest_date(nbf),
        expires_at=None if exp is None else nearest_date(exp),
        not_before_seconds=nbf,
        expires_at_seconds=exp,
    )


class _Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """The members that have no column of their own, and no member in formats that are older than they."""

    not_before_seconds: int | None = None
    expires_at_seconds: int | None = None
    empty_tags: bool = False
    vault: VaultFacts | None = None


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Carried).decode


def carried(attributes: Attributes) -> str:
    """Return what is carried besides enabled, dates, content type and tags, as JSON; ``{}`` if that is nothing."""
    vault = None if attributes.vault == VaultFacts() else attributes.vault
    found = _Carried(attributes.not_before_seconds, attributes.expires_at_seconds, attributes.empty_tags, vault)
    return _encode(found).decode()


def with_carried(attributes: Attributes, text: str) -> Attributes:
    """Return attributes with that again.

    Raises:
        ValueError: it is not what ``carried`` writes.
    """
    if text == "{}":
        return attributes
    found = _found(text)
    return Attributes(
        enabled=attributes.enabled,
        not_before=attributes.not_before,
        expires_at=attributes.expires_at,
        content_type=attributes.content_type,
        tags=attributes.tags,
        not_before_seconds=found.not_before_seconds,
        expires_at_seconds=found.expires_at_seconds,
        empty_tags=found.empty_tags,
        vault=found.vault or VaultFacts(),
    )


@lru_cache(maxsize=1024)
def _found(text: str) -> _Carried:
    """Nearly all versions in a vault carry the same; a read of a cached one takes it from here."""
    try:
        return _decode(text)
    except UNREADABLE:
        raise ValueError("no carried attributes") from None


def _compared(attributes: Attributes) -> tuple[object, ...]:
    return tuple(value for name, value in structs.asdict(attributes).items() if name not in _CARRIED_ALONG)


def _is_void(date: datetime | None, seconds: int) -> bool:
    return not is_beyond(seconds) or date != nearest_date(seconds)


def _told(moment: datetime | None, seconds: int | None) -> int | None:
    if seconds is not None:
        return seconds
    return None if moment is None else seconds_of(moment)
