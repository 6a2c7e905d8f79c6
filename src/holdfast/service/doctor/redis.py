"""Judging Redis: only speed hangs on it, but what it keeps should not outlive its use."""

from collections.abc import Iterator
from typing import Final

from holdfast.domain.diagnosis import Finding, failure, ok, warning
from holdfast.ports.inspection import RedisFacts

OLDEST: Final = (6, 2)
"""Older ones get no security fixes any more."""

_CHECK: Final = "redis"


def redis_findings(redis: RedisFacts) -> list[Finding]:
    """Judge a Redis that answers."""
    return [ok(_CHECK, f"Redis {redis.version} answers."), *_judge(redis)]


def unreachable(kind: str) -> list[Finding]:
    """Judge one that does not. ``kind``: of error; its text may quote the address and so the password."""
    return [
        failure(
            _CHECK,
            f"Redis does not answer ({kind}).",
            why="Only speed suffers: nodes go on without it, and ask Key Vault or the mirror more often.",
            fix="Check host, port, user and password in REDIS_URL, and use rediss:// where the server wants TLS.",
        )
    ]


def _judge(redis: RedisFacts) -> Iterator[Finding]:
    if redis.read_only:
        yield warning(
            _CHECK,
            "This Redis is a read-only replica.",
            why="It takes no entries, so the nodes share no cache.",
            fix="Let REDIS_URL name the primary.",
        )
    if _version(redis.version) < OLDEST:
        yield warning(
            _CHECK,
            f"Redis {redis.version} is older than 6.2.",
            why="Nobody mends its security faults any more.",
            fix="Upgrade it; nothing in it needs to be kept.",
        )
    if redis.keeps:
        yield warning(
            _CHECK,
            f"Redis writes its data to disk ({' and '.join(redis.keeps)}).",
            why="Sealed values stay in its files after they were purged here.",
            fix='CONFIG SET save ""; CONFIG SET appendonly no; then remove its dump and append-only files.',
        )
    if not redis.policy:
        yield ok(_CHECK, "Its settings are not shown to this user (INFO, CONFIG): eviction and persistence unknown.")
    elif redis.maxmemory and redis.policy == "noeviction":
        yield warning(
            _CHECK,
            "maxmemory-policy is noeviction.",
            why="Once Redis is full it takes no more entries, and the shared cache stands still.",
            fix="CONFIG SET maxmemory-policy allkeys-lru; best in a Redis that Holdfast has for itself.",
        )
    elif not redis.maxmemory and not redis.over_socket:
        yield warning(
            _CHECK,
            "maxmemory is not set.",
            why="Redis grows until the machine has no memory left.",
            fix="CONFIG SET maxmemory 256mb; CONFIG SET maxmemory-policy allkeys-lru.",
        )
    if not redis.over_socket:
        yield from _network(redis)


def _network(redis: RedisFacts) -> Iterator[Finding]:
    if not redis.encrypted:
        yield warning(
            _CHECK,
            "The connection is not encrypted.",
            why="Values pass sealed, but their names and Redis's password are readable on the way.",
            fix="Use rediss:// in REDIS_URL.",
        )
    if not redis.authenticated:
        yield warning(
            _CHECK,
            "Redis asks for no password.",
            why="Whoever reaches it can empty the cache and see which secrets are read when.",
            fix="Set one (ACL SETUSER, requirepass), and give it in REDIS_URL.",
        )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit()) or (0,)
