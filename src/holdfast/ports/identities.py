"""Identities and what they prove themselves with, at the commit point. Every change announces itself to all nodes."""

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from holdfast.domain.assertions import ClientCredential
from holdfast.domain.audit import AuditRecord
from holdfast.domain.identities import IdentityKind, Network
from holdfast.errors import IntegrityFailure
from holdfast.ports.access import ApproveJoining, StoredRule
from holdfast.ports.sealing import Sealer, unambiguous


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """A client of the token endpoint, without its secret."""

    client_id: str
    created_at: datetime
    created_by: str


class Registration(NamedTuple):
    """One registration of a client. ``id``: what no other one of the same client id ever has; ``since``: its start."""

    id: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord:
    """An identity, without what it proves itself with. ``tokens``: how many of its tokens are good now."""

    name: str
    kind: IdentityKind
    created_by: str
    created_at: datetime
    disabled_at: datetime | None = None
    groups: tuple[str, ...] = ()
    has_client_secret: bool = False
    has_totp: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """An API token, without the token. ``expires_at`` moves with renewals, at most up to ``max_expires_at``."""

    id: UUID
    identity: str
    created_by: str
    created_at: datetime
    lifetime: timedelta
    expires_at: datetime
    max_expires_at: datetime
    description: str | None = None
    networks: tuple[Network, ...] = ()
    renewals: int = 0
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """An API token as it is stored: by its hash, for one life of its identity."""

    record: TokenRecord
    hash: bytes
    incarnation: UUID
    attestation: str = ""

    def facts(self) -> bytes:
        """The facts whose editing would change who is let in, as unambiguous bytes for ``Sealer.attest``."""
        record = self.record
        return unambiguous(
            "token",
            str(record.id),
            self.hash.hex(),
            record.identity,
            str(self.incarnation),
            str(len(record.networks)),
            *map(str, record.networks),
            str(record.lifetime),
            record.expires_at.astimezone(UTC).isoformat(),
            record.max_expires_at.astimezone(UTC).isoformat(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What every node knows of an identity.

    ``incarnation``: the life of the name. ``client_hash``, ``client_since``: its client secret and since when it has
    it, if it has one. ``credentials``: what it shows instead of one. ``totp``: the sealed secret of its second factor,
    once confirmed. ``revision`` grows with each change, over all identities; 0: not changed since before there were
    revisions, and then all its tokens count, else ``tokens`` do. ``mark``: the revision that counts, as all marks
    together are attested.
    """

    name: str
    incarnation: UUID
    disabled: bool
    groups: frozenset[str]
    client_hash: bytes | None = None
    client_since: datetime | None = None
    credentials: tuple[ClientCredential, ...] = ()
    totp: bytes | None = None
    attestation: str = ""
    revision: int = 0
    tokens: frozenset[UUID] = frozenset()
    mark: int | None = None

    def verify(self, sealer: Sealer) -> None:
        """See that this is what Holdfast made of the identity last.

        Raises:
            IntegrityFailure: it was edited behind our back, or an earlier state of it was put back.
            KeyUnavailable: the ring lacks the key of its attestation.
        """
        sealer.verify(self.facts(), self.attestation)
        if self.revision != self.mark:
            raise IntegrityFailure(f"An earlier state of identity {self.name!r} was put back; remove the identity.")

    def counts(self, token: UUID) -> bool:
        """Whether a token of it was neither revoked nor made in an earlier state of it."""
        return self.revision == 0 or token in self.tokens

    def facts(self) -> bytes:
        """The facts whose editing would change who is let in, as unambiguous bytes for ``Sealer.attest``."""
        since_marks = (str(self.revision), str(len(self.tokens)), *sorted(map(str, self.tokens)))
        # Nothing of it where there are none: then older nodes can tell what was attested as well.
        assertable = ("credentials", str(len(self.credentials)), *(t for each in self.credentials for t in each.terms))
        return unambiguous(
            *(assertable if self.credentials else ()),
            *(("identity at", *since_marks) if self.revision else ("identity",)),
            self.name,
            str(self.incarnation),
            "disabled" if self.disabled else "enabled",
            (self.client_hash or b"").hex(),
            self.client_since.astimezone(UTC).isoformat() if self.client_since else "",
            (self.totp or b"").hex(),
            *sorted(self.groups),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The revision that counts of each identity, in the order of their names, attested together."""

    revision: int
    names: tuple[str, ...]
    revisions: tuple[int, ...]
    attestation: str

    def facts(self) -> bytes:
        """All of it as unambiguous bytes for ``Sealer.attest``."""
        return unambiguous("marks", str(self.revision), *self.names, *map(str, self.revisions))

    def verify(self, sealer: Sealer) -> None:
        """See that these are the marks that Holdfast made together.

        Raises:
            IntegrityFailure: some were edited, removed or put back.
            KeyUnavailable: the ring lacks the key of their attestation.
        """
        if self.revision or self.attestation or any(self.revisions):  # else nothing changed since there are marks
            sealer.verify(self.facts(), self.attestation)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySnapshot:
    """Identities at one moment. ``tokens``: those neither revoked nor expired, as their rows say.

    ``epoch`` grows with every change of an identity, its groups or its credentials.
    """

    epoch: int
    marks: Marks
    standings: Sequence[Standing]
    tokens: Sequence[StoredToken]

    def verify_marks(self, sealer: Sealer) -> None:
        """See that the marks are those that Holdfast made together, and none from before one of the identities.

        Raises:
            IntegrityFailure: they are not.
            KeyUnavailable: the ring lacks the key of their attestation.
        """
        self.marks.verify(sealer)
        if any(standing.revision > self.marks.revision for standing in self.standings):
            raise IntegrityFailure("The marks are from before some of the identities; earlier ones were put back.")


class IdentityStore(Protocol):
    """Identities and their groups. Changes raise ``IntegrityFailure`` for one that was edited behind our back."""

    async def snapshot(self, name: str | None = None) -> IdentitySnapshot:
        """What nodes have to know of all identities, or of one, as of one moment."""

    async def list(self, *, after: str | None = None, limit: int | None = None) -> list[IdentityRecord]:
        """Every identity by name, or up to ``limit`` of those after a name."""

    async def add(self, name: str, kind: IdentityKind, created_by: str, record: AuditRecord) -> None:
        """Insert an identity.

        Raises:
            Conflict: the name is taken, or differs from a taken one by the case of letters only.
        """

    async def set_disabled(self, name: str, record: AuditRecord, *, disabled: bool) -> bool:
        """Disable or enable an identity; False if there is none."""

    async def remove(self, name: str, record: AuditRecord) -> tuple[bool, int]:
        """Remove an identity with its credentials, its places in groups and the rules for it.

        Returns whether there was one, and the epoch of the rules.
        """

    async def set_groups(self, name: str, groups: frozenset[str], set_by: str, approve: ApproveJoining) -> bool:
        """Make an identity a member of exactly these groups; False if there is no such identity.

        ``approve`` sees all credentials of the identity; no other is made meanwhile, nor is any rule.
        """

    async def establish(
        self, token: TokenRecord, token_hash: bytes, rule: StoredRule, record: AuditRecord
    ) -> int | None:
        """Insert the very first identity with a token and a rule for it; returns the epoch of the rules.

        None, and nothing done, if there is an identity already.
        """

    async def reset(self, token: TokenRecord, token_hash: bytes, rule: StoredRule, record: AuditRecord) -> int:
        """Put an identity anew in the place of the one of its name, with this token as its only credential and this
        rule next to those it had; returns the epoch of the rules. The marks of all identities are attested as they are.
        """


class TokenStore(Protocol):
    """API tokens, kept as hashes only."""

    async def add(self, token: TokenRecord, token_hash: bytes, record: AuditRecord) -> None:
        """Insert a token.

        Raises:
            IdentityNotFound: there is no such identity.
            Conflict: it is disabled.
        """

    async def get(self, token_id: UUID) -> TokenRecord | None:
        """Return a token by its id."""

    async def list(self, identity: str | None) -> Sequence[TokenRecord]:
        """The tokens of one identity, or all, newest first; ended ones for as long as they are kept."""

    async def page(
        self, identity: str | None, after: tuple[datetime, UUID] | None, limit: int
    ) -> Sequence[TokenRecord]:
        """Up to ``limit`` of the same, oldest first, those after a creation and id."""

    async def renew(self, token_id: UUID, expires_at: datetime, record: AuditRecord) -> TokenRecord | None:
        """Move the end of a good token, at most to its very end; None if it is no longer good.

        Raises:
            IntegrityFailure: it was edited behind our back.
        """

    async def revoke(self, token_id: UUID, record: AuditRecord) -> bool:
        """Revoke a token; False if it was revoked before."""

    async def touch(self, used: Mapping[UUID, datetime]) -> None:
        """Note when tokens were last used."""


class TotpOutcome(enum.StrEnum):
    """How an attempt with a code ended."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    NOT_ENROLLED = "not enrolled"
    THROTTLED = "throttled"


class TotpStore(Protocol):
    """Second factors. Changes raise ``IntegrityFailure`` for an identity that was edited behind our back."""

    async def enrol(self, name: str, seal: Callable[[UUID], bytes], record: AuditRecord) -> None:
        """Keep a secret, sealed for this life of the identity, that has yet to be confirmed.

        Raises:
            IdentityNotFound: there is no such identity.
            Conflict: it has a confirmed one.
        """

    async def attempt(
        self, name: str, match: Callable[[UUID, bytes], int | None], *, confirm: bool
    ) -> tuple[TotpOutcome, float]:
        """Try a code: ``match`` returns its counter, which is accepted if it is later than all before.

        ``confirm``: for a secret that is not confirmed yet, and confirms it. Returns the outcome and, if throttled, the
        seconds to wait. One attempt at a time for each identity, on all nodes together.
        """

    async def age(self, name: str) -> timedelta | None:
        """How long ago a second factor was confirmed; None if there is none."""

    async def remove(self, name: str, record: AuditRecord) -> bool:
        """Forget a second factor; False if there was none."""


class ClientStore(Protocol):
    """Client secrets, kept as hashes only: one at most for each identity, under its name."""

    async def add(self, client_id: str, secret_hash: bytes, created_by: str, record: AuditRecord) -> None:
        """Insert a client, and the identity of that name if there is none.

        Raises:
            Conflict: the id is taken.
        """

    async def remove(self, client_id: str, record: AuditRecord) -> bool:
        """Remove a client; False if there was none. The identity stays."""

    async def list(self) -> Sequence[ClientRecord]:
        """Every client, by id."""
