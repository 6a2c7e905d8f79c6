"""``postgresql`` and ``postgresql-pair``: passwords of PostgreSQL roles.

Passwords are sent as SCRAM-SHA-256 verifiers, so that none stands in a statement, a log or ``pg_stat_activity``. Each
change is one transaction at the server, which remembers the highest fence it has seen in the comment of the role and
refuses whoever comes late.
"""

import base64
import hashlib
import hmac
import os
import re
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager
from typing import Any, ClassVar, Final

import asyncpg

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import BORROWS, ReadSecret, known, not_at_home, pair_of
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value
from holdfast.rotators.urls import UserUrl, place_of, user_url

_TIMEOUT_S: Final = 10.0
_PORT: Final = 5432
_ITERATIONS: Final = 4096
"""Of PBKDF2; what PostgreSQL itself uses (``scram_iterations``). The passwords have 190 random bits."""

_FENCE: Final = re.compile(r"\s*\[holdfast fence (\d+)\]")


class PostgresRole(RotationHandler):
    """One role, one password: a new one ends the old at once, so that consumers must fetch it then.

    Options: ``admin_secret`` names the secret with the URL of an administrator, ``role`` the role; besides, those of
    ``random``. The rotated secret is the bare password.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a verifier of the candidate, and the candidate to log in"}

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """Draw a password."""
        self._check(rotation)
        return random_value(rotation.options)

    async def apply(self, rotation: Rotation) -> None:
        """Give it to the role."""
        self._check(rotation)
        admin = await self._read_secret(rotation.options["admin_secret"])
        async with _changing(admin, rotation.options["role"], rotation.fence) as change:
            await change.password(rotation.candidate)

    async def test(self, rotation: Rotation) -> None:
        """Log in with it."""
        admin = await self._read_secret(rotation.options["admin_secret"])
        await _log_in(admin, rotation.options["role"], rotation.candidate)

    @staticmethod
    def _check(rotation: Rotation) -> None:
        known(rotation.options, required={"admin_secret", "role"}, optional=RANDOM_OPTIONS)


class PostgresRolePair(RotationHandler):
    """Two roles in turn: while one is in use, the other gets a new password, and nobody is cut off.

    Options: ``admin_secret`` as above, ``roles`` the two roles, comma-separated; besides, those of ``random``. The
    rotated secret is a URL, ``postgresql://role:password@host/database``, of the server that the administrator's URL
    names; both roles need the same privileges.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a verifier of the candidate, and the candidate to log in"}
    reversible: ClassVar[bool] = True

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """The URL of the role that is not in use, with a new password."""
        roles = _pair(rotation)
        in_use, _ = await self._at_home(rotation, rotation.current)
        if in_use.user not in roles:
            raise InvalidInput(f"The URL in {rotation.name!r} is of none of the two roles in the option 'roles'.")
        other = roles[1 - roles.index(in_use.user)]
        return in_use.of(other, random_value(rotation.options))

    async def apply(self, rotation: Rotation) -> None:
        """Give that role its password, and let it log in."""
        candidate, admin = await self._at_home(rotation, rotation.candidate)
        await self._change(rotation, admin, candidate.user, candidate.password)

    async def test(self, rotation: Rotation) -> None:
        """Log in as that role."""
        candidate, admin = await self._at_home(rotation, rotation.candidate)
        await _log_in(admin, candidate.user, candidate.password)

    async def retire(self, rotation: Rotation) -> None:
        """Take the password of the other role away; it gets a new one with the next rotation."""
        current, admin = await self._at_home(rotation, rotation.current)
        await self._change(rotation, admin, current.user, None)

    async def _at_home(self, rotation: Rotation, url: str) -> tuple[UserUrl, str]:
        """Return a credential of this secret, which must be of the administrator's server, and the administrator's.

        Whoever may set the secret chooses its URL, and is not to choose by it where the other password goes.
        """
        _pair(rotation)
        admin, credential = await self._read_secret(rotation.options["admin_secret"]), _credential(url)
        if place_of(url, _PORT) != place_of(admin, _PORT):
            raise not_at_home(rotation)
        return credential, admin

    async def _change(self, rotation: Rotation, admin: str, role: str, password: str | None) -> None:
        if role not in _pair(rotation):
            raise InvalidInput(f"A URL in {rotation.name!r} is of none of the two roles in the option 'roles'.")
        async with _changing(admin, role, rotation.fence) as change:
            await change.password(password)


def _credential(url: str) -> UserUrl:
    credential = user_url(url)
    if credential is None:
        raise InvalidInput("The secret must be a URL with a role and its password: postgresql://role:password@host/db.")
    return credential


def _pair(rotation: Rotation) -> list[str]:
    known(rotation.options, required={"admin_secret", "roles"}, optional=RANDOM_OPTIONS)
    return pair_of(rotation.options, "roles")


class _Change:
    """Changes one role, in a transaction that no older holder comes through."""

    def __init__(self, connection: Any, role: str) -> None:
        self._connection, self._role = connection, role

    async def password(self, password: str | None) -> None:
        verifier = "NULL" if password is None else f"'{scram_verifier(password)}'"
        await self._connection.execute(f"ALTER ROLE {_quoted(self._role)} LOGIN PASSWORD {verifier}")

    async def fence(self, fence: int) -> None:
        oid = await self._connection.fetchval("SELECT oid FROM pg_roles WHERE rolname = $1", self._role)
        if oid is None:
            raise RotationFailed(f"There is no role {self._role!r} at the server; make it first.")
        await self._connection.execute("SELECT pg_advisory_xact_lock($1)", int(oid))
        comment = await self._connection.fetchval("SELECT shobj_description($1, 'pg_authid')", oid) or ""
        seen = _FENCE.search(comment)
        if seen is not None and int(seen[1]) > fence:
            raise RotationFailed(f"A later rotation of the role {self._role!r} has begun: this one comes too late.")
        text = f"{_FENCE.sub('', comment)} [holdfast fence {fence}]".strip().replace("'", "''")
        await self._connection.execute(f"COMMENT ON ROLE {_quoted(self._role)} IS '{text}'")


@asynccontextmanager
async def _changing(admin_url: str, role: str, fence: int) -> AsyncIterator[_Change]:
    connection = await _open(admin_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL standard_conforming_strings = on")
            change = _Change(connection, role)
            await change.fence(fence)
            yield change
    finally:
        await connection.close(timeout=_TIMEOUT_S)


async def _log_in(admin_url: str, role: str, password: str) -> None:
    connection = await _open(admin_url, user=role, password=password)
    await connection.close(timeout=_TIMEOUT_S)


async def _open(url: str, **instead: str) -> Any:
    try:
        return await asyncpg.connect(url, timeout=_TIMEOUT_S, command_timeout=_TIMEOUT_S, **instead)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise RotationFailed(f"PostgreSQL did not let us in ({type(error).__name__}).") from None


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
