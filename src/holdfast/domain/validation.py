"""What callers may say about a secret: every limit, checked once at the border.

Each function returns its argument in the one form that is stored, or raises InvalidInput naming the field, the limit
and the mend. No text repeats what was given: it may be a value that went to the wrong place.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from typing import Final, TypeVar

from holdfast.domain.intent import MARKER_TAG, MAX_TAGS
from holdfast.domain.names import canonical_version_id
from holdfast.domain.secret import Attributes, RotationPolicy, SecretSettings, SecretValue
from holdfast.errors import InvalidInput

E = TypeVar("E", bound=StrEnum)

MAX_VALUE_BYTES: Final = 25_600
"""UTF-8; Key Vault's 25 KB."""
MAX_TAG_LENGTH: Final = 512
"""Characters, for key and value alike."""
MAX_CONTENT_TYPE: Final = 255
MAX_DESCRIPTION: Final = 1_000
MAX_ADDRESSES: Final = 20
MAX_ADDRESS: Final = 254
"""Characters; RFC 5321 4.5.3.1.3 less the angle brackets."""
MAX_INTERVAL_DAYS: Final = 3_650
MAX_DAYS: Final = 3_650
MAX_KEY: Final = 255
MAX_GENERATION: Final = 2**63 - 1
MAX_OPTIONS: Final = 20
MAX_OPTION: Final = 1_000

