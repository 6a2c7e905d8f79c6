"""Connections to MySQL and MariaDB: always over TLS that is verified, or over a socket of this machine.

The driver blocks, so that each use of a connection is one call in a thread of its own.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pymysql

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation
from holdfast.rotators.options import ReadSecret
from holdfast.rotators.urls import UserUrl, user_url

TIMEOUT_S: Final = 10
"""For connecting, and for each answer."""

_THREADS: Final = ThreadPoolExecutor(8, "mysql")
"""Of their own: those of the loop write the local audit log too, which no server may hold up."""

_PORT: Final = 3306
_SCHEMES: Final = {"mysql", "mariadb"}
_SETTINGS: Final = {"ssl_ca", "unix_socket"}

_AFTER_PASSWORD: Final = frozenset({1203, 1226, 1820, 1862})
"""Of the server's reasons: too many connections of this user, another limit of it (per hour, for example), and an
expired password, which is right all the same. 1040, a full server, comes before any password."""

_MEANINGS: Final = {
    1044: ": no right to the database",
    1045: ": access denied, by user, host or password",
    1130: ": no account lets this host in",
    4151: ": the account is locked",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class Login:
    """A user at a server, as a URL names it: ``mysql://user:password@host:3306/database?ssl_ca=/path``.

    ``ssl_ca``: a file of CAs to trust instead of the system's. ``unix_socket``: a socket of this machine, without TLS.
    """

    who: UserUrl
    host: str
    port: int
    database: str | None
    ssl_ca: str | None
    unix_socket: str | None

    @property
    def place(self) -> tuple[str, int, str | None]:
        """The server."""
        return self.host.lower(), self.port, self.unix_socket

    @property
    def user(self) -> str:
        """The user's name."""
        return self.who.user

    def of(self, user: str, password: str, database: str | None = None) -> "Login":
        """Another user at the server, who need not have a right to this one's database."""
        return replace(self, who=UserUrl(self.who.url, user, password), database=database)


def login_of(url: str, what: str) -> Login:
    """Read a URL. ``what`` names where it stands.

    Raises:
        InvalidInput: it is none of a user at a server.
    """
    who = user_url(url)
    parts = urlsplit(url if who else "")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if who is None or parts.scheme not in _SCHEMES or set(given) - _SETTINGS:
        raise InvalidInput(
            f"{what} must be a URL: mysql://user:password@host:3306/database, with ?ssl_ca=/path where the server's "
            "certificate is of a CA of your own, or with ?unix_socket=/path."
        )
    return Login(
        who=who,
        host=parts.hostname or "localhost",
        port=parts.port or _PORT,
        database=unquote(parts.path.removeprefix("/")) or None,
        ssl_ca=given.get("ssl_ca"),
        unix_socket=given.get("unix_socket"),
    )


async def asked(login: Login, use: Callable[[Any], _T]) -> _T:
    """Connect, and return what ``use`` makes of the cursor.

    Raises:
        RotationFailed: the server did not let us in or did not do it; the text says why, without any credential.
    """
    try:
        return await _done(login, use)
    except _RefusedError as refusal:
        raise RotationFailed(str(refusal)) from None


async def _done(login: Login, use: Callable[[Any], _T]) -> _T:
    opened: list[Any] = []

    def work() -> _T:
        with _connected(login, opened) as connection, connection.cursor() as cursor:
            return use(cursor)

    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
    except asyncio.CancelledError:
        for connection in opened:
            _cut(connection)
        raise


class _RefusedError(Exception):
    """The server said no; ``number`` is its own of the reason."""

    def __init__(self, text: str, error: Exception) -> None:
        found = error.args[0] if error.args and isinstance(error.args[0], int) else None
        self.number = found
        kind = type(error).__name__  # the server's text may quote the statement
        super().__init__(f"{text} ({kind if found is None else f'{kind} {found}'}{_MEANINGS.get(found or 0, '')}).")


def _cut(connection: Any) -> None:
    """Wake the thread that waits for a server: each byte that comes would keep it waiting for more."""
    with suppress(OSError, AttributeError):
        connection._sock.shutdown(socket.SHUT_RDWR)  # noqa: SLF001 - the driver has no other way


@contextmanager
def _connected(login: Login, opened: list[Any]) -> Iterator[Any]:
    try:
        connection = pymysql.connect(
            defer_connect=True,
            user=login.who.user,
            password=login.who.password.encode(),  # else it would go as latin-1
            host=login.host,
            port=login.port,
            database=login.database,
            unix_socket=login.unix_socket,
            ssl=None if login.unix_socket else ssl.create_default_context(cafile=login.ssl_ca),
            charset="utf8mb4",
            connect_timeout=TIMEOUT_S,
            read_timeout=2 * TIMEOUT_S,
            write_timeout=TIMEOUT_S,
            autocommit=True,
            local_infile=False,
        )
        opened.append(connection)
        connection.connect()
    except (pymysql.MySQLError, OSError, ValueError) as error:
        raise _RefusedError(f"{login.host} did not let {login.user!r} in", error) from None
    try:
        yield connection
    except pymysql.MySQLError as error:
        raise _RefusedError(f"{login.host} did not do it", error) from None
    finally:
        connection.close()


async def admin_of(read_secret: ReadSecret, rotation: Rotation) -> Login:
    """The administrator that the option ``admin_secret`` names.

    Raises:
        InvalidInput: that secret is no such URL.
    """
    name = rotation.options["admin_secret"]
    return login_of(await read_secret(name), f"The secret {name!r} that 'admin_secret' names")


async def log_in(login: Login) -> None:
    """Log in, and out again. What the server refuses only after the password was right is no refusal of it: limits of
    the user, a password that has expired.

    Raises:
        RotationFailed: the server did not let us in, or not into the database.
    """
    try:
        await _done(login, lambda cursor: cursor.execute("DO 1"))
    except _RefusedError as refusal:
        if refusal.number not in _AFTER_PASSWORD:
            raise RotationFailed(str(refusal)) from None


def host_of(rotation: Rotation) -> str:
    """The host part of the account."""
    return rotation.options.get("host", "%")


def account(user: str, host: str) -> str:
    """An account as statements name it. Between backticks nothing but a backtick means anything, in any SQL mode.

    Raises:
        InvalidInput: it holds a character that no name has.
    """
    return "@".join(_quoted(part) for part in (user, host))


def text(value: str) -> str:
    """A text as an expression that needs no quoting."""
    return f"CONVERT(x'{value.encode().hex()}' USING utf8mb4)"


def _quoted(name: str) -> str:
    if not name or "\0" in name:
        raise InvalidInput("A user's name or host is empty, or holds a NUL.", field="rotation_policy.options")
    return "`" + name.replace("`", "``") + "`"
