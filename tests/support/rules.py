"""Rules kept in memory: a grant store for tests that are not about PostgreSQL."""

import base64
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from holdfast.crypto.envelope import Envelope
from holdfast.crypto.keyring import KeyRing
from holdfast.domain.audit import AuditRecord
from holdfast.domain.leases import Leases
from holdfast.domain.names import is_glob
from holdfast.domain.policy import Permission
from holdfast.domain.roles import Role
from holdfast.ports import Approve, Credential, RuleKind, StoredRule

SEALER = Envelope(KeyRing.from_settings(base64.b64encode(bytes(range(32, 64))).decode()))
BOOK_LEASES = Leases(timedelta(days=1))
START = datetime(2026, 1, 1, tzinfo=UTC)


def _unheard(records: Sequence[AuditRecord]) -> None:
    """No one wants to know what was stored."""


class QuietFeed:
    """A feed on which nothing happens. ``silence_s``: how long PostgreSQL has not answered."""

    def __init__(self) -> None:
        self.silence_s = 0.0

    async def start(self, listener: object) -> None: ...

    async def stop(self) -> None: ...

    def live(self) -> bool:
        return True

    def seconds_since_contact(self) -> float:
        return self.silence_s


class QuietTrail:
    """An audit trail that keeps its records in memory."""

    def __init__(self) -> None:
        self.records: list[AuditRecord] = []

    async def append(self, record: AuditRecord) -> None:
        self.records.append(record)


class RulesInMemory:
    """Implements ``ports.GrantStore``. ``living`` are the incarnations of the secrets there are.

    ``kept`` is told of the records that are stored with a change.
    """

    def __init__(self, *rules: StoredRule) -> None:
        self.stored = list(rules)
        self.living: dict[str, UUID] = {}
        self.credentials: list[Credential] = []
        self.epoch = 0
        self.kept = _unheard
        self._ids = 0

    async def rules(self, subject: str | None = None) -> tuple[int, list[StoredRule]]:
        found = [rule for rule in self.stored if subject in (None, rule.subject)]
        return self.epoch, [replace(rule, living=self.living.get(rule.pattern)) for rule in found]

    async def changes(self) -> int:
        return self.epoch

    async def incarnation(self, pattern: str) -> UUID | None:
        return None if is_glob(pattern) else self.living.get(pattern)

    async def put(self, rule: StoredRule, approve: Approve) -> tuple[int, int]:
        record = approve([each for each in self.credentials if each.identity == rule.subject])
        self.stored = [each for each in self.stored if _key(each) != _key(rule)]
        self._ids += 1
        self.epoch += 1
        self.stored.append(replace(rule, id=self._ids))
        self.kept([record])
        return self._ids, self.epoch

    async def remove(self, rule: StoredRule, record: AuditRecord) -> tuple[bool, int]:
        kept = [each for each in self.stored if _key(each) != _key(rule)]
        removed, self.stored = len(kept) < len(self.stored), kept
        self.epoch += 1
        self.kept([record])
        return removed, self.epoch


def rule(
    subject: str,
    what: Role | set[Permission],
    pattern: str,
    *,
    expires_at: datetime | None = None,
    number: int = 0,
    incarnation: UUID | None = None,
) -> StoredRule:
    """A rule as Holdfast would have stored it."""
    made = StoredRule(
        kind=RuleKind.ROLE if isinstance(what, Role) else RuleKind.GRANT,
        subject=subject,
        pattern=pattern,
        terms=(what.value,) if isinstance(what, Role) else tuple(sorted(what)),
        granted_by="root",
        granted_at=START,
        expires_at=expires_at,
        incarnation=incarnation,
        id=number,
    )
    return replace(made, attestation=SEALER.attest(made.facts()))


def _key(rule: StoredRule) -> tuple[object, ...]:
    return rule.kind, rule.subject, rule.pattern, *(rule.terms if rule.kind is RuleKind.ROLE else ())
