"""Clients of a Redis: one whose calls open their connections, and one whose connections are opened behind them."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from holdfast.cache.logins import Login
from holdfast.domain.extras import needing
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import BlockingConnectionPool, Redis

    from holdfast.cache.opening import OpenedPool

    P = TypeVar("P", bound=BlockingConnectionPool)

_CONNECTIONS: Final = 8


def connect(url: str, ca_file: Path | None, timeout_s: float, login: Login | None = None) -> "Redis":
    """Return a client whose every step takes ``timeout_s`` at most; nothing is sent yet.

    ``login``: says who logs in, in the place of the address.

    Raises:
        ConfigurationError: the address is not valid; its text is not repeated.
        StartupError: the Redis client is not installed.
    """
    _need_driver()
    from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - an optional dependency

    patience = {"timeout": timeout_s, "socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    return Redis.from_pool(_pool(BlockingConnectionPool, url, ca_file, login, **patience))


def connect_behind(
    url: str, ca_file: Path | None, login: Login | None, ended: Callable[[Exception | None], None]
) -> "tuple[Redis, OpenedPool]":
    """Return a client whose calls wait for a connection that is opened behind them, and its pool.

    The caller gives each call its time. ``ended``: is told how each opening ended, None being well.

    Raises:
        ConfigurationError: as above.
        StartupError: as above.
    """
    _need_driver()
    from redis.asyncio import Redis  # noqa: PLC0415 - an optional dependency

    from holdfast.cache.opening import OpenedPool  # noqa: PLC0415 - needs it too

    pool = _pool(OpenedPool, url, ca_file, login, ended=ended)
    return Redis.from_pool(pool), pool


def _need_driver() -> None:
    with needing("REDIS_URL", "redis"):
        import redis.asyncio  # noqa: PLC0415, F401 - an optional dependency


def _pool(kind: "type[P]", url: str, ca_file: Path | None, login: Login | None, **options: Any) -> "P":
    from redis.asyncio.retry import Retry  # noqa: PLC0415 - an optional dependency
    from redis.backoff import NoBackoff  # noqa: PLC0415

    if ca_file and url.startswith("rediss:"):
        options["ssl_ca_certs"] = str(ca_file)
    if login is not None:
        options["credential_provider"] = login
    try:
        return kind.from_url(
            url if login is None else _without_user(url),
            max_connections=_CONNECTIONS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,  # no handshake beyond the password, and no messages that were not asked for
            **options,
        )
    except ValueError:  # its text may quote the URL, and with it the password
        raise ConfigurationError(
            ["REDIS_URL is not valid: use redis://, rediss:// or unix://, as in rediss://user:password@host:6379/0"]
        ) from None


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
