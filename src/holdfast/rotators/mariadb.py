"""``mariadb`` and ``mariadb-pair``: passwords of MariaDB users, who have one password each.

The server gets hashes, never passwords. MariaDB has no place for a fence; each change is one statement in which the
server itself first compares what it has with what the change is meant to replace, and so refuses whoever comes late.
"""

import enum
import secrets
from collections.abc import Mapping, Sequence, Set
from typing import Any, ClassVar, Final

from holdfast.errors import InvalidInput, RotationFailed
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.mysql_hashes import native_hash
from holdfast.rotators.mysql_wire import Login, account, admin_of, asked, host_of, log_in, login_of, text
from holdfast.rotators.options import BORROWS, ReadSecret, known, not_at_home, pair_of
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value

_CHANGE: Final = """
BEGIN NOT ATOMIC
    DECLARE found TEXT;
    IF COALESCE(GET_LOCK('holdfast rotation', 10), 0) <> 1 THEN
        SELECT 'busy';
    ELSE
        SELECT MAX(authentication_string) INTO found FROM mysql.user WHERE User = {user} AND Host = {host};
        IF found IS NULL THEN
            SELECT 'absent';
        ELSEIF found NOT IN ({expected}) THEN
            SELECT 'changed';
        ELSE
            ALTER USER {changed} IDENTIFIED VIA mysql_native_password USING '{new}';
            SELECT 'done';
        END IF;
        DO RELEASE_LOCK('holdfast rotation');
    END IF;
END
"""
"""``expected``: hashes, one of which the watched user must have. A lock that is left ends with the connection."""


_ACCOUNT: Final = """
SELECT authentication_string, JSON_CONTAINS(Priv, 'true', '$.account_locked') IS TRUE
FROM mysql.user JOIN mysql.global_priv USING (User, Host) WHERE User = {user} AND Host = {host}
"""


class _Outcome(enum.Enum):
    DONE, BUSY, ABSENT, CHANGED, LOCKED = "done", "busy", "absent", "changed", "locked"


class MariaDbUser(RotationHandler):
    """One user, one password: a new one ends the old at once, so that consumers must fetch it then.

    Options: ``admin_secret`` names the secret with the URL of an administrator, ``user`` the user, ``host`` the host of
    the account (default ``%``); besides, those of ``random``. The rotated secret is the bare password.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a hash of the candidate, and the candidate to log in"}

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """Draw a password."""
        self._options(rotation)
        return random_value(rotation.options)

    async def look(self, rotation: Rotation) -> None:
        """See that the user is there with the current password, which logs in."""
        self._options(rotation)
        admin, user = await admin_of(self._read_secret, rotation), rotation.options["user"]
        _check(await _found(admin, rotation, user, rotation.current), rotation, user)
        await log_in(admin.of(user, rotation.current))

    async def apply(self, rotation: Rotation) -> None:
        """Give it to the user, who must have the current one or this one already."""
        self._options(rotation)
        user, new = rotation.options["user"], native_hash(rotation.candidate)
        admin = await admin_of(self._read_secret, rotation)
        expected = (native_hash(rotation.current), new)
        _check(await _change(admin, rotation, watched=user, expected=expected, changed=user, new=new), rotation, user)

    async def test(self, rotation: Rotation) -> None:
        """Log in with it."""
        admin = await admin_of(self._read_secret, rotation)
        await log_in(admin.of(rotation.options["user"], rotation.candidate))

    @staticmethod
    def _options(rotation: Rotation) -> None:
        known(rotation.options, required={"admin_secret", "user"}, optional=RANDOM_OPTIONS | {"host"})
        account(rotation.options["user"], host_of(rotation))


class MariaDbUserPair(RotationHandler):
    """Two users in turn: while one is in use, the other gets a new password, and nobody is cut off.

    Options: ``admin_secret`` and ``host`` as above, ``users`` the two users, comma-separated; besides, those of
    ``random``. The rotated secret is a URL, ``mysql://user:password@host/database``; both need the same privileges.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a hash of the candidate, and the candidate to log in"}
    reversible: ClassVar[bool] = True

    def __init__(self, read_secret: ReadSecret) -> None:
        self._read_secret = read_secret

    async def create(self, rotation: Rotation) -> str:
        """The URL of the user that is not in use, with a new password."""
        users, admin = _pair(rotation), await admin_of(self._read_secret, rotation)
        in_use = _at_home(rotation, rotation.current, admin)
        return in_use.who.of(users[1 - users.index(in_use.user)], random_value(rotation.options))

    async def look(self, rotation: Rotation) -> None:
        """See that both users are there, and that the one in use logs in with the current password."""
        admin = await admin_of(self._read_secret, rotation)
        in_use, candidate = (_at_home(rotation, url, admin) for url in (rotation.current, rotation.candidate))
        for login, password in ((in_use, in_use.who.password), (candidate, None)):
            _check(await _found(admin, rotation, login.user, password), rotation, login.user)
        await log_in(admin.of(in_use.user, in_use.who.password, in_use.database))

    async def apply(self, rotation: Rotation) -> None:
        """Give that user its password, as long as the other still has the current one."""
        current, candidate = _credential(rotation, rotation.current), _credential(rotation, rotation.candidate)
        outcome = await self._change(rotation, current, candidate.user, native_hash(candidate.who.password))
        _check(outcome, rotation, current.user)

    async def test(self, rotation: Rotation) -> None:
        """Log in as that user."""
        admin = await admin_of(self._read_secret, rotation)
        candidate = _at_home(rotation, rotation.candidate, admin)
        await log_in(admin.of(candidate.user, candidate.who.password, candidate.database))

    async def retire(self, rotation: Rotation) -> None:
        """Take the password of the other user away, unless it has another by now."""
        current = _credential(rotation, rotation.current)
        unknown = native_hash(secrets.token_hex())  # of a password that nobody has
        outcome = await self._change(rotation, current, current.user, unknown)
        if outcome is _Outcome.BUSY:
            _check(outcome, rotation, current.user)

    async def _change(self, rotation: Rotation, current: Login, user: str, new: str) -> _Outcome:
        """Change a user as long as the one in use has the current password."""
        admin, expected = await admin_of(self._read_secret, rotation), (native_hash(current.who.password),)
        return await _change(admin, rotation, watched=current.user, expected=expected, changed=user, new=new)


