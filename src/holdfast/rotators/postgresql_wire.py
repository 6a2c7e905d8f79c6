"""Connections to the PostgreSQL whose roles are rotated: as its administrator, and as a role that is tried.

Passwords are sent as SCRAM-SHA-256 verifiers, so that none stands in a statement, a log or ``pg_stat_activity``. Each
change is one transaction at the server, which remembers the highest fence it has seen in the comment of the role and
refuses anyone who comes late.
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from holdfast.config.libpq import each_host, for_driver
from holdfast.errors import InvalidInput, RotationFailed
from holdfast.rotators.urls import hosts_of

PORT: Final = 5432
_TIMEOUT_S: Final = 10.0
_ITERATIONS: Final = 4096
"""Of PBKDF2; what PostgreSQL itself uses (``scram_iterations``). The passwords have 190 random bits."""

_FENCE: Final = re.compile(r"\s*\[holdfast fence (\d+)\]")

_AFTER_PASSWORD: Final = frozenset({"42501", "53300", "55000", "3D000"})
"""No right to connect, a limit of the role or the database, a database that takes no one, or that is not there."""

_BEHIND_AUTHENTICATION: Final = frozenset({"postinit.c", "miscinit.c"})
"""Where PostgreSQL looks at these once the password was right. It is full in ``proc.c``, before any password, with the
same code 53300 (``InitPostgres`` in postinit.c has the order)."""

_NO_WAY: Final = "28000"

_FACTS: Final = """
SELECT r.rolcanlogin AS may_log_in, coalesce(r.rolvaliduntil <= now(), false) AS expired,
       coalesce(has_database_privilege(r.oid, d.oid, 'CONNECT'), true) AS may_connect
FROM pg_roles r LEFT JOIN pg_database d ON d.datname = $2 WHERE r.rolname = $1
"""

_DRIVERS_FAULTS: Final = (OSError, TimeoutError, ValueError, asyncpg.InterfaceError, asyncpg.InternalClientError)


@dataclass(frozen=True, slots=True, repr=False)
class Server:
    """A server with its administrator. ``url``: as it was given, ``dsn``: as the driver takes it."""

    url: str
    dsn: str
    patience_s: float

    async def log_in(self, role: str, password: str, database: str | None) -> None:
        """Log in as a role, and out again.

        Raises:
            RotationFailed: the password does not log in, or could not be tried.
        """
        refusal = await self.refusal(role, password, database)
        if refusal is not None:
            raise RotationFailed(refusal.text)

    async def refusal(self, role: str, password: str, database: str | None) -> "Refusal | None":
        """Try a password, without a database in the administrator's. None: it is right.

        What PostgreSQL refuses only after the password was right is none: the right to connect to the database, the
        limits of role and database.

        Raises:
            RotationFailed: it could not be tried.
        """
        instead = {"database": database} if database is not None else {}
        try:
            connection = await self._connect(user=role, password=password, **instead)
        except asyncpg.PostgresError as error:
            no_way = error.sqlstate == _NO_WAY
            return None if proves_password(error) else Refusal(_told(role, error), before_password=no_way)
        await connection.close(timeout=_TIMEOUT_S)
        return None

    @asynccontextmanager
    async def changing(self, role: str) -> AsyncIterator["Change"]:
        """One transaction that changes a role; no one else changes it meanwhile."""
        async with self._session() as connection, connection.transaction():
            change = Change(connection, role)
            await change.begin()
            yield change

    async def look(self, role: str, password: str, database: str | None) -> None:
        """See that a role can be given a password and then log in, and change nothing: what is tried is undone.

        Raises:
            RotationFailed: it cannot; the text says why.
        """
        async with self._session() as connection:
            trial = connection.transaction()
            await trial.start()
            try:
                _check(role, database, await connection.fetchrow(_FACTS, role, database))
                change = Change(connection, role)
                await change.begin()
                await change.password(password)
            finally:
                await trial.rollback()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[Any]:
        try:
            connection = await self._connect()
        except asyncpg.PostgresError as refusal:
            raise RotationFailed(_told("the administrator", refusal)) from None
        try:
            yield connection
        except asyncpg.PostgresError as refusal:
            raise RotationFailed(f"PostgreSQL did not do it ({_reason(refusal)}).") from None
        finally:
            await connection.close(timeout=_TIMEOUT_S)

    async def _connect(self, **instead: str) -> Any:
        try:
            return await self._open(await self._primary(), **instead)
        except _DRIVERS_FAULTS as error:
            raise RotationFailed(f"PostgreSQL cannot be reached ({type(error).__name__}).") from None

    async def _open(self, dsn: str, **instead: str) -> Any:
        """Connect. No statement is kept under a name, which a pooler would not know again."""
        patience = {"timeout": self.patience_s, "command_timeout": _TIMEOUT_S}
        return await asyncpg.connect(dsn, statement_cache_size=0, **patience, **instead)

    async def _primary(self) -> str:
        """Of several hosts, the one that takes changes: a standby may not know of the last one yet."""
        hosts = each_host(self.dsn)
        if len(hosts) == 1:
            return self.dsn
        fault: Exception = RotationFailed("None of the hosts of the administrator's URL takes changes.")
        for _, dsn in hosts:
            try:
                connection = await self._open(dsn)
            except (asyncpg.PostgresError, *_DRIVERS_FAULTS) as error:
                fault = error
                continue
            try:
                if not await connection.fetchval("SELECT pg_is_in_recovery()"):
                    return dsn
            finally:
                await connection.close(timeout=_TIMEOUT_S)
        raise fault


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a role was not let in. ``before_password``: whatever its password is, as pg_hba.conf has it."""

    text: str
    before_password: bool


