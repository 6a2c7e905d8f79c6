"""Every column that holds what a key sealed or attested is known to all who have to know it."""

import re

from holdfast.stores.postgres.queries import load
from holdfast.stores.postgres.renewals import RENEWALS
from tests.support.node import rows

NOT_SEALED = {
    "encryption_keys.known_answer": "derived from the key, and goes with its row",
    "audit_keys.public_key": "public",
    "api_tokens.token_hash": "SHA-256 of 256 random bits",
    "clients.secret_hash": "SHA-256 of 256 random bits",
    "used_assertions.hash": "SHA-256 of what 2048 bits of key signed",
    "used_assertions.id_hash": "SHA-256 of an id that is no secret",
    "secret_access_logs.hash": "SHA-256 of a record",
    "retired_keys.key_id": "the id alone",
    "encryption_keys.key_id": "the id alone",
    "audit_keys.key_id": "the id of the signing key",
}
SUSPICIOUS = """
SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name !~ '^secret_access_logs_'
  AND (data_type = 'bytea' OR column_name ~ 'attestation|key_id|wrapped|sealed_|candidate|fingerprint|secret$')
"""


def renewed() -> set[str]:
    return {column for renewal in RENEWALS for column in renewal.columns}


async def test_i16_no_sealed_column_of_the_schema_is_forgotten(database_url: str) -> None:
    """A new column fails here until it is renewed, or said not to need it."""
    found = {str(name) for (name,) in await rows(database_url, SUSPICIOUS)}
    unknown = {name.replace("key_id", "wrapped_key") if name in KEYED else name for name in found - NOT_SEALED.keys()}
    assert unknown == renewed()


KEYED = {"secrets_vault.key_id", "secret_versions.key_id"}
"""They say which key wrapped ``wrapped_key``, and go with it."""


def test_i16_what_is_renewed_is_counted_before_a_key_is_retired() -> None:
    counted = re.findall(r"SELECT '(\w+\.\w+)'", load("keys")["sealed_under"])
    assert set(counted) == renewed()
    assert len(counted) == len(renewed())


async def test_i16_what_is_renewed_refuses_retired_keys(database_url: str) -> None:
    guarded = await rows(
        database_url,
        "SELECT tgrelid::regclass || '.' || encode(tgargs, 'escape') FROM pg_trigger "
        "WHERE tgfoid = 'refuse_retired_key'::regproc",
    )
    columns = {str(name).removesuffix("\\000") for (name,) in guarded}
    assert {name.replace("key_id", "wrapped_key") for name in columns} == renewed()


def test_each_renewal_has_its_statements() -> None:
    sql = load("renewals")
    assert set(sql) == {kind + renewal.statement for renewal in RENEWALS for kind in ("", "put_")}
