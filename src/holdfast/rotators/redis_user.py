"""``redis``: the password of a Redis ACL user, who has both while a rotation is under way."""

import hashlib
from collections.abc import AsyncIterator, Mapping, Set
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar, Final

from redis import asyncio as redis
from redis import exceptions

from holdfast.errors import RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import BORROWS, ReadSecret, known
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value

_TIMEOUT_S: Final = 10.0


class RedisUser(RotationHandler):
    """Options: ``admin_secret`` names the secret with the URL of an administrator, ``user`` the ACL user.

    The rotated secret is the bare password. Besides, the options of ``random``.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "the candidate, and the old one to revoke it"}
    reversible: ClassVar[bool] = True

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """Draw a password."""
        self._check(rotation)
        return random_value(rotation.options)

    async def look(self, rotation: Rotation) -> None:
        """See that the user is there, switched on and has the current password, which logs in."""
        user, name = await self._user(rotation), rotation.options["user"]
        if "on" not in user.get("flags", ()):
            raise RotationFailed(f"The user {name!r} is off: ACL SETUSER … on, if it is to log in.")
        if "nopass" in user.get("flags", ()):
            raise RotationFailed(f"The user {name!r} is let in with any password: give it the stored one first.")
        self._check_kept(rotation, user, rotation.current)
        await self._log_in(rotation, rotation.current)

    async def apply(self, rotation: Rotation) -> None:
        """Add it to those that the user has, unless a later rotation has others by now."""
        self._check_kept(rotation, await self._user(rotation), rotation.current, rotation.candidate)
        await self._set_user(rotation, f">{rotation.candidate}")

    async def test(self, rotation: Rotation) -> None:
        """Log in with it."""
        await self._log_in(rotation, rotation.candidate)

    async def retire(self, rotation: Rotation) -> None:
        """Take the old one away, unless it is gone already."""
        if _kept(rotation.current) in _passwords(await self._user(rotation)):
            await self._set_user(rotation, f"<{rotation.current}")

    async def _log_in(self, rotation: Rotation, password: str) -> None:
        url, user = await self._read_secret(rotation.options["admin_secret"]), rotation.options["user"]
        async with _open(url, username=user, password=password, db=0) as client:  # which needs no right to SELECT
            with suppress(exceptions.NoPermissionError):  # of a command, behind the password: the user may do little
                await client.execute_command("AUTH", user, password)

    async def _set_user(self, rotation: Rotation, change: str) -> None:
        url = await self._read_secret(rotation.options["admin_secret"])
        async with _open(url) as client:
            await client.execute_command("ACL", "SETUSER", rotation.options["user"], change)

    async def _user(self, rotation: Rotation) -> Mapping[str, Any]:
        self._check(rotation)
        url, name = await self._read_secret(rotation.options["admin_secret"]), rotation.options["user"]
        async with _open(url) as client:
            found: Mapping[str, Any] | None = await client.acl_getuser(name)
        if not found:
            raise RotationFailed(f"There is no user {name!r} at Redis; make it first.")
        return found

    @staticmethod
    def _check_kept(rotation: Rotation, user: Mapping[str, Any], *expected: str) -> None:
        if not _passwords(user) & set(map(_kept, expected)):
            raise RotationFailed(
                f"The user {rotation.options['user']!r} has other passwords than the one in {rotation.name!r}: a later "
                "rotation has begun, or somebody changed it. In that case give it the stored one, and this goes on."
            )

    @staticmethod
    def _check(rotation: Rotation) -> None:
        known(rotation.options, required={"admin_secret", "user"}, optional=RANDOM_OPTIONS)


def _passwords(user: Mapping[str, Any]) -> set[str]:
    return {kept.lstrip("#") for kept in user.get("passwords", [])}


def _kept(password: str) -> str:
    """A password as Redis keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()


@asynccontextmanager
async def _open(url: str, **instead: str | int) -> AsyncIterator[Any]:
    try:
        client = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, decode_responses=True
        )
    except ValueError:  # its text may quote the URL
        raise RotationFailed("The administrator's URL is none of Redis: rediss://user:password@host:6380.") from None
    try:
        client.connection_pool.connection_kwargs.update(instead)
        yield client
    except (exceptions.RedisError, OSError, TimeoutError) as error:
        raise RotationFailed(f"Redis did not do it ({type(error).__name__}: {error}).") from None
    finally:
        await client.aclose()
