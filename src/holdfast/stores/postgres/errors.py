"""asyncpg's errors as ours, at the border."""

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

from holdfast.errors import BackendRefused, BackendUnavailable, OutcomeUnknown, StartupDelayed, StartupError

_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # A row under a retired key: this node hears of the active one within a second.
    asyncpg.ObjectNotInPrerequisiteStateError,
    # The role's password, its rights or the database itself were changed under us.
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    # Somebody changed a table under a transaction; the next one is prepared again.
    asyncpg.InvalidCachedStatementError,
)

_FOR_GOOD = (
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    ssl.SSLError,
    PermissionError,
    ValueError,
)
"""Of these, what no waiting changes: somebody has to act, and the node is to be started again."""

_BROKEN_OFF = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError)
"""Errors of TLS that say no more than that the other end went away."""

_SAID: Final[dict[type[Exception], str]] = {
    asyncpg.LockNotAvailableError: (
        "Another session of PostgreSQL holds what this needs for too long, and `holdfast health` names it"
    ),
    asyncpg.ReadOnlySQLTransactionError: (
        "PostgreSQL is read-only and takes no changes here: it is a standby, or default_transaction_read_only is on. "
        "DATABASE_URL has to lead to the primary"
    ),
    asyncpg.TargetServerAttributeNotMatched: (
        "None of the hosts of DATABASE_URL takes changes: each is a standby, or default_transaction_read_only is on"
    ),
    asyncpg.DiskFullError: "PostgreSQL's disk is full: make room there",
    asyncpg.OutOfMemoryError: "PostgreSQL is out of memory",
    asyncpg.TooManyConnectionsError: (
        "PostgreSQL has no connection left: raise max_connections, or find who has them all in pg_stat_activity"
    ),
    asyncpg.CannotConnectNowError: "PostgreSQL is starting, stopping or recovering",
    asyncpg.InvalidAuthorizationSpecificationError: "PostgreSQL refuses the role or the password of DATABASE_URL",
    asyncpg.InvalidCatalogNameError: "PostgreSQL has no database of the name in DATABASE_URL",
    asyncpg.InsufficientPrivilegeError: "PostgreSQL refuses a right to the role of DATABASE_URL",
    asyncpg.InvalidCachedStatementError: "The schema was changed at this moment",
    ConnectionRefusedError: "PostgreSQL does not run, or not where DATABASE_URL leads",
    FileNotFoundError: "PostgreSQL does not run, or not where DATABASE_URL leads",
    socket.gaierror: "The name of PostgreSQL's host is not known",
    ssl.SSLCertVerificationError: "PostgreSQL's certificate is not trusted: see sslrootcert in DATABASE_URL",
}
"""What the kinds of refusal mean that somebody can act on."""


def reason_of(error: BaseException) -> str:
    """What ails PostgreSQL, in words; of an error that no one foresaw, its kind. No data is in it."""
    return _said(error) if isinstance(error, BackendUnavailable) else f"{_said(error)} ({type(error).__name__})"


def _said(error: BaseException) -> str:
    if isinstance(error, BackendUnavailable):  # such as of what gives out passwords
        return error.reason or str(error).removesuffix(".")
    if isinstance(error, asyncpg.InsufficientPrivilegeError) and (found := _DENIED.match(error.message or "")):
        return f"{_SAID[asyncpg.InsufficientPrivilegeError]}: {found[0]}"
    return next((text for kind, text in _SAID.items() if isinstance(error, kind)), "PostgreSQL did not answer")


_DENIED: Final = re.compile(r"(?:permission denied for|must be owner of) [a-z ]+ \"?[\w$]+\"?")
"""PostgreSQL's words on a right that is missing, as far as they name a thing of the schema, and no data."""

READ_ONLY: Final = _SAID[asyncpg.ReadOnlySQLTransactionError]
"""What is said of a server that takes no changes, before one is tried on it."""


def not_started(error: BaseException, text: str) -> StartupError:
    """Say that a node cannot start, for what PostgreSQL or the way to it said: whether waiting may help is told here.

    ``error``: what was met, or ``BackendUnavailable`` because of it.
    """
    met = (error.__cause__ or error) if isinstance(error, BackendUnavailable) else error
    if not _passes(met):
        return StartupError(text)
    return StartupDelayed(text, reason=_said(met))


def _passes(met: BaseException) -> bool:
    if isinstance(met, BackendRefused) or type(met) is ConnectionError:  # so the driver calls a server without TLS
        return False
    if isinstance(met, _FOR_GOOD) and not isinstance(met, _BROKEN_OFF):
        return False
    return isinstance(met, (*_AWAY, BackendUnavailable))


@contextmanager
def translating() -> Iterator[None]:
    """Turn "PostgreSQL is not there for us now" into ``BackendUnavailable``; the text holds no data."""
    try:
        yield
    except _AWAY as error:
        if (cancelled := _cancellation_behind(error)) is not None:
            raise cancelled from None
        raise BackendUnavailable(f"{reason_of(error)}; try again") from error


def _cancellation_behind(error: BaseException) -> asyncio.CancelledError | None:
    """The cancellation of this task during which the error arose; that error must not take its place.

    One that a timeout further in began and ended is over: the task is not being cancelled any more.
    """
    task = asyncio.current_task()
    cause: BaseException | None = error if task is not None and task.cancelling() else None
    while cause is not None and not isinstance(cause, asyncio.CancelledError):
        cause = cause.__context__
    return cause


def is_spent(error: BaseException) -> bool:
    """Whether a connection on which this happened may still wait for an answer, so that nothing more is asked over it.

    True for whatever ended an operation from here, or for want of an answer; what PostgreSQL itself said leaves the
    connection as good as it was.
    """
    unanswered = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, BackendUnavailable)
    return not isinstance(error, Exception) or isinstance(error, unanswered)


def is_locked(error: BaseException) -> bool:
    """Whether PostgreSQL is there, and somebody else holds what was asked for."""
    return isinstance(error, BackendUnavailable) and isinstance(error.__cause__, asyncpg.LockNotAvailableError)


def waited_in_vain(error: BaseException) -> bool:
    """Whether PostgreSQL kept this waiting: for a lock, a free connection, an answer."""
    return is_locked(error) or (isinstance(error, BackendUnavailable) and isinstance(error.__cause__, TimeoutError))


@contextmanager
def starting(what: str) -> Iterator[None]:
    """Turn whatever PostgreSQL refuses into ``StartupError``; ``what`` was asked of it. The text names no value."""
    try:
        yield
    except asyncpg.PostgresError as error:
        if isinstance(error, _AWAY) and not isinstance(error, asyncpg.InsufficientPrivilegeError):
            raise
        raise StartupError(f'{what}: PostgreSQL says "{error.message}" ({type(error).__name__}).') from error


@contextmanager
def unconfirmed() -> Iterator[None]:
    """Turn a commit that was sent and not confirmed into ``OutcomeUnknown``; one that was refused stays refused."""
    try:
        yield
    except (asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
        raise
    except _AWAY as error:
        raise OutcomeUnknown(
            "PostgreSQL did not confirm the commit, so the change may have taken effect: "
            "read before you repeat it, or repeat it with the same idempotency key."
        ) from error
