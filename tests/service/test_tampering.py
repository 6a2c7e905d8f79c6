"""I8: rows that were edited behind the service's back are an error and never data, and spoil nothing else."""

from collections.abc import Awaitable
from pathlib import Path

import pytest

from holdfast.errors import HoldfastError, IntegrityFailure, KeyUnavailable, SecretDisabled
from holdfast.service.manager import SecretsService
from tests.support.node import opened, rows
from tests.support.postgres import execute

COPY = "encrypted_value = o.encrypted_value, iv = o.iv, auth_tag = o.auth_tag, wrapped_key = o.wrapped_key"
FLIP = "encode(set_byte(decode({0}, 'base64'), 0, 255 - get_byte(decode({0}, 'base64'), 0)), 'base64')"
CUT = "encode(substring(decode({0}, 'base64') FROM 1 FOR 8), 'base64')"
SEAL = ("encrypted_value", "iv", "auth_tag", "wrapped_key")


async def two_secrets(service: SecretsService) -> None:
    await service.set_secret("victim", "old")
    await service.set_secret("victim", "of the victim", tags={"a": "1"}, refuse_outside_validity=True)
    await service.set_secret("other", "of the other", tags={"a": "1"})


HEAD_EDITS = [
    *(f"UPDATE secrets_vault SET {column} = {FLIP.format(column)}" for column in SEAL),
    *(f"UPDATE secrets_vault SET {column} = {CUT.format(column)}" for column in SEAL),
    *(f"UPDATE secrets_vault SET {column} = NULL" for column in (*SEAL, "key_id")),
    *(f"UPDATE secrets_vault SET {column} = ''" for column in (*SEAL, "key_id")),
    *(f"UPDATE secrets_vault SET {column} = 'ä no base64'" for column in SEAL),
    "UPDATE secrets_vault SET encrypted_value = NULL, iv = NULL, auth_tag = NULL, key_id = NULL, wrapped_key = NULL",
    "UPDATE secrets_vault SET key_id = '0123456789abcdef'",
    "UPDATE secrets_vault SET expires_at = now() + interval '1 year'",
    "UPDATE secrets_vault SET expires_at = 'infinity'",
    "UPDATE secrets_vault SET not_before = now() - interval '1 year'",
    "UPDATE secrets_vault SET not_before = '-infinity'",
    "UPDATE secrets_vault SET content_type = 'text/html'",
    "UPDATE secrets_vault SET enabled = false",
    "UPDATE secrets_vault SET state = 'deleted', deleted_at = now(), scheduled_purge_at = now()",
    "UPDATE secrets_vault SET version = 1",
    "UPDATE secrets_vault SET version = 7",
    "UPDATE secrets_vault SET version_id = repeat('0', 32)",
    "UPDATE secrets_vault SET incarnation = gen_random_uuid()",
    "UPDATE secrets_vault SET display_name = 'other'",
    "UPDATE secrets_vault SET attestation = ''",
    "UPDATE secrets_vault SET attestation = o.attestation FROM secrets_vault o WHERE o.secret_name = 'other' AND",
    *(f"UPDATE secrets_vault SET tags = '{text}'" for text in ('{"a": "2"}', "{}", "[]", "7", '{"a": 1}', "null")),
    *(f"UPDATE secrets_vault SET metadata = '{text}'" for text in ("{}", "[]", "7", '{"refuse_outside_validity": 1}')),
    """UPDATE secrets_vault SET metadata = '{"rotation_policy": {"unknown": 1}, "refuse_outside_validity": true}'""",
    f"UPDATE secrets_vault SET {COPY}, key_id = o.key_id FROM secrets_vault o WHERE o.secret_name = 'other' AND",
    f"UPDATE secrets_vault SET {COPY} FROM secret_versions o WHERE o.version = 1 AND",
]


SAVE = "CREATE TABLE saved AS SELECT * FROM secrets_vault", "CREATE TABLE saved_versions AS TABLE secret_versions"
RESTORE = (
    "DELETE FROM secrets_vault",
    "INSERT INTO secrets_vault OVERRIDING SYSTEM VALUE SELECT * FROM saved",
    "INSERT INTO secret_versions SELECT * FROM saved_versions",
)


async def test_i8_an_edited_head_is_never_served(service: SecretsService, database_url: str) -> None:
    await two_secrets(service)
    await execute(database_url, *SAVE)
    for edit in HEAD_EDITS:
        whose = "secrets_vault." if edit.endswith(" AND") else "WHERE "
        history = ["DELETE FROM secret_versions"] if "incarnation" in edit else []
        await execute(database_url, *history, f"{edit} {whose}secret_name = 'victim'")
        await service.invalidate_cache()
        outcomes = {
            "get": await refusal(service.get_secret("victim")),
            "get_version": await refusal(service.get_secret_version("victim", 2)),
            "backup": await refusal(service.backup_secret("victim")),
        }
        assert set(outcomes.values()) <= {IntegrityFailure, KeyUnavailable}, (edit, outcomes)
        assert (await service.get_secret("other")).value == "of the other"
        await execute(database_url, *RESTORE)
        assert (await service.get_secret("victim")).value == "of the victim"