CHANNEL_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_KEY_ID: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)
_HANDLER: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
"""PostgreSQL's BIGINT."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def valid_value(raw: object) -> SecretValue:
    """Text of up to 25,600 bytes in UTF-8; empty is allowed, and every character is kept as it is."""
    if not isinstance(raw, str):
        raise _wrong("value", f"must be text (str), not {type(raw).__name__}; encode bytes, as base64 for example")
    size = len(_encoded("value", raw))
    if size > MAX_VALUE_BYTES:
        raise _wrong("value", f"is {size:,} bytes in UTF-8 and the limit is {MAX_VALUE_BYTES:,}; split it")
    return SecretValue(raw)


def valid_tags(raw: object, *, for_vault: bool) -> dict[str, str]:
    """Up to 15 tags; with a vault behind us none has the key ``holdfast``, which is ours."""
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise _wrong("tags", f"must map text to text, not be {type(raw).__name__}")
    if len(raw) > MAX_TAGS:
        raise _wrong("tags", f"has {len(raw)} entries and the limit is {MAX_TAGS}; remove some")
    for key, value in raw.items():
        _check_text("tags", key, 1, MAX_TAG_LENGTH, "has a key that is not")
        _check_text("tags", value, 0, MAX_TAG_LENGTH, "has a value that is not")
        if for_vault and key.lower() == MARKER_TAG:
            raise _wrong("tags", f"must not have the key {MARKER_TAG!r}: Holdfast marks its writes with it; rename it")
    return dict(raw)


def valid_content_type(raw: object) -> str | None:
    """Text of up to 255 characters, or None."""
    return _optional_text("content_type", raw, MAX_CONTENT_TYPE)


def valid_description(raw: object) -> str | None:
    """Text of up to 1,000 characters, or None."""
    return _optional_text("description", raw, MAX_DESCRIPTION)


def valid_flag(field: str, raw: object) -> bool:
    """True or False, and nothing that merely looks like it."""
    if not isinstance(raw, bool):
        raise _wrong(field, f"must be true or false, not {type(raw).__name__}")
    return raw


def valid_moment(field: str, raw: object) -> datetime | None:
    """A moment with a time zone from 1970 to 9999, or None; returned in UTC, in whole seconds as Key Vault keeps it."""
    if raw is None:
        return None
    if not isinstance(raw, datetime):
        raise _wrong(field, f"must be a datetime, not {type(raw).__name__}")
    if raw.utcoffset() is None:
        raise _wrong(field, "has no time zone; give it one, such as datetime.now(UTC) has")
    try:
        moment = raw.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        moment = None
    if moment is None or moment < _EPOCH:
        raise _wrong(field, "must lie in the years 1970 to 9999 (UTC)")
    return moment


def valid_future(field: str, raw: object, now: datetime) -> datetime | None:
    """A moment, as ``valid_moment`` has it, that has not passed yet, or None."""
    moment = valid_moment(field, raw)
    if moment is not None and moment <= now:
        raise _wrong(field, "has passed already; give a moment in the future")
    return moment


def check_validity(not_before: datetime | None, expires_at: datetime | None) -> None:
    """See that a secret is valid for any time at all. An expiry in the past is fine: Key Vault takes it too."""
    if not_before is not None and expires_at is not None and expires_at <= not_before:
        raise _wrong("expires_at", "must be later than not_before; otherwise the secret is never valid")


def valid_attributes(
    *,
    enabled: object = True,
    not_before: object = None,
    expires_at: object = None,
    content_type: object = None,
    tags: object = None,
    for_vault: bool,
) -> Attributes:
    """All attributes of a version, checked one by one and against each other."""
    attributes = Attributes(
        enabled=valid_flag("enabled", enabled),
        not_before=valid_moment("not_before", not_before),
        expires_at=valid_moment("expires_at", expires_at),
        content_type=valid_content_type(content_type),
        tags=valid_tags(tags, for_vault=for_vault),
        empty_tags=tags == {},
    )
    check_validity(attributes.not_before, attributes.expires_at)
    return attributes


def valid_settings(
    *,
    description: object = None,
    notify_on_expiry: object = (),
    rotation_policy: object = None,
    refuse_outside_validity: object = None,
) -> SecretSettings:
    """All that belongs to the secret as a whole."""
    refuse = refuse_outside_validity
    return SecretSettings(
        description=valid_description(description),
        notify_on_expiry=valid_addresses(notify_on_expiry),
        rotation_policy=valid_rotation_policy(rotation_policy),
        refuse_outside_validity=None if refuse is None else valid_flag("refuse_outside_validity", refuse),
    )


def valid_addresses(raw: object) -> tuple[str, ...]:
    """Up to 20 e-mail addresses, bare: none may smuggle a header or a second recipient into a message."""
    if raw is None:
        return ()
    if isinstance(raw, str) or not isinstance(raw, Iterable):
        raise _wrong("notify_on_expiry", f"must be a list of e-mail addresses, not {type(raw).__name__}")
    addresses = tuple(islice(raw, MAX_ADDRESSES + 1))
    if len(addresses) > MAX_ADDRESSES:
        raise _wrong("notify_on_expiry", f"has more than {MAX_ADDRESSES} addresses; use a distribution list")
    if not all(is_address(address) for address in addresses):
        raise _wrong("notify_on_expiry", f"must hold bare addresses like ops@example.com, up to {MAX_ADDRESS} long")
    return addresses


def valid_recipient(raw: object) -> str:
    """Whom a notice is for: the name of a channel, or a bare e-mail address."""
    if isinstance(raw, str) and CHANNEL_NAME.fullmatch(raw):
        return raw
    if isinstance(raw, str) and "@" in raw:
        return valid_addresses([raw])[0]
    raise _wrong("recipient", "must be the name of a channel, or an e-mail address")


def valid_rotation_policy(raw: object) -> RotationPolicy | None:
    """A policy of 1 to 3,650 days that notifies within its interval, or None."""
    if raw is None:
        return None
    if not isinstance(raw, RotationPolicy):
        raise _wrong("rotation_policy", f"must be a RotationPolicy, not {type(raw).__name__}")
    valid_flag("rotation_policy.enabled", raw.enabled)
    valid_flag("rotation_policy.auto_rotate", raw.auto_rotate)
    valid_number("rotation_policy.interval_days", raw.interval_days, 1, MAX_INTERVAL_DAYS)
    valid_number("rotation_policy.notify_days_before", raw.notify_days_before, 0, raw.interval_days)
    if raw.retire_after_days is not None:
        valid_number("rotation_policy.retire_after_days", raw.retire_after_days, 1, MAX_INTERVAL_DAYS)
    _check_handler(raw.handler, raw.options)
    return raw


def _check_handler(handler: object, options: object) -> None:
    if handler is not None and not (isinstance(handler, str) and _HANDLER.fullmatch(handler)):
        raise _wrong("rotation_policy.handler", "must be the name of a handler, such as postgresql")
    if not isinstance(options, Mapping) or len(options) > MAX_OPTIONS:
        raise _wrong("rotation_policy.options", f"must be a mapping of up to {MAX_OPTIONS} texts")
    for key, value in options.items():
        if not (isinstance(key, str) and _HANDLER.fullmatch(key)):
            raise _wrong("rotation_policy.options", "must have names of small letters, digits and '_'")
        if not isinstance(value, str) or len(value) > MAX_OPTION or not value.isprintable():
            raise _wrong(f"rotation_policy.options.{key}", f"must be a printable text of up to {MAX_OPTION} characters")


def valid_idempotency_key(raw: object) -> str | None:
    """1 to 255 printable ASCII characters, or None."""
    if raw is None:
        return None
    if not isinstance(raw, str) or not 1 <= len(raw) <= MAX_KEY or not raw.isascii() or not raw.isprintable():
        raise _wrong("idempotency_key", f"must be 1 to {MAX_KEY} printable ASCII characters; a UUID is a good one")
    return raw


def valid_expected_generation(raw: object) -> int | None:
    """The version that a write expects to replace, 0 for "there is none yet", or None: whatever is there."""
    return None if raw is None else valid_number("expected_generation", raw, 0, MAX_GENERATION)


def valid_version(raw: object) -> int | str:
    """A version by number or by its id of 32 hex digits."""
    if isinstance(raw, str):
        return canonical_version_id(raw)
    return valid_number("version", raw, 1, MAX_GENERATION)


def valid_key_id(raw: object) -> str:
    """The id of an encryption key: 16 hex digits, as ``holdfast keys status`` shows them."""
    if not isinstance(raw, str) or not _KEY_ID.fullmatch(raw):
        raise _wrong("key_id", "must be the 16 hex digits that `holdfast keys status` shows; never the key itself")
    return raw


def valid_history_limit(raw: object) -> int:
    """How many records to return: 1 to 1,000."""
    return valid_number("limit", raw, 1, 1_000)


def valid_days(raw: object) -> int:
    """How many days to look ahead."""
    return valid_number("days", raw, 0, MAX_DAYS)


def valid_choice(field: str, kind: type[E], raw: object) -> E:
    """One of the members of an enumeration, or its value."""
    try:
        return kind(str(raw))
    except ValueError:
        raise _wrong(field, f"must be one of {', '.join(kind)}") from None


def valid_number(field: str, raw: object, low: int, high: int) -> int:
    """A whole number within bounds, both included; a bool is none."""
    if not isinstance(raw, int) or isinstance(raw, bool) or not low <= raw <= high:
        raise _wrong(field, f"must be a whole number from {low} to {high}")
    return raw


def _optional_text(field: str, raw: object, limit: int) -> str | None:
    return None if raw is None else _check_text(field, raw, 0, limit, "must be")


def _check_text(field: str, raw: object, low: int, high: int, subject: str) -> str:
    if not isinstance(raw, str) or not low <= len(raw) <= high:
        raise _wrong(field, f"{subject} text of {low} to {high:,} characters")
    if "\0" in raw:
        raise _wrong(field, f"{subject} text without NUL characters; remove them")
    _encoded(field, raw)
    return raw


def _encoded(field: str, raw: str) -> bytes:
    encoded = b""
    with suppress(UnicodeEncodeError):  # it holds the text, so it may not stay as the context of ours
        encoded = raw.encode()
    if raw and not encoded:
        raise _wrong(field, "holds a lone surrogate, which is no Unicode text; decode it properly first")
    return encoded


def is_address(raw: object) -> bool:
    """Whether something is one bare e-mail address."""
    if not isinstance(raw, str) or not 3 <= len(raw) <= MAX_ADDRESS or not raw.isprintable():
        return False
    local, _, domain = raw.partition("@")
    return bool(local and domain) and not set(domain) & {"@"} and not set(raw) & set(' ,;:<>()[]"\\')


def _wrong(field: str, what: str) -> InvalidInput:
    return InvalidInput(f"{field} {what}.", field=field)


def valid_stage(raw: object) -> str:
    """``current``, or ``previous``: what a rotation replaced and has not revoked yet."""
    if raw not in ("current", "previous"):
        raise _wrong("stage", "must be current or previous")
    return str(raw)
