"""A process that rotates credentials of real servers until it is killed or stopped, and what its servers accept."""

import asyncio
import hashlib
import multiprocessing
import os
import random
import signal
from dataclasses import dataclass, replace
from datetime import timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import asyncpg
from redis import asyncio as redis

from holdfast.domain.names import SecretName
from holdfast.domain.rotation import RotationRun
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import HoldfastError
from tests.rotation.test_rotation import let_pass
from tests.support.node import Inside, opened, rows
from tests.support.postgres import execute

SECRETS = ("postgresql", "postgresql-pair", "redis")
"""Named after their handlers."""

ROLES = ("kill_a", "kill_b")
MORTAL = "kill_mortal"
"""The role by which processes that are to die reach PostgreSQL, and by which rotations log in: it tells their sessions
from those of the node that lives on, whose pools open connections when they like."""

_PATIENCE_S = 60


@dataclass(frozen=True)
class Ground:
    """Where it happens."""

    dsn: str
    redis_url: str
    folder: Path

    def node(self) -> Any:
        """A node on it."""
        return opened(self.dsn, self.folder, cache_ttl=timedelta(seconds=1))

    def url_of(self, role: str, password: str) -> str:
        """The URL of a role."""
        host = urlsplit(self.dsn).netloc.rpartition("@")[2]
        return urlsplit(self.dsn)._replace(netloc=f"{role}:{quote(password)}@{host}").geturl()


@dataclass(frozen=True)
class Life:
    """One such process. ``hears`` waits for what it says next."""

    process: BaseProcess
    connection: Connection

    async def hears(self) -> str:
        if not await asyncio.to_thread(self.connection.poll, _PATIENCE_S):
            raise AssertionError("the process does nothing")
        return str(self.connection.recv())

    async def ended(self) -> None:
        await asyncio.to_thread(self.process.join, _PATIENCE_S)
        self.connection.close()


