"""``mysql``: the password of a MySQL user, who has both while a rotation is under way (MySQL 8.0.17 or newer).

The server gets hashes, never passwords. It has no place for a fence: before each change the user's first password is
looked at, and whoever finds another there than it expects comes too late.
"""

from collections.abc import Mapping, Set
from typing import Any, ClassVar

from holdfast.errors import RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.mysql_hashes import caching_hash, is_caching_hash_of
from holdfast.rotators.mysql_wire import account, admin_of, asked, host_of, log_in, text
from holdfast.rotators.options import BORROWS, ReadSecret, known
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value

_PLUGIN = "caching_sha2_password"


class MySqlUser(RotationHandler):
    """Options: ``admin_secret`` names the secret with the URL of an administrator, ``user`` the user, ``host`` the host
    of the account (default ``%``); besides, those of ``random``. The rotated secret is the bare password.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a hash of the candidate, and the candidate to log in"}
    reversible: ClassVar[bool] = True

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """Draw a password."""
        _options(rotation)
        return random_value(rotation.options)

    async def look(self, rotation: Rotation) -> None:
        """See that the user is there and not locked, and that the current password is its first one, and logs in."""
        admin = await admin_of(self._read_secret, rotation)

        def see(cursor: Any) -> None:
            password, is_locked = _account_of(cursor, rotation)
            if is_locked:
                raise RotationFailed(
                    f"The account {_who(rotation)} is locked: ALTER USER … ACCOUNT UNLOCK, if need be."
                )
            if not is_caching_hash_of(password, rotation.current):
                raise _changed(rotation)

        await asked(admin, see)
        await log_in(admin.of(rotation.options["user"], rotation.current))

    async def apply(self, rotation: Rotation) -> None:
        """Make it the first of two, the current one the second."""

        def change(cursor: Any) -> None:
            kept = _first_password(cursor, rotation)
            if is_caching_hash_of(kept, rotation.candidate):
                return
            if not is_caching_hash_of(kept, rotation.current):
                raise _changed(rotation)
            new = f"IDENTIFIED WITH {_PLUGIN} AS '{caching_hash(rotation.candidate)}' RETAIN CURRENT PASSWORD"
            cursor.execute(f"ALTER USER {_account(rotation)} {new}")

        await asked(await admin_of(self._read_secret, rotation), change)

    async def test(self, rotation: Rotation) -> None:
        """Log in with it."""
        admin = await admin_of(self._read_secret, rotation)
        await log_in(admin.of(rotation.options["user"], rotation.candidate))

    async def retire(self, rotation: Rotation) -> None:
        """Discard the second password, unless a later rotation has another first one by now."""

        def change(cursor: Any) -> None:
            if is_caching_hash_of(_first_password(cursor, rotation), rotation.candidate):
                cursor.execute(f"ALTER USER {_account(rotation)} DISCARD OLD PASSWORD")

        await asked(await admin_of(self._read_secret, rotation), change)


def _first_password(cursor: Any, rotation: Rotation) -> bytes:
    return _account_of(cursor, rotation)[0]


def _account_of(cursor: Any, rotation: Rotation) -> tuple[bytes, bool]:
    """The first password of the user, and whether the account is locked."""
    _options(rotation)
    cursor.execute("SELECT VERSION()")
    if "mariadb" in str(cursor.fetchone()[0]).lower():
        raise RotationFailed("That is a MariaDB: name the handler 'mariadb' or 'mariadb-pair' in the rotation policy.")
    user, host = text(rotation.options["user"]), text(host_of(rotation))
    cursor.execute(
        "SELECT plugin, CAST(authentication_string AS BINARY), account_locked FROM mysql.user "  # noqa: S608 - hex, see `text`
        f"WHERE User = {user} AND Host = {host}"
    )
    found = cursor.fetchone()
    if found is None:
        raise RotationFailed(f"There is no user {_who(rotation)} at the server: make it first, or name its 'host'.")
    if found[0] != _PLUGIN:
        raise RotationFailed(f"{_who(rotation)} logs in by {found[0]}: alter it to {_PLUGIN} first.")
    return bytes(found[1]), found[2] == "Y"


def _changed(rotation: Rotation) -> RotationFailed:
    return RotationFailed(
        f"{_who(rotation)} has another password than the one in {rotation.name!r}: a later rotation has begun, or "
        "somebody changed it. In that case give it the stored one, and this goes on."
    )


def _options(rotation: Rotation) -> None:
    known(rotation.options, required={"admin_secret", "user"}, optional=RANDOM_OPTIONS | {"host"})
    _account(rotation)


def _account(rotation: Rotation) -> str:
    return account(rotation.options["user"], host_of(rotation))


def _who(rotation: Rotation) -> str:
    return f"{rotation.options['user']!r}@{host_of(rotation)!r}"