async def _found(admin: Login, rotation: Rotation, user: str, password: str | None) -> _Outcome:
    """What is to be said of a user as it is now, who should have a password; None: any."""
    statement = _ACCOUNT.format(user=text(user), host=text(host_of(rotation)))

    def use(cursor: Any) -> _Outcome:
        _see_mariadb(cursor, admin)
        cursor.execute(statement)
        found = cursor.fetchone()
        if found is None:
            return _Outcome.ABSENT
        if found[1]:
            return _Outcome.LOCKED
        return _Outcome.DONE if password is None or found[0] == native_hash(password) else _Outcome.CHANGED

    return await asked(admin, use)


def _see_mariadb(cursor: Any, admin: Login) -> None:
    cursor.execute("SELECT VERSION()")
    if "mariadb" not in str(cursor.fetchone()[0]).lower():
        raise RotationFailed(f"{admin.host} is no MariaDB: name the handler 'mysql' in the rotation policy.")


async def _change(
    admin: Login, rotation: Rotation, *, watched: str, expected: Sequence[str], changed: str, new: str
) -> _Outcome:
    statement = _CHANGE.format(
        user=text(watched),
        host=text(host_of(rotation)),
        expected=", ".join(f"'{each}'" for each in expected),
        changed=account(changed, host_of(rotation)),
        new=new,
    )

    def use(cursor: Any) -> _Outcome:
        _see_mariadb(cursor, admin)
        cursor.execute(statement)
        return _Outcome(cursor.fetchone()[0])

    return await asked(admin, use)


def _check(outcome: _Outcome, rotation: Rotation, user: str) -> None:
    who = f"{user!r}@{host_of(rotation)!r}"
    if outcome is _Outcome.BUSY:
        raise RotationFailed("Another rotation is at work at this MariaDB; it is tried again.")
    if outcome is _Outcome.ABSENT:
        raise RotationFailed(f"There is no user {who} at the server: make it first, or name its 'host'.")
    if outcome is _Outcome.LOCKED:
        raise RotationFailed(f"The account {who} is locked: ALTER USER … ACCOUNT UNLOCK first.")
    if outcome is _Outcome.CHANGED:
        raise RotationFailed(
            f"{who} has another password than the one in {rotation.name!r}: a later rotation has begun, or somebody "
            "changed it. In that case give it the stored one (mysql_native_password), and this goes on."
        )


def _pair(rotation: Rotation) -> list[str]:
    known(rotation.options, required={"admin_secret", "users"}, optional=RANDOM_OPTIONS | {"host"})
    users = pair_of(rotation.options, "users")
    for user in users:
        account(user, host_of(rotation))
    return users


def _credential(rotation: Rotation, url: str) -> Login:
    login = login_of(url, f"The value of {rotation.name!r}")
    if login.user not in _pair(rotation):
        raise InvalidInput(f"The URL in {rotation.name!r} is of none of the two users in the option 'users'.")
    return login


def _at_home(rotation: Rotation, url: str, admin: Login) -> Login:
    """Return a credential of this secret, which must be of the administrator's server."""
    credential = _credential(rotation, url)
    if credential.place != admin.place:
        raise not_at_home(rotation)
    return credential
