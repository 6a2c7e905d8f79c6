"""The hosts of one address: a primary and its standbys, or so it should be."""

from typing import Final

import asyncpg

from holdfast.config.libpq import each_host, for_node
from holdfast.errors import BackendUnavailable
from holdfast.stores.postgres.poolers import Password
from holdfast.stores.postgres.queries import load

_PATIENCE_S: Final = 3.0
"""For the connection to one host."""


async def writable_hosts(dsn: str, password: Password | None = None) -> list[str]:
    """Return those hosts of a connection URI that take changes. A server that several of them name counts once.

    ``password``: gives tokens that take the place of the URI's password.
    """
    servers: dict[object, str] = {}
    for host, address in each_host(for_node(dsn, verified=password is not None)):
        if (server := await _writable(address, password)) is not None:
            servers.setdefault(server, host)
    return list(servers.values())


async def _writable(dsn: str, password: Password | None) -> object | None:
    """What tells the server from any other, if it takes changes; None: it does not, or does not answer."""
    try:
        # Behind a pooler a named statement would be left in a session that others get: no statement is kept.
        connection = await asyncpg.connect(
            dsn, password=password, timeout=_PATIENCE_S, command_timeout=_PATIENCE_S, statement_cache_size=0
        )
    except (BackendUnavailable, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return None
    try:
        server: object | None = await connection.fetchval(load("inspection")["writable"])
        return server
    finally:
        connection.terminate()
