"""The commit point of a node: database, schema, and the key that seals."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Final
from uuid import UUID, uuid5

from holdfast.bootstrap.datafolder import check_data_folder
from holdfast.bootstrap.passwordless import database_password
from holdfast.config import Settings
from holdfast.config.libpq import for_node
from holdfast.crypto.keyring import KeyRing
from holdfast.crypto.known_answer import check_known_answers, known_answer
from holdfast.embedded.folder import DataFolder
from holdfast.embedded.keeper import Keeper
from holdfast.embedded.postgres import EmbeddedPostgres
from holdfast.errors import ConfigurationError, StartupError
from holdfast.resilience.supervision import Supervisor
from holdfast.resilience.tasks import stopped
from holdfast.stores.postgres.audit import PostgresAuditSink
from holdfast.stores.postgres.database import Database, Installation, installation_of
from holdfast.stores.postgres.keys import PostgresKeyRegistry
from holdfast.stores.postgres.migrations import check_schema, check_takes_changes, is_begun, migrate

_NOTHING_HERE: Final = (
    "no installation here ({place}), and no HOLDFAST_ADDR: name a server there or log in to one with `holdfast login`; "
    "`holdfast init` makes an installation, and so does any command with --create"
)
_TENANTS: Final = UUID("4bf2a7a0-5d0c-4b57-9a57-0f3c1b0c7b11")
"""The namespace of first tenant ids: a random constant."""


def is_installed(settings: Settings) -> bool:
    """Whether there is an installation on this machine, as far as its disk tells: one in a server is found there."""
    try:
        return settings.database_url is not None or DataFolder(settings.data_dir).cluster.exists()
    except OSError:  # what a start says about it is better
        return True


def require_installation(settings: Settings) -> None:
    """See that there is an installation on this machine.

    Raises:
        ConfigurationError: there is none.
        StartupError: others may change what is in the data folder.
    """
    check_data_folder(settings.data_dir)
    if not is_installed(settings):
        raise ConfigurationError([_NOTHING_HERE.format(place=settings.data_dir)])


async def open_database(
    stack: AsyncExitStack, settings: Settings, pool: Any, ring: KeyRing, *, making: bool = True
) -> Database:
    """Connect, check the ring against what is stored, then bring the schema up to date; in this order, so that a wrong
    key writes nothing. ``making``: also where there is none yet.

    Raises:
        ConfigurationError: there is no schema, and none is to be made.
        StartupError: no database, or not one for this ring or this release.
    """
    database = await connected(stack, settings, pool)
    with database.starting():
        if not making and not await is_begun(database):
            raise ConfigurationError([_NOTHING_HERE.format(place="the database of DATABASE_URL")])
        await _prepare(database, ring)
    return database


async def connected(stack: AsyncExitStack, settings: Settings, pool: Any = None) -> Database:
    """Connect to the database of the settings, whatever is in it.

    Raises:
        StartupError: there is none, or one that is too old.
    """
    dsn = settings.database_url
    if dsn is None and pool is None:
        return await _embedded(stack, settings)
    password = database_password(stack, settings)
    address = None if dsn is None else _for_driver(dsn, verified=password is not None)
    database = Database(address, pool=pool, password=password)
    stack.push_async_callback(database.close)
    await database.open()
    return database


def _for_driver(url: str, *, verified: bool) -> str:
    try:
        return for_node(url, verified=verified)
    except ValueError as error:
        raise StartupError(f"DATABASE_URL {error}") from None


async def _embedded(stack: AsyncExitStack, settings: Settings) -> Database:
    """Connect to a PostgreSQL of our own, which is started again whenever it ends."""
    server = EmbeddedPostgres(settings.data_dir)
    database = Database(await server.start())
    stack.push_async_callback(server.stop)
    keeper = Keeper(server)
    database.keeper = keeper
    keeping = asyncio.create_task(Supervisor().run("embedded PostgreSQL", keeper.run), name="embedded PostgreSQL")
    stack.push_async_callback(stopped, keeping)
    stack.push_async_callback(database.close)
    await database.open()
    return database


async def _prepare(database: Database, ring: KeyRing) -> None:
    registry = PostgresKeyRegistry(database)
    check_known_answers(ring, await registry.known_answers())
    await check_takes_changes(database)
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
