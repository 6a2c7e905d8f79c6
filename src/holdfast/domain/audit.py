"""What goes on record. Never a value, nor anything computed from one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from holdfast.domain.policy import Caller

MAX_USER_AGENT: Final = 256
MAX_ERROR: Final = 500


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One operation, allowed or refused, and how it ended. ``name`` may be a pattern, or "*" for the whole vault.

    ``version``: the generation that was disclosed or made. ``source``: the tier that answered. ``rule``: what decided,
    such as a grant or a role. ``detail``: a fact that belongs to the operation and to no other member.

    Fields may be added at the end, with a default; none may be renamed, moved or removed: hashes of stored records are
    taken over their text, in this order.
    """

    timestamp: datetime
    user_id: str
    operation: str
    name: str
    success: bool
    auth_method: str | None = None
    rule: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    version: int | None = None
    source: str | None = None
    stale: bool = False
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which records are wanted: all that fit everything that is given. ``since`` is included, ``until`` is not.

    ``cursor``: what a page named as where it goes on.
    """

    name: str | None = None
    user_id: str | None = None
    operation: str | None = None
    success: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    cursor: str | None = None

    def fits(self, record: AuditRecord) -> bool:
        """Whether a record is wanted, wherever the cursor stands."""
        return (
            self.name in (None, record.name)
            and self.user_id in (None, record.user_id)
            and self.operation in (None, record.operation)
            and self.success in (None, record.success)
            and (self.since is None or record.timestamp >= self.since)
            and (self.until is None or record.timestamp < self.until)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Some records, newest first. ``next_cursor`` asks for those that follow; None: there are none."""

    records: tuple[AuditRecord, ...]
    next_cursor: str | None = None


def record_of(
    caller: Caller,
    operation: str,
    name: str,
    timestamp: datetime,
    *,
    error: BaseException | None = None,
    version: int | None = None,
    source: str | None = None,
    stale: bool = False,
    rule: str | None = None,
    detail: str | None = None,
    request_id: str | None = None,
) -> AuditRecord:
    """Return the record of one operation by ``caller``; caller-controlled text is bounded and made printable.

    ``request_id``: what it belongs to, where the caller does not say.
    """
    return AuditRecord(
        timestamp=timestamp,
        user_id=caller.id,
        operation=operation,
        name=name,
        success=error is None,
        auth_method=caller.method.value,
        rule=rule,
        error_code=getattr(error, "code", type(error).__name__) if error else None,
        error_message=printable(str(error), MAX_ERROR) if error else None,
        version=version,
        source=source,
        stale=stale,
        ip_address=printable(caller.ip_address, 50),
        user_agent=printable(caller.user_agent, MAX_USER_AGENT),
        request_id=printable(caller.request_id or request_id, 128),
        detail=detail,
    )


def printable(text: str | None, limit: int) -> str | None:
    """Return ``text`` on one line of printable characters, cut to ``limit``; None stays None."""
    if text is None or (len(text) <= limit and text.isprintable()):
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:limit])
