"""Credentials that are rotated: two roles in turn and a single one, at the PostgreSQL of the installation itself."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from holdfast.domain.secret import RotationPolicy
from holdfast.service.manager import SecretsService
from tests.proof.history.events import ROTATED, Credential, Outcome
from tests.support.node import rows
from tests.support.postgres import execute
from tests.support.relay import dsn_through

ROLES: Final = ("history_a", "history_b")
SINGLE: Final = "history_single"
_ADMIN: Final = "target-admin"
_LOGIN_S: Final = 3.0
_LIVE: Final = "SELECT rolname FROM pg_authid WHERE rolname = ANY($1) AND rolpassword IS NOT NULL"


async def make_credentials(service: SecretsService, dsn: str, port: int) -> None:
    """Make the roles and the secrets; ``port`` is where their server is reached."""
    for role in (*ROLES, SINGLE):
        await execute(dsn, f"DROP ROLE IF EXISTS {role}", f"CREATE ROLE {role} LOGIN PASSWORD 'first'")
    admin = dsn_through(port, dsn)
    await execute(dsn, f"ALTER ROLE {ROLES[1]} PASSWORD NULL")
    await service.set_secret(_ADMIN, admin)
    pair = RotationPolicy(handler="postgresql-pair", options={"admin_secret": _ADMIN, "roles": ",".join(ROLES)})
    single = RotationPolicy(handler="postgresql", options={"admin_secret": _ADMIN, "role": SINGLE})
    await service.set_secret(ROTATED[0], _url(admin, ROLES[0], "first"), rotation_policy=pair)
    await service.set_secret(ROTATED[1], "first", rotation_policy=single)


async def credentials_of(dsn: str, values: dict[str, Sequence[str]]) -> dict[str, Credential]:
    """Which of the stored credentials log in, and which roles have a password that is none of them.

    ``values``: those of each secret, the current one last.
    """
    found = {}
    for name, stored in values.items():
        urls = [each if "://" in each else _url(dsn, SINGLE, each) for each in stored]
        good = {url for url in urls if await logs_in(_at(dsn, url)) is Outcome.OK}
        roles = [str(urlsplit(url).username) for url in good]
        live = {role for (role,) in await rows(dsn, _LIVE, [*ROLES] if "://" in stored[-1] else [SINGLE])}
        found[name] = Credential(current=urls[-1] in good, strange=tuple(sorted(live - set(roles))))
    return found


async def logs_in(url: str) -> Outcome:
    """Whether PostgreSQL lets one in; unknown where it does not answer."""
    try:
        connection = await asyncpg.connect(url, timeout=_LOGIN_S)
    except asyncpg.InvalidAuthorizationSpecificationError:
        return Outcome.REFUSED
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        return Outcome.UNKNOWN
    connection.terminate()
    return Outcome.OK


def _url(dsn: str, role: str, password: str) -> str:
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{role}:{password}@{host}").geturl()


def _at(dsn: str, url: str) -> str:
    """The same credential at the server itself, past every link."""
    user = urlsplit(url).netloc.rpartition("@")[0]
    parts = urlsplit(dsn)
    return parts._replace(netloc=f"{user}@{parts.netloc.rpartition('@')[2]}").geturl()