class Change:
    """Changes one role, in a transaction that no older holder comes through."""

    def __init__(self, connection: Any, role: str) -> None:
        self._connection, self._role = connection, role
        self._oid = 0

    async def begin(self) -> None:
        """Keep others from changing the role."""
        await self._connection.execute("SET LOCAL standard_conforming_strings = on")
        oid = await self._connection.fetchval("SELECT oid FROM pg_roles WHERE rolname = $1", self._role)
        if oid is None:
            raise absent(self._role)
        self._oid = int(oid)
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", self._oid)

    async def fence(self, fence: int) -> None:
        """Refuse anyone who comes later with a lower fence; raises RotationFailed if that is us."""
        comment = await self._connection.fetchval("SELECT shobj_description($1, 'pg_authid')", self._oid) or ""
        seen = _FENCE.search(comment)
        if seen is not None and int(seen[1]) > fence:
            raise RotationFailed(f"A later rotation of the role {self._role!r} has begun: this one comes too late.")
        text = f"{_FENCE.sub('', comment)} [holdfast fence {fence}]".strip().replace("'", "''")
        await self._connection.execute(f"COMMENT ON ROLE {_quoted(self._role)} IS '{text}'")

    async def password(self, password: str | None) -> None:
        """Give the role a password, or none; all else of it stays."""
        verifier = "NULL" if password is None else f"'{scram_verifier(password)}'"
        await self._connection.execute(f"ALTER ROLE {_quoted(self._role)} PASSWORD {verifier}")


def server_of(url: str, name: str) -> Server:
    """Read the URL of an administrator, which stands in the secret ``name``.

    Raises:
        InvalidInput: it is none.
    """
    try:
        dsn, patience = for_driver(url)
        hosts_of(url, PORT)
    except ValueError as error:
        raise InvalidInput(f"The secret {name!r} that 'admin_secret' names {error}") from None
    return Server(url, dsn, min(patience or _TIMEOUT_S, _TIMEOUT_S))


def absent(role: str) -> RotationFailed:
    """The refusal of a role that is not there."""
    return RotationFailed(f"There is no role {role!r} at the server; make it first.")


def _check(role: str, database: str | None, facts: Any) -> None:
    if facts is None:
        raise absent(role)
    if not facts["may_log_in"]:
        raise RotationFailed(f"The role {role!r} may not log in: ALTER ROLE … LOGIN, if it is to.")
    if facts["expired"]:
        raise RotationFailed(f"The password of {role!r} is past its VALID UNTIL: ALTER ROLE … VALID UNTIL 'infinity'.")
    if not facts["may_connect"]:
        raise RotationFailed(f"The role {role!r} may not connect to {database!r}: GRANT CONNECT ON DATABASE … TO it.")


def proves_password(refusal: Any) -> bool:
    """Whether PostgreSQL took the password before it refused the login."""
    return refusal.sqlstate in _AFTER_PASSWORD and refusal.server_source_filename in _BEHIND_AUTHENTICATION


def _told(who: str, refusal: Any) -> str:
    return f"PostgreSQL did not let {who} in ({_reason(refusal)})."


def _reason(refusal: Any) -> str:
    """The server's own words; none of them quotes a password."""
    return f"{refusal.sqlstate}: {refusal.args[0] if refusal.args else ''}"


def _quoted(name: str) -> str:
    if "\0" in name:
        raise InvalidInput("A role's name holds a NUL.")
    return '"' + name.replace('"', '""') + '"'


def scram_verifier(password: str) -> str:
    """Return what PostgreSQL stores of a password (RFC 5803): made here, so that the password is never sent."""
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return "SCRAM-SHA-256${}:{}${}:{}".format(_ITERATIONS, *encoded)
