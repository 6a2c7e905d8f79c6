"""The hosts of one address: a primary and its standbys, or so it should be."""

from typing import Final
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg

from holdfast.stores.postgres.queries import load

_PATIENCE_S: Final = 3.0
"""For the connection to one host."""


async def writable_hosts(dsn: str) -> list[str]:
    """Return those hosts of a connection URI that take changes. A server that several of them name counts once."""
    servers: dict[object, str] = {}
    for host, address in each_host(dsn):
        if (server := await _writable(address)) is not None:
            servers.setdefault(server, host)
    return list(servers.values())


async def _writable(dsn: str) -> object | None:
    """What tells the server from any other, if it takes changes; None: it does not, or does not answer."""
    try:
        connection = await asyncpg.connect(dsn, timeout=_PATIENCE_S, command_timeout=_PATIENCE_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return None
    try:
        server: object | None = await connection.fetchval(load("inspection")["writable"])
        return server
    finally:
        connection.terminate()


def each_host(dsn: str) -> list[tuple[str, str]]:
    """Return every host of a connection URI that names several (libpq, 34.1.1.3), with a URI for it alone."""
    url = urlsplit(dsn)
    user, at, hosts = url.netloc.rpartition("@")
    if hosts:
        return [(host, urlunsplit(_alone(url)._replace(netloc=f"{user}{at}{host}"))) for host in hosts.split(",")]
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    names, ports = query.get("host", "").split(","), query.get("port", "5432").split(",")
    return [
        (name, urlunsplit(_alone(url, host=name, port=port)))
        for name, port in zip(names, ports * len(names) if len(ports) == 1 else ports, strict=False)
    ]


def _alone(url: SplitResult, **more: str) -> SplitResult:
    """The address without what says which of several hosts is wanted."""
    kept = {name: values[-1] for name, values in parse_qs(url.query).items() if name != "target_session_attrs"}
    return url._replace(query=urlencode({**kept, **more}))
