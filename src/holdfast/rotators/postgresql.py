"""``postgresql`` and ``postgresql-pair``: passwords of PostgreSQL roles."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import BORROWS, ReadSecret, is_tried, known, not_at_home, pair_of
from holdfast.rotators.postgresql_wire import PORT, Server, server_of
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value
from holdfast.rotators.urls import UserUrl, place_of, url_of_hosts

_OPTIONS: Final = RANDOM_OPTIONS | {"database", "try_current"}
_SENDS: Final = {"admin_secret": "a verifier of the candidate, and the candidate to log in"}

_SCHEME: Final = re.compile(r"postgres(?:ql)?(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
"""With the driver's name in it, as SQLAlchemy has it."""

_MISPLACED: Final = frozenset({"user", "password", "passfile", "service", "servicefile"})
"""In the query of a URL, where they take the place of the role and its password for libpq, and not for all drivers."""


@dataclass(frozen=True, slots=True, repr=False)
class _Login:
    """A role with its password, and the database that the policy or the URL names for it."""

    role: str
    password: str
    database: str | None
    url: UserUrl | None = None

    def value(self, role: str, password: str) -> str:
        """What is stored of another role or password: a URL where this is of one."""
        return password if self.url is None else self.url.of(role, password)


class _Handler(RotationHandler):
    """What both do alike."""

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def look(self, rotation: Rotation) -> None:
        """See that the administrator may change the role, and that it logs in, the same way as afterwards."""
        server = await self._server(rotation)
        candidate, current = self._login(rotation, server, candidate=True), self._login(rotation, server)
        await server.look(candidate.role, candidate.password, candidate.database)
        if is_tried(rotation.options):
            await _try_current(rotation, server, current)
            if candidate.role != current.role:
                await _try_way(server, candidate)

    async def apply(self, rotation: Rotation) -> None:
        """Give the role its new password."""
        server = await self._server(rotation)
        login = self._login(rotation, server, candidate=True)
        await self._change(rotation, server, login.role, login.password)

    async def test(self, rotation: Rotation) -> None:
        """Log in with the candidate."""
        server = await self._server(rotation)
        login = self._login(rotation, server, candidate=True)
        await server.log_in(login.role, login.password, login.database)

    async def _server(self, rotation: Rotation) -> Server:
        self._check(rotation)
        name = rotation.options["admin_secret"]
        return server_of(await self._read_secret(name), name)

    async def _change(self, rotation: Rotation, server: Server, role: str, password: str | None) -> None:
        async with server.changing(role) as change:
            await change.fence(rotation.fence)
            await change.password(password)

    def _check(self, rotation: Rotation) -> None:
        raise NotImplementedError

    def _login(self, rotation: Rotation, server: Server, *, candidate: bool = False) -> _Login:
        raise NotImplementedError


class PostgresRole(_Handler):
    """One role, one password: a new one ends the old at once, so that consumers must fetch it then.

    Options: ``admin_secret`` names the secret with the URL of an administrator, ``role`` the role, ``database`` the one
    that logins are tried in (default: that of the administrator); ``try_current=no`` for a role whose password is lost;
    besides, those of ``random``. The rotated secret is the bare password, or a URL as that of a pair is.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = _SENDS

    async def create(self, rotation: Rotation) -> str:
        """Draw a password."""
        current = self._login(rotation, await self._server(rotation))
        return current.value(current.role, random_value(rotation.options))

    def _check(self, rotation: Rotation) -> None:
        known(rotation.options, required={"admin_secret", "role"}, optional=_OPTIONS)

    def _login(self, rotation: Rotation, server: Server, *, candidate: bool = False) -> _Login:
        value, role = rotation.candidate if candidate else rotation.current, rotation.options["role"]
        if not _SCHEME.match(value):
            return _Login(role, value, rotation.options.get("database"))
        login = _url_login(rotation, server, value)
        if login.role != role:
            raise InvalidInput(f"The URL in {rotation.name!r} is of another role than the one in the option 'role'.")
        return login


class PostgresRolePair(_Handler):
    """Two roles in turn: while one is in use, the other gets a new password, and nobody is cut off.

    Options: ``admin_secret`` and ``try_current`` as above, ``roles`` the two roles, comma-separated, ``database`` the
    one that logins are tried in (default: that of the URL); besides, those of ``random``. The rotated secret is a URL,
    ``postgresql://role:password@host/database``, of the hosts that the administrator's URL names; both roles need the
    same privileges.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = _SENDS
    reversible: ClassVar[bool] = True

    async def create(self, rotation: Rotation) -> str:
        """The URL of the role that is not in use, with a new password."""
        roles, in_use = _pair(rotation), self._login(rotation, await self._server(rotation))
        return in_use.value(roles[1 - roles.index(in_use.role)], random_value(rotation.options))

    async def retire(self, rotation: Rotation) -> None:
        """Take the password of the other role away; it gets a new one with the next rotation."""
        server = await self._server(rotation)
        await self._change(rotation, server, self._login(rotation, server).role, None)

    def _check(self, rotation: Rotation) -> None:
        _pair(rotation)

    def _login(self, rotation: Rotation, server: Server, *, candidate: bool = False) -> _Login:
        login = _url_login(rotation, server, rotation.candidate if candidate else rotation.current)
        if login.role not in _pair(rotation):
            raise InvalidInput(f"The URL in {rotation.name!r} is of none of the two roles in the option 'roles'.")
        return login


def _url_login(rotation: Rotation, server: Server, url: str) -> _Login:
    """Read a URL of this secret, which must be of the administrator's server.

    Who may set the secret chooses its URL, and is not to choose by it where the other password goes.
    """
    found = url_of_hosts(url) if _SCHEME.match(url) else None
    query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) if found else {}
    if found is None or query.keys() & _MISPLACED:
        raise InvalidInput(
            f"The value of {rotation.name!r} must be a URL with a role and its password before the host, and neither "
            "in the query: postgresql://role:password@host/database."
        )
    if place_of(url, PORT) != place_of(server.url, PORT):
        raise not_at_home(rotation)
    database = query.get("dbname") or unquote(urlsplit(url).path.removeprefix("/")) or None
    return _Login(found.user, found.password, rotation.options.get("database", database), found)


async def _try_current(rotation: Rotation, server: Server, current: _Login) -> None:
    """See that the current password logs in, as the new one is to."""
    refusal = await server.refusal(current.role, current.password, current.database)
    if refusal is not None:
        raise RotationFailed(
            f"The current value of {rotation.name!r} does not log in: {refusal.text} Where that is its password, give "
            f"{current.role!r} the one that is stored, or store the one that it has; where it is lost, the option "
            "try_current=no of the policy has it not tried."
        )


async def _try_way(server: Server, candidate: _Login) -> None:
    """See that a role whose password no one has yet is let as far as being asked for it."""
    refusal = await server.refusal(candidate.role, candidate.password, candidate.database)
    if refusal is not None and refusal.before_password:
        raise RotationFailed(refusal.text)


def _pair(rotation: Rotation) -> list[str]:
    known(rotation.options, required={"admin_secret", "roles"}, optional=_OPTIONS)
    return pair_of(rotation.options, "roles")