def begin(ground: Ground, names: tuple[str, ...] = SECRETS, end: tuple[str, signal.Signals] | None = None) -> Life:
    """Start one. ``end``: a crash point at which it sends itself a signal."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    mortal = replace(ground, dsn=ground.url_of(MORTAL, MORTAL))
    process = context.Process(target=_live, args=(theirs, mortal, names, end), daemon=True)
    process.start()
    theirs.close()
    return Life(process, ours)


def _live(
    connection: Connection, ground: Ground, names: tuple[str, ...], end: tuple[str, signal.Signals] | None
) -> None:
    asyncio.run(_work(connection, ground, names, end))


async def _work(
    connection: Connection, ground: Ground, names: tuple[str, ...], end: tuple[str, signal.Signals] | None
) -> None:
    def pass_point(point: str) -> None:
        if end is not None and point == end[0]:
            connection.send(point)
            os.kill(os.getpid(), end[1])

    async with ground.node() as inside:
        inside.parts.rotation.driver._crashpoint = pass_point
        connection.send("ready")
        while True:
            try:
                await inside.service.rotate_secret(random.choice(names))
            except HoldfastError:
                await asyncio.sleep(0.01)
            await let_pass(ground.dsn)
            await inside.service.execute_scheduled_rotations()


async def prepare(ground: Ground, inside: Inside) -> None:
    """Make the roles, the user, and the secrets with their policies."""
    await execute(
        ground.dsn, f"DROP ROLE IF EXISTS {MORTAL}", f"CREATE ROLE {MORTAL} SUPERUSER LOGIN PASSWORD '{MORTAL}'"
    )
    for role in ROLES:
        await execute(ground.dsn, f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    await execute(ground.dsn, "DROP ROLE IF EXISTS kill_one", "CREATE ROLE kill_one LOGIN PASSWORD 'first'")
    admin: Any
    async with redis.Redis.from_url(ground.redis_url) as admin:
        await admin.execute_command("ACL", "SETUSER", "kill", "reset", "on", ">first", "+@all")
    service = inside.service
    await service.set_secret("pg-admin", ground.url_of(MORTAL, MORTAL))
    await service.set_secret("redis-admin", ground.redis_url)
    options = {
        "postgresql": {"admin_secret": "pg-admin", "role": "kill_one"},
        "postgresql-pair": {"admin_secret": "pg-admin", "roles": ",".join(ROLES)},
        "redis": {"admin_secret": "redis-admin", "user": "kill"},
    }
    for name, given in options.items():
        first = ground.url_of(ROLES[0], "first") if name == "postgresql-pair" else "first"
        await service.set_secret(name, first, rotation_policy=RotationPolicy(handler=name, options=given))
    await execute(ground.dsn, f"ALTER ROLE {ROLES[1]} PASSWORD NULL")  # of a pair, one is in use


async def quiet(ground: Ground) -> None:
    """Wait until PostgreSQL has finished what a dead process had asked: a commit on its way still takes effect."""
    async with asyncio.timeout(_PATIENCE_S):
        while await rows(ground.dsn, "SELECT 1 FROM pg_stat_activity WHERE usename = $1", MORTAL):
            await asyncio.sleep(0.01)


async def stored(inside: Inside, name: str) -> tuple[str, set[str]]:
    """The current credential, and all that are stored of late, the candidate of an open run included."""
    versions = [each.version for each in await inside.service.list_secret_versions(name)][-4:]
    values = [(await inside.service.get_secret_version(name, version)).value for version in versions]
    known = set(values)
    run = await inside.parts.rotation.store.find(SecretName(name))
    sealed = await inside.parts.rotation.store.candidate(run) if run is not None else None
    if run is not None and sealed is not None:
        known.add(inside.parts.sealer.open_bytes("rotation", _context(run), sealed).decode())
    return values[-1], known


async def check_known(ground: Ground, inside: Inside) -> None:
    """See that no server accepts a credential that is not stored here.

    A role has one password: if a stored one logs in, no other does.
    """
    _, known = await stored(inside, "postgresql")
    assert any([await logs_in(ground.url_of("kill_one", each)) for each in known])
    _, known = await stored(inside, "postgresql-pair")
    connection = await asyncpg.connect(ground.dsn)
    try:
        query = "SELECT rolname FROM pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL"
        live = {row[0] for row in await connection.fetch(query, list(ROLES))}
    finally:
        await connection.close()
    assert live == {str(urlsplit(each).username) for each in known if await logs_in(each)}
    _, known = await stored(inside, "redis")
    assert await redis_passwords(ground) <= {hashlib.sha256(each.encode()).hexdigest() for each in known}


async def check_current(ground: Ground, inside: Inside) -> None:
    """See that every current version logs in."""
    current, _ = await stored(inside, "postgresql")
    assert await logs_in(ground.url_of("kill_one", current))
    current, _ = await stored(inside, "postgresql-pair")
    assert await logs_in(current)
    current, _ = await stored(inside, "redis")
    assert hashlib.sha256(current.encode()).hexdigest() in await redis_passwords(ground)


async def settle(ground: Ground, inside: Inside) -> None:
    """Let a living node finish what a dead one left."""
    await let_pass(ground.dsn)
    for result in await inside.service.execute_scheduled_rotations():
        assert result.success, result.error_message


async def logs_in(url: str) -> bool:
    """Whether PostgreSQL lets one in."""
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidPasswordError:
        return False
    await connection.close()
    return True


async def redis_passwords(ground: Ground) -> set[str]:
    """The hashes of the passwords that the Redis user has."""
    admin: Any
    async with redis.Redis.from_url(ground.redis_url, decode_responses=True) as admin:
        user = await admin.acl_getuser("kill")
    return {kept.lstrip("#") for kept in (user or {})["passwords"]}


def _context(run: RotationRun) -> bytes:
    return f"{run.id}:{run.incarnation}:{run.name}:{run.from_version}".encode()
