"""Every column that holds what was sealed or attested under a key of the ring, and how a row is put under another.

What is only attested is verified under the old key first: a row that was edited behind our back is not blessed. To add
a column: a line here, its two statements in ``renewals.sql``, its line in ``sealed_under`` of ``keys.sql``, and the
trigger that refuses retired keys. A test compares all four with the schema.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias
from uuid import UUID

from holdfast.errors import IntegrityFailure
from holdfast.ports import Sealer, codes_facts, request_facts, vote_facts
from holdfast.ports.places import (
    AUDIT_KEY,
    CANDIDATE,
    PROPOSAL,
    REQUEST,
    TOTP,
    as_text,
    candidate_place,
    from_text,
    proposal_place,
    request_place,
    totp_place,
)
from holdfast.stores.postgres.break_glass import codes_of, request_of, vote_of
from holdfast.stores.postgres.clock_acceptance import acceptance_of
from holdfast.stores.postgres.grants import rule_of
from holdfast.stores.postgres.rows import head_of
from holdfast.stores.postgres.standing import marks_of, standing_of
from holdfast.stores.postgres.tokens import stored_token_of

Row: TypeAlias = Mapping[str, Any]
Renew: TypeAlias = Callable[[Row, Sealer], tuple[Any, ...]]
"""What is stored in place of a row's seal. Raises ``IntegrityFailure`` for a row that is not genuine."""

_NO_UUID: Final = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """How the rows of a place are put under another key.

    ``columns``: what is renewed together, as ``table.column``; the first names the statements. ``keys``: the columns
    that name a row. ``start``: what is below every row's.
    """

    columns: tuple[str, ...]
    renew: Renew
    keys: tuple[str, ...] = ("id",)
    start: tuple[Any, ...] = (0,)

    @property
    def statement(self) -> str:
        """The name of the statement that finds rows; ``put_`` before it stores one."""
        return self.columns[0].replace(".", "_")


def _data_key(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    key_id, wrapped = sealer.rewrap(row["key_id"], b64decode(row["wrapped_key"] or "", validate=True))
    return key_id, b64encode(wrapped).decode()


def _attested(facts_of: Callable[[Row], bytes]) -> Renew:
    def renew(row: Row, sealer: Sealer) -> tuple[Any, ...]:
        facts = facts_of(row)
        sealer.verify(facts, row["attestation"])
        return (sealer.attest(facts),)

    return renew


def _identity(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    standing, sealed = standing_of(row), row["totp_secret"]
    sealer.verify(standing.facts(), standing.attestation)
    fresh = _resealed(sealer, TOTP, totp_place(standing.name, standing.incarnation), sealed) if sealed else None
    renewed = replace(standing, totp=fresh if standing.totp is not None else None)
    return sealer.attest(renewed.facts()), fresh


def _audit_key(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    return (_resealed(sealer, AUDIT_KEY, row["public_key"], row["sealed_key"]),)


def _candidate(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    place = candidate_place(row["id"], row["incarnation"], row["secret_name"], row["from_version"])
    return (_resealed(sealer, CANDIDATE, place, row["candidate"]),)


def _proposal(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    return (_resealed(sealer, PROPOSAL, proposal_place(row["intent"], row["secret_name"]), row["change"]),)


def _request(row: Row, sealer: Sealer) -> tuple[Any, ...]:
    sealed, place = from_text(row["fingerprint"]), request_place(row["user_id"], row["idempotency_key"])
    if sealed is None:
        raise IntegrityFailure("The fingerprint of a request is none")
    return (as_text(_resealed(sealer, REQUEST, place, sealed)),)


def _resealed(sealer: Sealer, purpose: str, context: bytes, blob: bytes) -> bytes:
    return sealer.seal_bytes(purpose, context, sealer.open_bytes(purpose, context, blob))


RENEWALS: Final = (
    # Versions first: what becomes one meanwhile comes from the current ones, and is found there if it is late.
    Renewal(
        columns=("secret_versions.wrapped_key",),
        keys=("incarnation", "version"),
        start=(_NO_UUID, 0),
        renew=_data_key,
    ),
    Renewal(columns=("secrets_vault.wrapped_key",), renew=_data_key),
    Renewal(columns=("secrets_vault.attestation",), renew=_attested(lambda row: head_of(row).facts())),
    Renewal(columns=("secret_access_control.attestation",), renew=_attested(lambda row: rule_of(row).facts())),
    Renewal(columns=("role_assignments.attestation",), renew=_attested(lambda row: rule_of(row).facts())),
    Renewal(
        columns=("break_glass_requests.attestation",),
        renew=_attested(lambda row: request_facts(request_of(row, ()))),
    ),
    Renewal(
        columns=("break_glass_votes.attestation",),
        keys=("request_id", "voter"),
        start=(0, ""),
        renew=_attested(lambda row: vote_facts(vote_of(row))),
    ),
    Renewal(columns=("break_glass_grants.attestation",), renew=_attested(lambda row: rule_of(row).facts())),
    Renewal(columns=("break_glass_codes.attestation",), renew=_attested(lambda row: codes_facts(codes_of(row)))),
    Renewal(columns=("identities.attestation", "identities.totp_secret"), renew=_identity),
    Renewal(
        columns=("identity_epoch.attestation",),
        keys=("single",),
        start=(False,),
        renew=_attested(lambda row: marks_of(row).facts()),
    ),
    Renewal(
        columns=("api_tokens.attestation",),
        renew=_attested(lambda row: stored_token_of(row).facts()),
        start=(_NO_UUID,),
    ),
    Renewal(columns=("clock_acceptance.attestation",), renew=_attested(lambda row: acceptance_of(row).facts())),
    Renewal(columns=("audit_keys.sealed_key",), keys=("key_id",), start=("",), renew=_audit_key),
    Renewal(columns=("rotation_runs.candidate",), renew=_candidate, start=(_NO_UUID,)),
    Renewal(columns=("secret_proposals.change",), keys=("intent",), renew=_proposal, start=(_NO_UUID,)),
    Renewal(
        columns=("idempotency_records.fingerprint",),
        keys=("user_id", "idempotency_key"),
        start=("", ""),
        renew=_request,
    ),
)
