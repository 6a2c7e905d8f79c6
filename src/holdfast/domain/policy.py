"""Who may do what to which secret: deny by default."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

import msgspec

from holdfast.domain.names import covers, matches
from holdfast.errors import InvalidInput

MAX_IDENTITY_LENGTH: Final = 255
"""Characters; the width of ``secret_access_control.user_id`` in the specification."""

SYSTEM_ID: Final = "system"
NOBODY: Final = "anonymous"
"""Who is on record when no identity was proven or even well-formed."""

OPERATOR_PREFIX: Final = "operator:"
"""Marks a person at the machine itself, by unix login."""

RESERVED_IDS: Final = frozenset({SYSTEM_ID, NOBODY, "*"})

GROUP_PREFIX: Final = "group:"
"""Marks the subject of a grant as a group; no identity may begin with it, in any case of letters."""

_IDENTITY: Final = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?", re.ASCII)


class Permission(enum.StrEnum):
    """What a grant can allow. Each verb is checked on its own; none implies another."""

    GET = "get"
    LIST = "list"
    SET = "set"
    DELETE = "delete"
    RECOVER = "recover"
    PURGE = "purge"
    ROTATE = "rotate"
    GRANT = "grant"
    APPROVE = "approve"
    """Decide about requests for emergency access."""
    AUDIT = "audit"
    """Read the audit trail."""
    OPERATE = "operate"
    """Run the installation: health in full, synchronising, reconciling, caches of the whole vault."""


class AuthMethod(enum.StrEnum):
    """How a caller's identity was established, as the audit trail names it."""

    SYSTEM = "system"
    CONTEXT = "context"
    CLIENT = "client"
    TOKEN = "token"  # noqa: S105 - the name of a method
    OIDC = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessContext:
    """Who asks, and from where, as an application reports it.

    ``user_id`` is matched exactly against grants. ``request_id`` ties audit rows to a request.
    """

    user_id: str
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None


