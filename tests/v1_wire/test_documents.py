"""Documents say everything and show nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from holdfast.domain.assertions import ClientCredential, CredentialKind
from holdfast.domain.attributes import VaultFacts, dated
from holdfast.domain.audit import AuditRecord
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Grant, Permission
from holdfast.domain.rotation import Laggard
from holdfast.domain.secret import (
    Attributes,
    DeletedSecret,
    RotationPolicy,
    Secret,
    SecretSettings,
    SecretSummary,
    SecretValue,
    SecretVersion,
    Source,
    State,
    WriteResult,
)
from holdfast.errors import InvalidInput
from holdfast.ports import BackendHealth, ClientRecord, CredentialRecord, KeptOut
from holdfast.resilience.supervision import FailingWork
from holdfast.service.installation.reports import ExpiringSecret, HealthReport
from holdfast.service.vault.mirroring import SyncReport
from holdfast.v1_wire.access import AuditDocument, ClientDocument, GrantDocument
from holdfast.v1_wire.client_credentials import CredentialDocument
from holdfast.v1_wire.documents import Document, read
from holdfast.v1_wire.identities import AddIdentity
from holdfast.v1_wire.node import ExpiringDocument, HealthDocument, SyncDocument
from holdfast.v1_wire.secrets import (
    BatchGet,
    DeletedDocument,
    SecretDocument,
    SetSecret,
    SummaryDocument,
    UpdateSecret,
    VersionDocument,
    WrittenDocument,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
texts = st.text(max_size=20)
moments = st.timedeltas(timedelta(0), timedelta(days=2_900_000)).map(lambda after: EPOCH + after)
numbers = st.integers(1, 2**63 - 1)
ids = st.uuids().map(lambda each: each.hex)
attributes = st.builds(
    Attributes,
    enabled=st.booleans(),
    not_before=st.none() | moments,
    expires_at=st.none() | moments,
    content_type=st.none() | texts,
    tags=st.dictionaries(texts, texts, max_size=3),
)
beyond = st.integers(-(10**30), -62_135_596_801) | st.integers(253_402_300_800, 10**30)
facts = st.builds(
    VaultFacts,
    managed=st.none() | st.booleans(),
    kid=st.none() | texts,
    recovery_level=st.none() | texts,
    recoverable_days=st.none() | st.integers(0, 90),
)
attributes = attributes | st.builds(
    lambda plain, vault, nbf, exp: dated(structs.replace(plain, vault=vault), nbf=nbf, exp=exp),
    attributes,
    facts,
    st.none() | beyond,
    st.none() | beyond,
)
versions = st.builds(
    SecretVersion,
    name=st.just(SecretName("a-name")),
    version=numbers,
    version_id=ids,
    attributes=attributes,
    created_at=moments,
    updated_at=moments,
    created_by=st.none() | texts,
    vault_version_id=st.none() | ids,
    current=st.booleans(),
)
policies = st.builds(
    RotationPolicy,
    enabled=st.booleans(),
    interval_days=st.integers(1, 3650),
    notify_days_before=st.integers(0, 3650),
    auto_rotate=st.booleans(),
)
summaries = st.builds(
    SecretSummary,
    name=st.just(SecretName("a-name")),
    display_name=st.just("A-Name"),
    state=st.sampled_from(State),
    current=versions,
    settings=st.builds(
        SecretSettings,
        description=st.none() | texts,
        notify_on_expiry=st.lists(texts, max_size=2).map(tuple),
        rotation_policy=st.none() | policies,
        refuse_outside_validity=st.none() | st.booleans(),
    ),
)


D = TypeVar("D", bound=Document)


def sent(document: D) -> D:
    """The document after a journey as JSON."""
    return msgspec.json.decode(msgspec.json.encode(document), type=type(document))


@given(version=versions)
def test_a_version_arrives_as_it_was(version: SecretVersion) -> None:
    assert sent(VersionDocument.of_version(version)).secret_version() == version


@given(summary=summaries)
def test_a_listing_entry_arrives_as_it_was(summary: SecretSummary) -> None:
    assert sent(SummaryDocument.of_summary(summary)).summary() == summary


@given(
    secret=st.builds(
        Secret,
        name=st.just(SecretName("a-name")),
        display_name=st.just("A-Name"),
        version=numbers,
        version_id=ids,
        secret_value=st.text().map(SecretValue),
        attributes=attributes,
        created_at=moments,
        updated_at=moments,
        source=st.sampled_from(Source),
        as_of=moments,
        stale=st.booleans(),
        expired=st.booleans(),
        not_yet_valid=st.booleans(),
        description=st.none() | texts,
    )
)
def test_a_secret_arrives_as_it_was(secret: Secret) -> None:
    document = SecretDocument.of_secret(secret)
    arrived = sent(document).secret()
    assert arrived.value == secret.value
    for name in set(Secret.__struct_fields__) - {"secret_value"}:
        assert getattr(arrived, name) == getattr(secret, name)


@given(
    deleted=st.builds(
        DeletedSecret,
        name=st.just(SecretName("a-name")),
        display_name=st.just("A-Name"),
        deleted_at=moments,
        scheduled_purge_at=moments,
        current=versions,
        replicated=st.booleans(),
    )
)
def test_a_deleted_secret_arrives_as_it_was(deleted: DeletedSecret) -> None:
    assert sent(DeletedDocument.of_deleted(deleted)).deleted() == deleted


def test_a_credential_of_a_kind_of_a_later_release_is_listed_all_the_same() -> None:
    credential = ClientCredential(id=uuid4(), name="prod", kind=CredentialKind.FEDERATED, issuer="https://a.example")
    record = CredentialRecord(credential=credential, created_at=datetime.now(UTC), created_by="root")
    raw = msgspec.json.encode(CredentialDocument.of_credential(credential, record))
    later = msgspec.json.decode(raw.replace(b'"federated"', b'"later"'), type=CredentialDocument)
    assert later.credential() == replace(credential, kind=CredentialKind.UNKNOWN)


def test_answers_and_reports_arrive_as_they_were() -> None:
    now = datetime.now(UTC)
    written = WriteResult(
        name=SecretName("a"), version=1, version_id="0" * 32, replicated=False, created_at=now, dropped=("expires_at",)
    )
    assert sent(WrittenDocument.of(written)).result() == written
    grant = Grant(
        user_id="u", pattern="a-*", permissions=frozenset(Permission), granted_by="g", expires_at=now, rule="grant:1"
    )
    assert sent(GrantDocument.of_grant(grant)).grant() == grant
    record = AuditRecord(name="a", user_id="u", operation="get", success=True, timestamp=now, rule="grant 7")
    assert sent(AuditDocument.of(record)).to(AuditRecord) == record
    client = ClientRecord(client_id="c", created_at=now, created_by="u")
    assert sent(ClientDocument.of(client)).to(ClientRecord) == client
    expiring = ExpiringSecret(secret_name=SecretName("a"), expires_at=now, days_until_expiry=-1, version=2)
    assert sent(ExpiringDocument.of(expiring)).to(ExpiringSecret) == expiring
    report = SyncReport(seen=3, adopted=1, seconds=0.5)
    assert sent(SyncDocument.of(report)).to(SyncReport) == report
    backend = BackendHealth(name="keyvault", configured=True, healthy=False, breakers={"read": "open"})
    health = HealthReport(
        healthy=False,
        total_secrets=1,
        expiring_soon=2,
        expired=3,
        without_rotation_policy=4,
        deleted=5,
        drifting=6,
        beyond_dates=1,
        last_rotation_check=now,
        overdue_rotations=9,
        failing_rotations=10,
        late_consumers=2,
        laggards=[
            Laggard(
                secret_name=SecretName("a"), user_id="u", version=1, current_version=2, last_seen=now, retire_by=None
            )
        ],
        last_sync=now,
        mirror_fault="never",
        kept_out=1,
        kept_out_names=[
            KeptOut(name="a", reason="name_refused", detail="403", since=now, attempts=2, next_attempt_at=now)
        ],
        open_intents=7,
        parked_intents=8,
        oldest_intent_at=now - timedelta(days=1),
        waiting_notices=9,
        dead_notices=10,
        encryption_key="0123456789abcdef",
        backends=[backend],
        failing_work=[FailingWork(work="mirroring", since=now, failures=2, reason="KeyError")],
        recommendations=["x"],
    )
    assert sent(HealthDocument.of(health)).to(HealthReport) == health


def test_i13_no_document_shows_itself() -> None:
    for shown in (SetSecret(value="marked"), SetSecret(value="", description="marked")):
        assert "marked" not in f"{shown!r}{shown}"


def test_options_are_what_was_given() -> None:
    body = read(UpdateSecret, {"tags": None, "rotation_policy": {"interval_days": 7}})
    assert body.options() == {"tags": None, "rotation_policy": RotationPolicy(interval_days=7)}
    assert read(SetSecret, {"value": "x", "enabled": False}).options()["enabled"] is False


MARK = "marked-by-the-client"
junk: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.just(MARK),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.just(MARK) | st.sampled_from(["name", "items"]), inner)
    ),
    max_leaves=8,
)


@given(
    members=st.dictionaries(st.sampled_from([*SetSecret.__struct_fields__, "items", MARK]), junk),
    kind=st.sampled_from([SetSecret, UpdateSecret, BatchGet]),
)
def test_i13_a_refusal_repeats_nothing_of_what_was_sent(members: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    refusal = _refusal(kind, members)
    if refusal is not None:
        assert MARK not in f"{refusal}{refusal.field}"
        assert refusal.__cause__ is None
        assert refusal.__suppress_context__


def _refusal(kind: type[msgspec.Struct], members: dict[str, Any]) -> InvalidInput | None:
    try:
        read(kind, members)
    except InvalidInput as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({}, "value", "value is missing."),
        ({"value": 1}, "value", "value is not valid: expected str, got int."),
        ({"value": "x", "enabled": 1}, "enabled", "enabled is not valid: expected bool, got int."),
        ({"value": "x", "description": "x" * 1001}, "description", "expected str of length <= 1000"),
        ({"value": "x", "expires_at": "2030-01-01T00:00:00"}, "expires_at", "with a timezone component"),
        ({"value": "x", "expires_at": MARK}, "expires_at", "expires_at is not valid."),
        ({"value": "x", "zzz": 1}, None, "The request has a member that is not known here. Known are: value, "),
    ],
)
def test_a_refusal_names_field_and_limit(given: dict[str, Any], field: str | None, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(SetSecret, given)
    assert caught.value.field == field
    assert text in str(caught.value)


@pytest.mark.parametrize("name", ["admin ", "\u00e9", "x\ny", ""])
def test_a_refusal_names_the_pattern_that_does_not_fit(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"name is not valid: expected str (matching regex|of length)") as caught:
        read(AddIdentity, {"name": name})
    assert not name or name not in str(caught.value)
