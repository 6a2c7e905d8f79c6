"""Connections to MySQL and MariaDB: always over TLS that is verified, or over a socket of this machine.

The driver blocks, so that each use of a connection is one call in a thread of its own.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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


def login_of(url: str, what: str) -> Login:
    """Read a URL. ``what`` names where it stands.

    Raises:
        InvalidInput: it is none of a user at a server.
    """
    who, parts = user_url(url), urlsplit(url if user_url(url) else "")
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
        raise RotationFailed(f"{login.host} did not let {login.user!r} in ({_reason(error)}).") from None
    try:
        yield connection
    except pymysql.MySQLError as error:
        raise RotationFailed(f"{login.host} did not do it ({_reason(error)}).") from None
    finally:
        connection.close()


def _reason(error: Exception) -> str:
    """The kind of fault, and the server's number of it: its text may quote the statement."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    return type(error).__name__ if number is None else f"{type(error).__name__} {number}"


async def admin_of(read_secret: ReadSecret, rotation: Rotation) -> Login:
    """The administrator that the option ``admin_secret`` names.

    Raises:
        InvalidInput: that secret is no such URL.
    """
    name = rotation.options["admin_secret"]
    return login_of(await read_secret(name), f"The secret {name!r} that 'admin_secret' names")


async def log_in(login: Login) -> None:
    """Log in, and out again.

    Raises:
        RotationFailed: the server did not let us in.
    """
    await asked(login, lambda cursor: cursor.execute("DO 1"))


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