class Caller(msgspec.Struct, frozen=True, gc=False):
    """An authenticated identity. ``is_system`` marks the application that owns the service itself.

    ``groups``: names, without ``GROUP_PREFIX``, that the proof of identity vouched for. ``credential``: the id of the
    API token that was the proof, if one was.
    """

    id: str
    is_system: bool = False
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    groups: frozenset[str] = frozenset()
    method: AuthMethod = AuthMethod.CONTEXT
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A subject may do ``permissions`` to every secret that ``pattern`` covers, until ``expires_at``.

    ``user_id`` is the subject: an identity, or ``group:`` and the name of a group. ``rule`` names what says so, as the
    audit trail does: ``grant:17``, or ``role:reader on payments-*``; it is empty until the rule is stored.
    """

    user_id: str
    pattern: str
    permissions: frozenset[Permission]
    granted_by: str
    granted_at: datetime | None = None
    expires_at: datetime | None = None
    rule: str = ""

    def allows(self, permission: Permission, name: str, now: datetime) -> bool:
        """Whether this grant is in force and gives ``permission`` on ``name``."""
        return permission in self.permissions and matches(self.pattern, name) and not self.expired(now)

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at

    def outlasts(self, other: "Grant") -> bool:
        """Whether this grant holds at least as long as ``other``."""
        if self.expires_at is None:
            return True
        return other.expires_at is not None and other.expires_at <= self.expires_at


SYSTEM: Final = Caller(SYSTEM_ID, is_system=True, method=AuthMethod.SYSTEM)
"""The application that owns the service, and the service itself where it acts on its own."""


def caller_of(context: AccessContext | None) -> Caller:
    """Return the caller a context names; no context is the application that owns the service.

    Raises:
        InvalidInput: it is no context, or its identity is malformed or reserved.
    """
    if context is None:
        return SYSTEM
    if not isinstance(context, AccessContext):
        raise InvalidInput(f"context must be an AccessContext, not {type(context).__name__}.", field="context")
    for field in ("ip_address", "user_agent", "request_id"):
        if not isinstance(getattr(context, field), str | None):
            raise InvalidInput(f"{field} of the context must be text (str).", field=field)
    return Caller(
        canonical_identity(context.user_id),
        ip_address=context.ip_address,
        user_agent=context.user_agent,
        request_id=context.request_id,
    )


def canonical_identity(raw: object) -> str:
    """Return an identity as grants name it: printable ASCII, compared exactly.

    Raises:
        InvalidInput: empty, longer than 255, not printable ASCII, reserved, or a group's.
    """
    if not isinstance(raw, str) or not _IDENTITY.fullmatch(raw):
        raise InvalidInput(
            "user_id must be 1 to 255 printable ASCII characters without spaces around.", field="user_id"
        )
    if raw.lower() in RESERVED_IDS or raw.lower().startswith(GROUP_PREFIX):
        raise InvalidInput(f"user_id {raw!r} is reserved; choose another identity.", field="user_id")
    return raw


def canonical_group(raw: object) -> str:
    """Return the name of a group: printable ASCII, compared exactly.

    Raises:
        InvalidInput: empty, not printable ASCII, or too long to be a subject.
    """
    longest = MAX_IDENTITY_LENGTH - len(GROUP_PREFIX)
    if not isinstance(raw, str) or len(raw) > longest or not _IDENTITY.fullmatch(raw):
        raise InvalidInput(
            f"The name of a group must be 1 to {longest} printable ASCII characters without spaces around.",
            field="user_id",
        )
    return raw


def canonical_subject(raw: object) -> str:
    """Return whom a rule is for: an identity, or ``group:`` and the name of a group.

    Raises:
        InvalidInput: neither.
    """
    if isinstance(raw, str) and raw.startswith(GROUP_PREFIX):
        return GROUP_PREFIX + canonical_group(raw.removeprefix(GROUP_PREFIX))
    return canonical_identity(raw)


def group_subject(group: str) -> str:
    """The subject that rules for a group name."""
    return GROUP_PREFIX + group


def parse_permissions(raw: Iterable[object]) -> frozenset[Permission]:
    """Return the named permissions.

    Raises:
        InvalidInput: none given, or one that does not exist.
    """
    if not isinstance(raw, Iterable):
        raise InvalidInput(f"permissions must be a list of {', '.join(Permission)}.", field="permissions")
    names = [raw] if isinstance(raw, str) else list(islice(raw, len(Permission) + 1))
    if len(names) > len(Permission):
        raise InvalidInput(f"permissions names more than there are: at most {len(Permission)}.", field="permissions")
    unknown = [name for name in names if not isinstance(name, str) or name not in set(Permission)]
    if unknown or not names:
        what = f"{unknown[0]!r:.40} is not a permission" if unknown else "permissions is empty"
        raise InvalidInput(f"{what}: choose from {', '.join(Permission)}.", field="permissions")
    return frozenset(Permission(str(name)) for name in names)


MAX_GIVEN: Final = 200
"""Rules that one who may not grant on ``*`` gives to one subject at most: each node reads all rules of a subject whose
rules change."""


def may_delegate(held: Iterable[Grant], wanted: Grant, now: datetime) -> bool:
    """Whether the holder of ``held`` may hand out ``wanted``.

    Nobody grants more than they hold: they need `grant` and all of its permissions, on all of its names, and for at
    least as long. What they need may come from several grants, each of which covers all the names.
    """
    needed = {*wanted.permissions, Permission.GRANT}
    given = {
        permission
        for grant in held
        if covers(grant.pattern, wanted.pattern) and not grant.expired(now) and grant.outlasts(wanted)
        for permission in grant.permissions
    }
    return needed <= given


def may_withdraw(held: Iterable[Grant], pattern: str, now: datetime) -> bool:
    """Whether the holder of ``held`` may take a rule on ``pattern`` away: they need `grant` on all of its names."""
    return _holds_any(held, {Permission.GRANT}, pattern, now)


def may_oversee(held: Iterable[Grant], pattern: str, now: datetime) -> bool:
    """Whether the holder of ``held`` may see rules on ``pattern``: they need `audit` or `grant` on all of its names."""
    return _holds_any(held, {Permission.AUDIT, Permission.GRANT}, pattern, now)


def _holds_any(held: Iterable[Grant], sufficient: set[Permission], pattern: str, now: datetime) -> bool:
    return any(
        sufficient & grant.permissions and covers(grant.pattern, pattern) and not grant.expired(now) for grant in held
    )
