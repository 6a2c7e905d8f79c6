"""Clients' credentials at the commit point: who may register them, what is on record, and rows that do not count."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from holdfast.domain.assertions import MAX_CREDENTIALS, ClientCredential, CredentialKind
from holdfast.domain.policy import AccessContext
from holdfast.errors import AccessDenied, Conflict, IntegrityFailure, InvalidInput, Unauthenticated
from holdfast.ports import AssertionUse
from holdfast.service.manager import SecretsService
from tests.service.test_put_back import looked, shown
from tests.support.certificates import make_client_certificate, public_pem, self_signed
from tests.support.node import opened, rows
from tests.support.postgres import execute

TERMS: Final[dict[str, Any]] = {
    "name": "prod",
    "issuer": "https://k8s.example",
    "subject": "system:serviceaccount:shop:api",
    "audience": "holdfast",
}


async def lets_in(service: SecretsService) -> bool:
    try:
        await service.authenticate_asserted("app", shown)
    except Unauthenticated:
        return False
    return True


async def test_a_credential_is_kept_listed_and_removed_on_record(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        service = inside.service
        made = await service.client_credentials.federate("app", **TERMS)
        assert await service.client_credentials.list("app") == [made]
        assert {name: getattr(made.credential, name) for name in TERMS} == TERMS
        assert await lets_in(service)
        assert service.client_registration("app") is None
        assert await service.client_credentials.remove("app", "prod")
        assert not await service.client_credentials.remove("app", "prod")
        assert not await lets_in(service)
        details = {each.operation: each.detail for each in (await service.audit.search(limit=200)).records}
    assert details["client.withdraw"] == "credential=prod identity=app"
    assert details["client.federate"] == (
        "credential=prod identity=app; issuer=https://k8s.example subject=system:serviceaccount:shop:api "
        "audience=holdfast"
    )


async def test_it_counts_on_every_node_and_ends_on_every_node(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path / "1") as here, opened(database_url, tmp_path / "2") as there:
        await here.service.client_credentials.federate("app", **TERMS)
        await looked(there, database_url)
        assert await lets_in(there.service)
        await there.service.client_credentials.remove("app", "prod")
        await looked(here, database_url)
        assert not await lets_in(here.service)


async def test_a_name_is_taken_once_and_there_are_twenty_at_most(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        credentials = inside.service.client_credentials
        for number in range(MAX_CREDENTIALS):
            await credentials.federate("app", **{**TERMS, "name": f"n{number}"})
        with pytest.raises(Conflict, match="the most"):
            await credentials.federate("app", **TERMS)
        await credentials.remove("app", "n0")
        await credentials.federate("app", **TERMS)
        with pytest.raises(Conflict, match="in other letters"):
            await credentials.federate("APP", **TERMS)
        await credentials.remove("app", "n1")
        with pytest.raises(Conflict, match="already"):
            await credentials.federate("app", **TERMS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "a b"),
        ("name", "A"),
        ("name", "a" * 64),
        ("name", None),
        ("issuer", "http://a.example"),
        ("issuer", "https://"),
        ("issuer", "https://u@a.example"),
        ("issuer", "https://a.example/#x"),
        ("issuer", "https://a .example"),
        ("issuer", "https://[a"),
        ("subject", ""),
        ("subject", " a"),
        ("subject", "a\n"),
        ("subject", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"),
        ("subject", "a" * 601),
        ("audience", ""),
        ("audience", 1),
    ],
)
async def test_bad_terms_are_refused_by_name(database_url: str, tmp_path: Path, field: str, value: object) -> None:
    async with opened(database_url, tmp_path) as inside:
        with pytest.raises(InvalidInput) as refused:
            await inside.service.client_credentials.federate("app", **{**TERMS, field: value})
        assert refused.value.field == field


async def test_no_one_registers_for_an_identity_that_holds_more_than_they_do(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        service = inside.service
        await service.grant_access("*", "clerk", ["grant"])
        await service.grant_access("db", "app", ["get"])
        clerk = AccessContext(user_id="clerk")
        with pytest.raises(AccessDenied):
            await service.client_credentials.federate("app", **TERMS, context=clerk)
        await service.client_credentials.federate("idle", **TERMS, context=clerk)
        with pytest.raises(Conflict, match="federated credential prod of idle made by clerk"):
            await service.grant_access("db", "idle", ["get"])


EDITS = {
    "subject": "UPDATE client_credentials SET subject = 'evil'",
    "unknown kind": (
        "ALTER TABLE client_credentials DROP CONSTRAINT client_credentials_kind_check; "
        "UPDATE client_credentials SET kind = 'other'"
    ),
    "audience": "UPDATE client_credentials SET audience = 'api://AzureADTokenExchange'",
    "issuer": "UPDATE client_credentials SET issuer = 'https://evil.example'",
    "kind": "UPDATE client_credentials SET kind = 'certificate', certificate = 'x'",
    "client": "UPDATE client_credentials SET client_id = 'boss'",
    "added": "INSERT INTO client_credentials (id, client_id, name, kind, issuer, subject, audience, created_by) "
    "SELECT gen_random_uuid(), 'boss', name, kind, issuer, subject, audience, created_by FROM client_credentials",
    "removed": "DELETE FROM client_credentials",
}


@pytest.mark.parametrize("edit", EDITS)
async def test_i8_an_identity_whose_credentials_were_edited_lets_no_one_in(
    database_url: str, tmp_path: Path, edit: str
) -> None:
    async with opened(database_url, tmp_path) as inside:
        service = inside.service
        await service.identities.add("boss")
        await service.client_credentials.federate("app", **TERMS)
        await execute(database_url, EDITS[edit], "UPDATE identity_epoch SET epoch = epoch + 1")
        await looked(inside, database_url)
        victim = "boss" if edit in {"client", "added"} else "app"
        assert service.credentials_of(victim) == ()
        assert service.is_disabled(victim)
        if edit != "client":  # which takes from one and gives to the other
            assert not service.is_disabled("boss" if victim == "app" else "app"), "the others are as they were"
        with pytest.raises(IntegrityFailure):
            await service.client_credentials.federate(victim, **{**TERMS, "name": "more"})


async def test_a_credential_of_an_unknown_kind_is_listed_as_such(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        credentials = inside.service.client_credentials
        await credentials.federate("app", **TERMS)
        await execute(database_url, EDITS["unknown kind"])
        assert [(each.credential.name, each.credential.kind) for each in await credentials.list("app")] == [
            ("prod", CredentialKind.UNKNOWN)
        ]
        await execute(database_url, "UPDATE client_credentials SET kind = 'unknown'")
        await execute(database_url, "UPDATE identity_epoch SET epoch = epoch + 1")
        await looked(inside, database_url)
        assert inside.service.is_disabled("app"), "a row by hand is no credential"
        await inside.service.identities.remove("app")
        assert await credentials.list("app") == []


async def test_what_identities_without_credentials_attest_is_what_it_was(database_url: str, tmp_path: Path) -> None:
    """So that nodes of the release before go on letting them in."""
    async with opened(database_url, tmp_path) as inside:
        await inside.service.add_client("app")
        standing = inside.parts.directory.find("app")
        assert standing is not None
        assert standing.facts()[4:15] == b"identity at"


async def choose_none(_: Sequence[ClientCredential]) -> ClientCredential:
    raise Unauthenticated("no")


async def test_a_refused_attempt_is_on_record(database_url: str, tmp_path: Path) -> None:
    async with opened(database_url, tmp_path) as inside:
        for name in ("app", "\n"):
            with pytest.raises(Unauthenticated):
                await inside.service.authenticate_asserted(name, choose_none, ip_address="10.0.0.1")
    found = await rows(database_url, "SELECT user_id, success, ip_address FROM secret_access_logs")
    assert found[-2:] == [("app", False, "10.0.0.1"), ("anonymous", False, "10.0.0.1")]


async def test_a_certificate_is_kept_with_its_end_and_without_its_key(database_url: str, tmp_path: Path) -> None:
    pem, both = public_pem(), make_client_certificate(tmp_path).read_text()
    async with opened(database_url, tmp_path) as inside:
        credentials = inside.service.client_credentials
        made = await credentials.certify("app", name="own", certificate=f"some text\n{pem}")
        assert made.credential.certificate == pem
        assert made.thumbprint is not None
        assert made.expires_at is not None
        assert await credentials.list("app") == [made]
        assert await lets_in(inside.service)
        (record,) = (await inside.service.audit.search(operation="client.certify")).records
        assert record.detail == f"credential=own identity=app; thumbprint={made.thumbprint}"
        for wrong, why in (
            (both, "private key"),
            (pem + pem, "exactly one"),
            ("", "exactly one"),
            (pem[:200], "exactly one"),
            ("a" * 20_000, "at most"),
            (self_signed(bits=1024)[1].public_bytes(Encoding.PEM).decode(), "2048"),
            (self_signed(days=-1)[1].public_bytes(Encoding.PEM).decode(), "expired"),
        ):
            with pytest.raises(InvalidInput, match=why) as refused:
                await credentials.certify("app", name="more", certificate=wrong)
            assert refused.value.field == "certificate"
            assert "BEGIN" not in str(refused.value)


async def test_what_was_shown_is_known_on_every_node_until_it_ends(database_url: str, tmp_path: Path) -> None:
    use = AssertionUse(
        client_id="app",
        id_hash=bytes(32),
        hash=bytes(32),
        source="10.0.0.1",
        ends_at=datetime.now(UTC) + timedelta(minutes=10),
    )
    async with opened(database_url, tmp_path / "1") as here, opened(database_url, tmp_path / "2") as there:
        assert await here.service.use_assertion(use)
        assert await there.service.use_assertion(use)
        assert not await there.service.use_assertion(replace(use, source="10.0.0.2"))
        assert not await here.service.use_assertion(replace(use, hash=bytes([1] * 32)))
        assert await there.service.use_assertion(replace(use, client_id="other", source="10.0.0.2"))
        await here.parts.audit.archive.forget(timedelta(0))
        assert await rows(database_url, "SELECT count(*) FROM used_assertions") == [(2,)]
        await execute(database_url, "UPDATE used_assertions SET ends_at = now() - interval '1 minute'")
        await here.parts.audit.archive.forget(timedelta(0))
        assert await rows(database_url, "SELECT count(*) FROM used_assertions") == [(0,)]