async def refusal(call: Awaitable[object]) -> object:
    """The type of the error that a call ends with, or what it returns."""
    try:
        return await call
    except HoldfastError as error:
        return type(error)


VERSION_EDITS = [
    *(f"{column} = {FLIP.format(column)}" for column in SEAL),
    "enabled = NOT enabled",
    "tags = '[]'",
    "version_id = repeat('0', 32)",
    "key_id = NULL",
    "encrypted_value = NULL, iv = NULL, auth_tag = NULL, key_id = NULL, wrapped_key = NULL",
    f"{COPY} FROM secrets_vault o WHERE o.secret_name = 'victim' AND",
]


async def test_i8_an_edited_earlier_version_is_never_served(service: SecretsService, database_url: str) -> None:
    await two_secrets(service)
    await execute(database_url, *SAVE)
    for edit in VERSION_EDITS:
        whose = "" if edit.endswith(" AND") else "WHERE "
        await execute(database_url, f"UPDATE secret_versions SET {edit} {whose}secret_versions.version = 1")
        outcomes = {
            "get_version": await refusal(service.get_secret_version("victim", 1)),
            "rollback": await refusal(service.rollback_secret("victim", 1)),
            "backup": await refusal(service.backup_secret("victim")),
        }
        assert set(outcomes.values()) <= {IntegrityFailure, KeyUnavailable}, (edit, outcomes)
        assert (await service.get_secret("victim")).value == "of the victim"
        await execute(database_url, *RESTORE)


async def test_i8_a_head_that_was_rolled_back_is_refused_and_not_written_over(
    service: SecretsService, database_url: str
) -> None:
    await service.set_secret("victim", "old")
    await execute(database_url, "CREATE TABLE saved AS SELECT * FROM secrets_vault")
    await service.set_secret("victim", "new")
    columns = ("version", "version_id", *SEAL, "key_id", "attestation", "created_at", "updated_at")
    row = ", ".join(f"{column} = s.{column}" for column in columns)
    await execute(database_url, f"UPDATE secrets_vault v SET {row} FROM saved s")
    await service.invalidate_cache()
    for ask in (
        lambda: service.get_secret("victim"),
        lambda: service.get_secret_version("victim", 1),
        lambda: service.set_secret("victim", "overwritten"),
        lambda: service.update_secret("victim", enabled=False),
        lambda: service.delete_secret("victim"),
    ):
        with pytest.raises(IntegrityFailure):
            await ask()


async def test_i8_a_tampered_secret_is_not_changed_by_any_write(service: SecretsService, database_url: str) -> None:
    await two_secrets(service)
    await execute(database_url, "UPDATE secrets_vault SET version_id = repeat('0', 32) WHERE secret_name = 'victim'")
    before = await rows(database_url, "SELECT * FROM secrets_vault WHERE secret_name = 'victim'")
    for ask in (
        lambda: service.set_secret("victim", "v"),
        lambda: service.update_secret("victim", enabled=False),
        lambda: service.rollback_secret("victim", 1),
        lambda: service.delete_secret("victim"),
    ):
        with pytest.raises(IntegrityFailure):
            await ask()
    assert await rows(database_url, "SELECT * FROM secrets_vault WHERE secret_name = 'victim'") == before


async def test_i8_a_listing_names_the_row_that_cannot_be_read(service: SecretsService, database_url: str) -> None:
    await two_secrets(service)
    await execute(database_url, "UPDATE secrets_vault SET tags = '[]', metadata = '7' WHERE secret_name = 'victim'")
    with pytest.raises(IntegrityFailure, match="victim"):
        await service.list_secrets()
    assert (await service.get_secret("other")).value == "of the other"


async def test_i8_a_disabled_version_cannot_be_enabled_in_the_database(
    service: SecretsService, database_url: str
) -> None:
    await service.set_secret("victim", "v", enabled=False)
    with pytest.raises(SecretDisabled):
        await service.get_secret("victim")
    await execute(database_url, "UPDATE secrets_vault SET enabled = true")
    with pytest.raises(IntegrityFailure):
        await service.get_secret("victim")


async def test_i8_a_deleted_secret_cannot_be_revived_in_the_database(
    service: SecretsService, database_url: str
) -> None:
    await service.set_secret("victim", "v")
    await service.delete_secret("victim")
    await execute(
        database_url, "UPDATE secrets_vault SET state = 'active', deleted_at = NULL, scheduled_purge_at = NULL"
    )
    with pytest.raises(IntegrityFailure):
        await service.get_secret("victim")


async def test_i8_what_this_node_knows_already_is_served_while_the_rows_are_not_credible(
    database_url: str, tmp_path: Path
) -> None:
    async with opened(database_url, tmp_path) as inside:
        await inside.service.set_secret("victim", "known")
        await inside.service.get_secret("victim")
        await execute(database_url, "UPDATE secrets_vault SET attestation = ''")
        assert (await inside.service.get_secret("victim")).value == "known"
