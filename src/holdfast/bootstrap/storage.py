"""The commit point of a node: key ring, database, schema."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from holdfast.config import Settings
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.known_answer import check_known_answers, known_answer
from holdfast.embedded.keyfile import FILE_NAME, load_or_make_key
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import BackendUnavailable, ConfigurationError, StartupError
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.database import Database, Installation, installation_of
from holdfast.stores.postgres.keys import PostgresKeyRegistry
from holdfast.stores.postgres.migrations import check_schema, migrate

_TENANTS: Final = UUID("4bf2a7a0-5d0c-4b57-9a57-0f3c1b0c7b11")
"""The namespace of first tenant ids: a random constant."""


def key_ring(settings: Settings, *, own_database: bool) -> KeyRing:
    """Return the ring of the settings; an installation with a database of its own makes a key if it was given none.

    Raises:
        ConfigurationError: a key is needed and missing.
        StartupError: the key file is unusable.
    """
    if settings.encryption_key is not None:
        primary = settings.encryption_key
    elif own_database:
        primary = load_or_make_key(settings.data_dir)
    else:
        raise ConfigurationError(
            ["FALLBACK_ENCRYPTION_KEY is missing: with a database of your own, give 32 random bytes in base64"]
        )
    return KeyRing.from_settings(primary, settings.decryption_keys)


def present_ring(settings: Settings) -> KeyRing:
    """Return the ring of the settings or of the data folder; no key is ever made.

    Raises:
        ConfigurationError: there is no key.
        StartupError: the key file is unusable.
    """
    path = settings.data_dir / FILE_NAME
    if settings.encryption_key is None and (settings.database_url is not None or not path.exists()):
        raise ConfigurationError(
            [f"FALLBACK_ENCRYPTION_KEY is missing, and there is no {path}: give the key that the backup was made with"]
        )
    return key_ring(settings, own_database=settings.database_url is None)


def key_file(settings: Settings) -> Path | None:
    """Where an installation keeps the key it made for itself; None when the settings give one."""
    return settings.data_dir / FILE_NAME if settings.encryption_key is None else None


async def open_database(stack: AsyncExitStack, settings: Settings, pool: Any, ring: KeyRing) -> Database:
    """Connect, check the ring against what is stored, then bring the schema up to date; in this order, so that a wrong
    key writes nothing.

    Raises:
        StartupError: no database, or not one for this ring or this release.
    """
    database = await connected(stack, settings, pool)
    try:
        await _prepare(database, ring)
    except BackendUnavailable as error:
        raise StartupError(f"{error} (PostgreSQL was reached, and then refused what a start needs.)") from error
    return database


async def connected(stack: AsyncExitStack, settings: Settings, pool: Any = None) -> Database:
    """Connect to the database of the settings, whatever is in it.

    Raises:
        StartupError: there is none, or one that is too old.
    """
    dsn = settings.database_url
    if dsn is None and pool is None:
        embedded = EmbeddedPostgres(settings.data_dir)
        dsn = await embedded.start()
        stack.push_async_callback(embedded.stop)
    database = Database(dsn, pool=pool)
    await database.open()
    stack.push_async_callback(database.close)
    return database


async def _prepare(database: Database, ring: KeyRing) -> None:
    registry = PostgresKeyRegistry(database)
    check_known_answers(ring, await registry.known_answers())
    await migrate(database)
    await check_schema(database)
    await PostgresAuditSink(database).make_room()
    ring.seal_with(await registry.settle(ring.sealing, known_answer(ring, ring.sealing)))


async def open_installation(database: Database, ring: KeyRing) -> Installation:
    """Return the installation in a migrated database.

    Its tenant is chosen once, from the ring's last key (the oldest, where new keys are put in front): that is the
    tenant of all nodes since before it was stored, and clients still name it after a change of keys.
    """
    return await installation_of(database, first_tenant=uuid5(_TENANTS, ring.ids[-1]))
