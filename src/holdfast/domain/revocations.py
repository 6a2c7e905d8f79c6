"""What was taken from whom, as the audit trail tells it: so that a restored backup does not give it back unseen."""

import enum
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from holdfast.domain.audit import AuditRecord
from holdfast.domain.identities import ADMIN_ID

ACCEPTED: Final = "; accepted "
"""What stands before credentials that were accepted, at the end of a detail."""

_ACCEPTING: Final = ("identity.groups", "grant", "role.assign")

_OF_IDENTITY: Final = re.compile(
    r"(?:(?P<fact>token|groups|credential)=(?P<value>\S*) )?identity=(?P<name>.+)", re.DOTALL
)
_OF_RULE: Final = re.compile(
    r"(?P<subject>.+?): (?P<terms>[a-z_-]+(?:, [a-z_-]+)*)(?: until (?P<until>\S+))?", re.DOTALL
)


class Taken(enum.StrEnum):
    """What was taken. The order is that in which it is taken again."""

    IDENTITY = "identity"
    """All of it: its credentials, groups and rules."""
    RESET = "credentials"
    """Every credential and group of it."""
    ENABLED = "enabled"
    """Its being enabled."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    CLIENT = "client secret"
    """And every other credential of the client."""
    CREDENTIAL = "client credential"
    FACTOR = "second factor"
    GROUPS = "groups"
    GRANT = "grant"
    ROLE = "role"


_FACTS: Final = {Taken.TOKEN: "token", Taken.CREDENTIAL: "credential", Taken.GROUPS: "groups"}
"""What the detail about an identity says besides its name."""


class Revocation(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was taken from a subject, and what was left.

    ``item``: the id of a token, the name of a credential or role. ``pattern``: of a rule. ``left``: groups, or
    permissions, that were left. ``until``: the end of what was left of a rule. The others are members of its record.
    """

    taken: Taken
    subject: str
    item: str = ""
    pattern: str = ""
    left: tuple[str, ...] = ()
    until: datetime | None = None
    operation: str
    name: str
    detail: str | None
    by: str
    at: datetime

    @property
    def key(self) -> tuple[str, ...]:
        """What a later record about the same thing has as well."""
        return self.taken, self.subject, self.item, self.pattern

    def __str__(self) -> str:
        about = f" on {self.name}" if self.pattern else ""
        return f"{self.operation}{about} ({self.detail or self.subject}), by {self.by} at {self.at.isoformat()}"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What records tell: each thing once, as it was last; and records that do not say what they took."""

    revocations: tuple[Revocation, ...]
    unclear: tuple[AuditRecord, ...]


_Reader: TypeAlias = Callable[[AuditRecord], Revocation]


def of_identity(
    name: str, *, token: UUID | None = None, credential: str | None = None, groups: Iterable[str] | None = None
) -> str:
    """The detail of a record about an identity, from which ``told_by`` reads it."""
    if token is not None:
        return f"token={token} identity={name}"
    if credential is not None:
        return f"credential={credential} identity={name}"
    return f"identity={name}" if groups is None else f"groups={','.join(sorted(groups))} identity={name}"


def told_by(records: Iterable[AuditRecord]) -> Told:
    """Return what these records took, and nothing of them gave back later."""
    found: dict[tuple[str, ...], Revocation] = {}
    unclear = []
    for record in sorted((each for each in records if tells(each)), key=lambda each: each.timestamp):
        try:
            each = READERS[record.operation](record)
        except ValueError:
            unclear.append(record)
            continue
        found.pop(each.key, None)
        if record.operation != "identity.enable":
            found[each.key] = each
    order = list(Taken)
    ordered = sorted(found.values(), key=lambda each: (order.index(each.taken), each.at))
    return Told(revocations=tuple(ordered), unclear=tuple(unclear))


def tells(record: AuditRecord) -> bool:
    """Whether a record says that something was taken, or given back."""
    return record.success and record.operation in READERS


def _identity(taken: Taken) -> _Reader:
    def read(record: AuditRecord) -> Revocation:
        found = _matched(_OF_IDENTITY, record)
        value = found["value"] or ""
        if found["fact"] != _FACTS.get(taken):
            raise ValueError("about something else")
        left = tuple(filter(None, value.split(","))) if taken is Taken.GROUPS else ()
        return _revocation(record, taken, found["name"], item="" if taken is Taken.GROUPS else value, left=left)

    return read


def _reset(record: AuditRecord) -> Revocation:
    return _revocation(record, Taken.RESET, ADMIN_ID)


def _rule(taken: Taken, *, whole: bool) -> _Reader:
    """``whole``: all of the rule was taken, rather than what it does not name."""

    def read(record: AuditRecord) -> Revocation:
        found = _matched(_OF_RULE, record)
        terms = tuple(found["terms"].split(", "))
        until = datetime.fromisoformat(found["until"]) if found["until"] else None
        return _revocation(
            record,
            taken,
            found["subject"],
            item=terms[0] if taken is Taken.ROLE else "",
            pattern=record.name,
            left=() if whole else terms,
            until=until,
        )

    return read


def _matched(pattern: re.Pattern[str], record: AuditRecord) -> re.Match[str]:
    detail = record.detail or ""
    found = pattern.fullmatch(detail.partition(ACCEPTED)[0] if record.operation in _ACCEPTING else detail)
    if found is None:
        raise ValueError("it does not say what")
    return found


def _revocation(
    record: AuditRecord,
    taken: Taken,
    subject: str,
    *,
    item: str = "",
    pattern: str = "",
    left: tuple[str, ...] = (),
    until: datetime | None = None,
) -> Revocation:
    return Revocation(
        taken=taken,
        subject=subject,
        item=item,
        pattern=pattern,
        left=left,
        until=until,
        operation=record.operation,
        name=record.name,
        detail=record.detail,
        by=record.user_id,
        at=record.timestamp,
    )


READERS: Final[Mapping[str, _Reader]] = {
    "identity.remove": _identity(Taken.IDENTITY),
    "admin.reset": _reset,
    "identity.disable": _identity(Taken.ENABLED),
    "identity.enable": _identity(Taken.ENABLED),
    "token.revoke": _identity(Taken.TOKEN),
    "client.remove": _identity(Taken.CLIENT),
    "client.withdraw": _identity(Taken.CREDENTIAL),
    "totp.remove": _identity(Taken.FACTOR),
    "identity.groups": _identity(Taken.GROUPS),
    "revoke": _rule(Taken.GRANT, whole=True),
    "grant": _rule(Taken.GRANT, whole=False),
    "role.unassign": _rule(Taken.ROLE, whole=True),
    "role.assign": _rule(Taken.ROLE, whole=False),
}
"""How the record of each operation is read. A grant counts as what it leaves of the one that it replaces."""
