"""What a Redis says of itself."""

from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from holdfast.cache.connections import connect
from holdfast.cache.logins import Login
from holdfast.errors import BackendUnavailable
from holdfast.ports.inspection import RedisFacts

_TIMEOUT_S: Final = 5.0


async def look_at(url: str, ca_file: Path | None = None, login: Login | None = None) -> RedisFacts:
    """Return the facts about a server. ``login``: who logs in, in the place of the address; it is closed.

    Raises:
        BackendUnavailable: it does not answer; the text is the kind of error alone.
        ConfigurationError: the address is not valid.
        StartupError: the client is not installed.
    """
    async with AsyncExitStack() as stack:
        if login is not None:
            stack.push_async_callback(login.aclose)
        client = connect(url, ca_file, _TIMEOUT_S, login)
        stack.push_async_callback(client.aclose)
        try:
            await client.ping()
            facts = await _facts(client, url)
        except BackendUnavailable:
            raise
        except Exception as error:
            raise BackendUnavailable(type(error).__name__) from None
    return replace(facts, authenticated=facts.authenticated or login is not None)


async def _facts(client: Any, url: str) -> RedisFacts:
    info, config = await _or_empty(client.info()), await _or_empty(client.config_get("*"))
    policy = str(info.get("maxmemory_policy") or config.get("maxmemory-policy") or "")
    keeps = [
        *(["snapshots"] if config.get("save") else []),
        *(["an append-only file"] if str(info.get("aof_enabled", "0")) == "1" else []),
    ]
    parts = urlsplit(url)
    return RedisFacts(
        version=str(info.get("redis_version", "of unknown version")),
        maxmemory=int(info.get("maxmemory", 0)),
        policy=policy,
        keeps=keeps,
        encrypted=parts.scheme == "rediss",
        authenticated=bool(parts.password) or "password=" in parts.query,
        over_socket=parts.scheme == "unix",
        read_only=info.get("role") == "slave" and str(info.get("slave_read_only", "1")) == "1",
    )


async def _or_empty(asked: Any) -> dict[str, Any]:
    """The answer, or nothing where the user of the URL may not ask this."""
    try:
        return dict(await asked)
    except Exception:  # a restricted user is a good one, and no reason to know nothing
        return {}
