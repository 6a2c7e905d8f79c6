"""asyncpg's errors as ours, at the border."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from holdfast.errors import BackendUnavailable, OutcomeUnknown

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
)


@contextmanager
def translating() -> Iterator[None]:
    """Turn "PostgreSQL is not there for us now" into ``BackendUnavailable``; the text holds no data."""
    try:
        yield
    except _AWAY as error:
        raise BackendUnavailable(f"PostgreSQL did not answer ({type(error).__name__}); try again") from error


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
