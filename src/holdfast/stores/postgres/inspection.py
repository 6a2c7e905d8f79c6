"""What a PostgreSQL and the schema in it say of themselves, each fact by a query of its own."""

import re
import socket
import ssl
from datetime import datetime
from importlib import resources
from typing import Any, Final

import asyncpg

from holdfast.errors import StartupError
from holdfast.ports.inspection import AuditFacts, KeyFacts, SchemaFacts, ServerFacts
from holdfast.stores.postgres.database import Database
from holdfast.stores.postgres.migrations import ALIVE_WITHIN, migrations
from holdfast.stores.postgres.queries import load

_TABLE: Final = re.compile(r"^CREATE TABLE (\w+)", re.MULTILINE)


class PostgresInspector:
    """Looks at a connected database. Nothing is written."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = load("inspection")

    async def server(self) -> ServerFacts:
        """Return the facts about the server; a role that may not see a slot knows of none."""
        row = await self._row("server")
        try:
            slots = {each["slot_name"]: each[1] or 0 for each in await self._rows("slots")}
        except asyncpg.InsufficientPrivilegeError:
            slots = {}
        return ServerFacts(**row, slots=slots)

    async def schema(self) -> SchemaFacts:
        """Return how far the schema is, and what the role may do in it."""
        known = {each.version: each for each in migrations()}
        newest = max(known)
        if not await self._value("is_made"):
            return SchemaFacts(version=0, newest=newest)
        applied = {row["version"]: row["checksum"] for row in await self._rows("migrations")}
        changed = [number for number, sum_ in applied.items() if number in known and known[number].checksum != sum_]
        return SchemaFacts(
            version=max(applied, default=0),
            newest=newest,
            foreign_checksum=min(changed, default=None),
            denied=[row["name"] for row in await self._rows("denied", _tables())],
            swollen=[row["relname"] for row in await self._rows("swollen", _tables())],
        )

    async def keys(self) -> list[KeyFacts]:
        """Return what the database knows of each key that is in use, the sealing one first."""
        return [KeyFacts(**row) for row in await self._rows("keys")]

    async def stale_nodes(self) -> list[tuple[str, datetime]]:
        """Return the nodes that went without a goodbye within the last hour, and when they were last heard of."""
        return [(row["name"], row["seen_at"]) for row in await self._rows("stale_nodes", ALIVE_WITHIN)]

    async def audit(self) -> AuditFacts:
        """Return how the audit trail stands."""
        streams = await self._rows("streams")
        return AuditFacts(
            **await self._row("outbox"),
            **await self._row("unsigned"),
            checkpoint_at=await self._value("checkpoint"),
            streams=len(streams),
            failing={row["name"]: row["last_error"] or "no reason is known" for row in streams if row["failing"]},
        )

    async def certificate(self) -> bytes | None:
        """Return the server's certificate in DER; None where the connection is not encrypted."""
        async with self._database.connection() as connection:
            # asyncpg offers no other way to it; without these members nothing is known of it.
            transport = getattr(getattr(connection, "_con", None), "_transport", None)
            tls = transport.get_extra_info("ssl_object") if transport is not None else None
            certificate: bytes | None = tls.getpeercert(binary_form=True) if tls is not None else None
        return certificate

    async def _rows(self, name: str, *arguments: object) -> list[Any]:
        async with self._database.connection() as connection:
            return list(await connection.fetch(self._sql[name], *arguments))

    async def _row(self, name: str) -> dict[str, Any]:
        (row,) = await self._rows(name)
        return dict(row)

    async def _value(self, name: str) -> Any:
        (row,) = await self._rows(name)
        return row[0]


def _tables() -> list[str]:
    """The tables of the schema, by its own file."""
    text = resources.files(__package__).joinpath("sql", "schema.sql").read_text()
    return sorted({"holdfast_migrations", *_TABLE.findall(text)})


_REACHED_FIX: Final = "Check user, password and database in DATABASE_URL, and the server's pg_hba.conf."
_UNREACHED: Final[dict[type[BaseException], tuple[str, str]]] = {
    asyncpg.InvalidPasswordError: ("PostgreSQL refuses the password of DATABASE_URL.", _REACHED_FIX),
    asyncpg.InvalidAuthorizationSpecificationError: ("PostgreSQL refuses the user of DATABASE_URL.", _REACHED_FIX),
    asyncpg.InvalidCatalogNameError: (
        "PostgreSQL has no database of the name in DATABASE_URL.",
        "Make it (CREATE DATABASE … OWNER …), or correct the name at the end of DATABASE_URL.",
    ),
    asyncpg.TooManyConnectionsError: (
        "PostgreSQL takes no more connections.",
        "Raise max_connections, or find who has them all: SELECT * FROM pg_stat_activity.",
    ),
    asyncpg.CannotConnectNowError: (
        "PostgreSQL starts up, shuts down or recovers at this moment.",
        "Wait; its log says how far it is.",
    ),
    ssl.SSLCertVerificationError: (
        "PostgreSQL's certificate is not trusted.",
        "Name the CA that issued it with sslrootcert=… in DATABASE_URL, and the host as the certificate has it.",
    ),
    ssl.SSLError: ("TLS with PostgreSQL fails.", "Check sslmode and the certificates named in DATABASE_URL."),
    socket.gaierror: ("The host in DATABASE_URL is not known to DNS.", "Check its name, and this machine's DNS."),
    TimeoutError: (
        "PostgreSQL does not answer: the time is over.",
        "Check the host in DATABASE_URL, and whether a firewall drops packets; or the server hangs.",
    ),
    OSError: (
        "PostgreSQL refuses the connection: nothing listens there.",
        "Check host and port in DATABASE_URL, that the server runs, and its listen_addresses.",
    ),
}


def why_unreachable(error: StartupError) -> tuple[str, str]:
    """Return what kept ``Database.open`` from connecting, and the mend. No part of the address is repeated."""
    cause = error.__cause__
    known = next((_UNREACHED[kind] for kind in type(cause).__mro__ if kind in _UNREACHED), None)
    return known or (str(error), _REACHED_FIX)
