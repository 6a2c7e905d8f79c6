"""Request bodies: Key Vault's JSON to what the use cases take.

Members that Key Vault does not know are ignored, as it ignores them; a known member of the wrong type is refused by
name. An explicit null is the same as leaving a member out. Lengths and grammar are the domain's to check.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from holdfast.domain.changes import KEEP, Held, Keep
from holdfast.errors import InvalidInput
from holdfast.keyvault_wire.strict_json import parse_object

MAX_UNIX_TIME: Final = 253_402_300_799
"""Seconds; the end of the year 9999, the last moment that a date can hold."""

MAX_BLOB_TEXT: Final = 32 * 1024 * 1024
"""Characters of a backup: 500 versions of 25,600 bytes, encoded twice in base64, with room to spare."""

_BLOB: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class MalformedBackup(InvalidInput):
    """The blob to restore is not a backup."""

    code = "malformed_backup"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SetRequest:
    """A new version: nothing is inherited from the one before."""

    value: str
    content_type: str | None
    tags: dict[str, str] | None
    enabled: bool
    not_before: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """Changed attributes of a version. KEEP leaves one as it is, None clears it."""

    enabled: bool | Keep
    not_before: datetime | Held | Keep
    expires_at: datetime | Held | Keep
    content_type: str | Keep | None
    tags: dict[str, str] | Keep


def parse_set(raw: bytes) -> SetRequest:
    """Return the body of a set.

    Raises:
        InvalidInput: not strict JSON, no value, or a member of the wrong type.
    """
    body = parse_object(raw)
    value = _text(body, "value")
    if value is None:
        raise InvalidInput("value is missing; send it as a JSON string, which may be empty.", field="value")
    attributes = _attributes(body)
    enabled = _flag(attributes, "enabled")
    return SetRequest(
        value=value,
        content_type=_text(body, "contentType") or None,
        tags=_tags(body),
        enabled=True if enabled is None else enabled,
        not_before=_settable(attributes, "nbf"),
        expires_at=_settable(attributes, "exp"),
    )


def parse_update(raw: bytes) -> UpdateRequest:
    """Return the body of an update; a ``value`` in it is ignored, as Key Vault ignores it.

    Raises:
        InvalidInput: not strict JSON, or a member of the wrong type.
    """
    body = parse_object(raw)
    attributes = _attributes(body)
    enabled, not_before = _flag(attributes, "enabled"), _moment(attributes, "nbf")
    expires_at, tags, content_type = _moment(attributes, "exp"), _tags(body), _text(body, "contentType")
    return UpdateRequest(
        enabled=KEEP if enabled is None else enabled,
        not_before=KEEP if not_before is None else not_before,
        expires_at=KEEP if expires_at is None else expires_at,
        content_type=KEEP if content_type is None else content_type or None,
        tags=KEEP if tags is None else tags,
    )


def parse_restore(raw: bytes) -> bytes:
    """Return the backup in the body of a restore.

    Raises:
        InvalidInput: not strict JSON, or no value.
        MalformedBackup: the value is not base64url.
    """
    value = _text(parse_object(raw), "value")
    if value is None:
        raise InvalidInput("value is missing; send the backup as a JSON string.", field="value")
    return decode_backup(value)


def decode_backup(text: str) -> bytes:
    """Return the bytes of a backup from base64url without padding.

    Raises:
        MalformedBackup: not base64url.
    """
    if not _BLOB.fullmatch(text) or len(text) > MAX_BLOB_TEXT:
        raise MalformedBackup("Backup blob is corrupt.", field="value")
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise MalformedBackup("Backup blob is corrupt.", field="value") from None


def _attributes(body: dict[str, Any]) -> dict[str, Any]:
    found = body.get("attributes")
    if found is None:
        return {}
    if isinstance(found, dict):
        return found
    raise InvalidInput("attributes must be a JSON object.", field="attributes")


def _text(body: dict[str, Any], member: str) -> str | None:
    found = body.get(member)
    return None if found is None else _checked_text(found, member)


def _checked_text(found: object, field: str, subject: str | None = None) -> str:
    if not isinstance(found, str):
        raise InvalidInput(f"{subject or field} must be a JSON string.", field=field)
    if not _is_unicode(found):
        raise InvalidInput(f"{field} holds half of a surrogate pair, which is not text.", field=field)
    return found


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tags(body: dict[str, Any]) -> dict[str, str] | None:
    found = body.get("tags")
    if found is None:
        return None
    if not isinstance(found, dict):
        raise InvalidInput("tags must be a JSON object of strings.", field="tags")
    return {
        _checked_text(key, "tags"): _checked_text(value, "tags", "every value of tags") for key, value in found.items()
    }


def _flag(attributes: dict[str, Any], member: str) -> bool | None:
    found = attributes.get(member)
    if found is None or isinstance(found, bool):
        return found
    raise InvalidInput(f"attributes.{member} must be true or false.", field=f"attributes.{member}")


def _settable(attributes: dict[str, Any], member: str) -> datetime | None:
    moment = _moment(attributes, member)
    if isinstance(moment, Held):
        raise moment.refusal
    return moment


def _moment(attributes: dict[str, Any], member: str) -> datetime | Held | None:
    found = attributes.get(member)
    if found is None:
        return None
    refusal = InvalidInput(
        f"attributes.{member} must be a whole number of seconds since 1970, from 0 to {MAX_UNIX_TIME}"
        f"{_cut_off(found)}.",
        field=f"attributes.{member}",
    )
    if not isinstance(found, int) or isinstance(found, bool):
        raise refusal
    return datetime.fromtimestamp(found, UTC) if 0 <= found <= MAX_UNIX_TIME else Held(found, refusal)


def _cut_off(found: object) -> str:
    """What to say of a number that a client cut to 32 bits: some do with every date from 2038 on."""
    if not isinstance(found, int) or not -(2**31) <= found < 0:
        return ""
    meant = datetime.fromtimestamp(found + 2**32, UTC)
    return (
        f": {found} is what is left of {meant:%Y-%m-%d} in 32 bits. Releases of @azure/keyvault-secrets cut dates like "
        "that from 2038 on; give an earlier date, or send the request without that client"
    )
