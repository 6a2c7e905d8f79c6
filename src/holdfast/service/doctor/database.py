"""Judging PostgreSQL: what makes an acknowledged change durable, and what stops a node."""

from collections.abc import Iterator, Sequence
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import SchemaFacts, ServerFacts

POOL: Final = 15
"""Connections that a process opens at most (all lanes of its pools together)."""

WRAPAROUND: Final = 1_000_000_000
"""Transactions. PostgreSQL stops taking changes near 2.1 thousand million (manual, 25.1.5)."""

SLOT_BYTES: Final = 5 << 30
_CHECK: Final = "postgresql"
_LOSES: Final = "After a crash of the machine, changes may be gone that Holdfast has acknowledged (promise I2)."


def server_findings(server: ServerFacts, nodes: int, *, by_token: bool = False) -> list[Finding]:
    """Judge the server. ``nodes``: processes that serve from it. ``by_token``: no password is used to log in there."""
    found = [*_durability(server), *_connections(server, nodes), *_upkeep(server), *_access(server)]
    size = f"{server.database_bytes / 2**20:.0f} MiB"
    how = " to a token of Microsoft Entra ID" * by_token
    return [ok(_CHECK, f"PostgreSQL {server.version} answers{how}; the database takes {size}."), *found]


def host_findings(writable: Sequence[str]) -> list[Finding]:
    """Judge which hosts of ``DATABASE_URL`` take changes: one does, the others are its standbys."""
    if len(writable) < 2:
        return []
    return [
        failure(
            _CHECK,
            f"{len(writable)} hosts of DATABASE_URL take changes: {', '.join(writable)}.",
            why="They are different databases by now: what one node changes in one, nodes on the other never see.",
            fix="Stop the one that is not the primary, and let the HA layer fence it before it promotes another.",
        )
    ]


def _durability(server: ServerFacts) -> Iterator[Finding]:
    if not server.fsync:
        yield failure(_CHECK, "fsync is off.", why=_LOSES, fix="ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();")
    if not server.full_page_writes:
        yield failure(
            _CHECK,
            "full_page_writes is off.",
            why="A page torn by a power cut is damaged beyond repair, unless the file system writes pages whole.",
            fix="ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
        )
    if server.synchronous_commit == "off":
        yield failure(
            _CHECK,
            "synchronous_commit is off for this role or server.",
            why=_LOSES,
            fix="ALTER ROLE … RESET synchronous_commit; or ALTER SYSTEM SET synchronous_commit = on, and reload.",
        )
    if not server.data_checksums:
        yield warning(
            _CHECK,
            "Data checksums are off.",
            why="Damage on disk is noticed only where it hits a sealed value or the audit chain.",
            fix="With the server stopped: pg_checksums --enable.",
        )


def _connections(server: ServerFacts, nodes: int) -> Iterator[Finding]:
    usable, needed = server.max_connections - server.reserved_connections, max(1, nodes) * POOL
    if needed > usable:
        yield warning(
            _CHECK,
            f"{nodes} node process(es) may open {needed} connections, and PostgreSQL has {usable}.",
            why="Under load the last ones are refused, and their requests answered with backend_unavailable.",
            fix=f"Raise max_connections to {needed + server.reserved_connections + 10} or more, or run fewer workers.",
        )
    elif server.connections >= 0.9 * usable:
        yield warning(
            _CHECK,
            f"{server.connections} of {usable} connections are in use.",
            why="When none is left, nodes can neither read nor change anything.",
            fix="SELECT usename, application_name, count(*) FROM pg_stat_activity GROUP BY 1, 2 tells who has them.",
        )


