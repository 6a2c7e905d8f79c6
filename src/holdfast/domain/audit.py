"""What goes on record. Never a value, nor anything computed from one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from holdfast.domain.policy import Caller

MAX_USER_AGENT: Final = 256
MAX_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One operation, allowed or refused, and how it ended. ``name`` may be a pattern, or "*" for the whole vault."""

    name: str
    user_id: str
    operation: str
    success: bool
    timestamp: datetime
    error_code: str | None = None
    error_message: str | None = None
    version: int | None = None
    source: str | None = None
    stale: bool = False
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    id: UUID = field(default_factory=uuid4)


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
) -> AuditRecord:
    """Return the record of one operation by ``caller``; caller-controlled text is bounded and made printable."""
    return AuditRecord(
        name=name,
        user_id=caller.id,
        operation=operation,
        success=error is None,
        timestamp=timestamp,
        error_code=getattr(error, "code", type(error).__name__) if error else None,
        error_message=printable(str(error), MAX_ERROR) if error else None,
        version=version,
        source=source,
        stale=stale,
        ip_address=printable(caller.ip_address, 50),
        user_agent=printable(caller.user_agent, MAX_USER_AGENT),
        request_id=printable(caller.request_id, 128),
    )


def printable(text: str | None, limit: int) -> str | None:
    """Return ``text`` on one line of printable characters, cut to ``limit``; None stays None."""
    if text is None or (len(text) <= limit and text.isprintable()):
        return text
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:limit])
