import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.domain.attributes import VaultFacts, dated
from holdfast.domain.names import SecretName
from holdfast.domain.secret import Attributes, DeletedSecret, Secret, SecretValue, SecretVersion, Source
from holdfast.keyvault_wire import responses as wire
from tests.support.vectors import vectors

VECTORS = vectors("keyvault/bundles.json")
VAULT = wire.Vault("https://v1.vault.example:8200")
NAME, VERSION_ID = SecretName("db-pass"), "0a1b2c3d4e5f60718293a4b5c6d7e8f9"
CREATED = datetime.fromtimestamp(1760000000.9, UTC)
UPDATED = datetime.fromtimestamp(1760000001.2, UTC)
FULL = Attributes(
    enabled=False,
    not_before=datetime.fromtimestamp(1750000000, UTC),
    expires_at=datetime.fromtimestamp(1893456000, UTC),
    content_type="text/plain",
    tags={"team": "core"},
)


def secret(attributes: Attributes, value: str) -> Secret:
    return Secret(
        name=NAME,
        display_name="Db-Pass",
        version=1,
        version_id=VERSION_ID,
        secret_value=SecretValue(value),
        attributes=attributes,
        created_at=CREATED,
        updated_at=UPDATED,
        source=Source.CACHE,
        as_of=CREATED,
    )


def version(attributes: Attributes) -> SecretVersion:
    return SecretVersion(
        name=NAME,
        display_name="Db-Pass",
        version=1,
        version_id=VERSION_ID,
        attributes=attributes,
        created_at=CREATED,
        updated_at=UPDATED,
    )


def deleted() -> DeletedSecret:
    at = datetime.fromtimestamp(1760000500.7, UTC)
    return DeletedSecret(
        name=NAME,
        display_name="Db-Pass",
        deleted_at=at,
        scheduled_purge_at=at + timedelta(days=90),
        current=version(FULL),
    )


def exactly(body: bytes, expected: Any) -> None:
    assert json.dumps(json.loads(body)) == json.dumps(expected)  # the order of members as well


def test_a_secret_with_everything() -> None:
    exactly(wire.secret_bundle(VAULT, secret(FULL, "s3cr3t")), VECTORS["full"])


def test_what_is_not_set_is_left_out() -> None:
    exactly(wire.secret_bundle(VAULT, secret(Attributes(), "")), VECTORS["bare"])


def test_what_key_vault_alone_says_is_passed_on_with_dates_of_any_size() -> None:
    said = VaultFacts(
        managed=True,
        kid=f"https://v1.vault.example:8200/keys/Db-Pass/{VERSION_ID}",
        recovery_level="CustomizedRecoverable",
        recoverable_days=7,
    )
    attributes = Attributes(content_type="application/x-pkcs12", tags={}, empty_tags=True, vault=said)
    carried = dated(attributes, nbf=-62135596800, exp=253402303861)
    exactly(wire.secret_bundle(VAULT, secret(carried, "pfx")), VECTORS["carried"])
    (item,) = json.loads(wire.version_page(VAULT, [version(carried)], None))["value"]
    assert item == {member: fact for member, fact in VECTORS["carried"].items() if member != "value"}


def test_a_version_has_no_value() -> None:
    expected = {key: value for key, value in VECTORS["full"].items() if key != "value"}
    exactly(wire.version_bundle(VAULT, version(FULL)), expected)


def test_a_deleted_secret() -> None:
    exactly(wire.deleted_bundle(VAULT, deleted()), VECTORS["deleted"])


def test_a_listed_deleted_secret_has_the_id_of_a_live_one_without_version() -> None:
    expected = {**VECTORS["deleted"], "id": "https://v1.vault.example:8200/secrets/Db-Pass"}
    exactly(wire.deleted_page(VAULT, [deleted()], None), {"value": [expected], "nextLink": None})


def test_an_empty_page_is_an_array_with_an_explicit_end() -> None:
    assert wire.secret_page(VAULT, [], None) == b'{"value":[],"nextLink":null}'


@pytest.mark.parametrize(
    ("days", "protected", "level"),
    [
        (90, False, "Recoverable+Purgeable"),
        (90, True, "Recoverable"),
        (7, False, "CustomizedRecoverable+Purgeable"),
        (89, True, "CustomizedRecoverable"),
    ],
)
def test_the_recovery_level_tells_retention_and_protection(days: int, protected: bool, level: str) -> None:
    vault = wire.Vault("https://v", days, protected)
    shown = json.loads(wire.version_bundle(vault, version(Attributes())))["attributes"]
    assert (shown["recoveryLevel"], shown["recoverableDays"]) == (level, days)


def test_errors_name_an_inner_code_only_when_there_is_one() -> None:
    assert json.loads(wire.error_body("A", "b")) == {"error": {"code": "A", "message": "b"}}
    assert json.loads(wire.error_body("A", "b", "C"))["error"]["innererror"] == {"code": "C"}


def test_a_backup_is_base64url_without_padding() -> None:
    assert wire.backup_result(b"\xfb\xff") == b'{"value":"-_8"}'