def _upkeep(server: ServerFacts) -> Iterator[Finding]:
    if not (server.autovacuum and server.track_counts):
        yield warning(
            _CHECK,
            "autovacuum is off.",
            why="Tables grow without end, purged bytes stay on disk, and in the end PostgreSQL refuses changes.",
            fix="ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();",
        )
    if server.oldest_transaction_age > WRAPAROUND:
        yield failure(
            _CHECK,
            f"The oldest transaction is {server.oldest_transaction_age:,} transactions old.",
            why="At about 2,100,000,000 PostgreSQL takes no more changes.",
            fix="Find what holds vacuum back (old transactions, prepared ones, slots), then VACUUM FREEZE.",
        )
    for slot, behind in server.slots.items():
        if behind > SLOT_BYTES:
            yield warning(
                _CHECK,
                f"The replication slot {slot} holds back {behind / 2**30:.1f} GiB of WAL.",
                why="The disk fills up until PostgreSQL stops.",
                fix="Bring its replica back, or drop it (pg_drop_replication_slot); set max_slot_wal_keep_size.",
            )


def _access(server: ServerFacts) -> Iterator[Finding]:
    if server.in_recovery or server.read_only:
        yield failure(
            _CHECK,
            "This PostgreSQL is a read-only replica, or its role's transactions are read-only.",
            why="Nothing can be changed, and no audit record be written, through it.",
            fix="Let DATABASE_URL name the primary, or all its hosts; see default_transaction_read_only.",
        )
    if not server.over_socket and server.tls is None:
        yield warning(
            _CHECK,
            "The connection is not encrypted.",
            why="Values pass sealed, but names, identities and the audit trail are readable on the way.",
            fix="Add sslmode=verify-full and sslrootcert=… to DATABASE_URL, and switch ssl on in PostgreSQL.",
        )
    if server.superuser and not server.over_socket:
        yield warning(
            _CHECK,
            "Holdfast's role is a superuser.",
            why="Whoever gets hold of DATABASE_URL has the whole server.",
            fix="CREATE ROLE holdfast LOGIN PASSWORD …; CREATE DATABASE … OWNER holdfast; then use that role.",
        )


def schema_findings(schema: SchemaFacts, *, may_create: bool) -> list[Finding]:
    """Judge the schema and the role's rights in it."""
    found = [_version(schema, may_create=may_create)]
    if schema.foreign_checksum is not None:
        found.append(
            failure(
                "schema",
                f"Migration {schema.foreign_checksum} differs from the one that this database was made with.",
                why="This release was modified, or that one was: a node refuses to start.",
                fix="Install the release that made the database, or a newer one.",
            )
        )
    if schema.denied:
        tables = ", ".join(schema.denied)
        found.append(
            failure(
                "schema",
                f"The role lacks rights on {tables}.",
                why="A node needs to select, insert, update and delete there.",
                fix=f"As the owner: GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO the role of DATABASE_URL;",
            )
        )
    if schema.swollen:
        found.append(
            warning(
                "schema",
                f"More dead rows than live ones in {', '.join(schema.swollen)}.",
                why="Reads slow down, and what was purged is still on disk.",
                fix="VACUUM those tables, and see why autovacuum does not keep up.",
            )
        )
    return found


def _version(schema: SchemaFacts, *, may_create: bool) -> Finding:
    if schema.version > schema.newest:
        return failure(
            "schema",
            f"The database has schema {schema.version}, and this release knows {schema.newest}.",
            why="A newer Holdfast migrated it, and this one refuses to start on it.",
            fix="Run that release or newer here; docs/troubleshooting.md, 'Migrated by a newer Holdfast'.",
        )
    if schema.version == schema.newest:
        return ok("schema", f"Schema {schema.version}, which is this release's.")
    pending = f"schema {schema.version} is to become {schema.newest}" if schema.version else "no schema yet"
    if may_create:
        return ok("schema", f"There is {pending}; the next start sees to it.")
    return failure(
        "schema",
        f"There is {pending}, and the role may not create tables.",
        why="A node migrates at its start, and cannot.",
        fix="Let one node start with a role that may (GRANT CREATE ON SCHEMA …), then go on with this one.",
    )
