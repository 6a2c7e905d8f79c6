"""``rabbitmq-pair``: two RabbitMQ users in turn, by the broker's management API, as a user has one password.

The broker gets salted hashes, never passwords. It has no place for a fence: before each change the user in use is
looked at, and whoever finds another password there than it expects comes too late.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Collection, Mapping, Set
from http import HTTPStatus
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import msgspec

from holdfast.errors import UNREADABLE, InvalidInput, RotationFailed
from holdfast.outbound.posting import Answer, NoAnswerError, call
from holdfast.outbound.targets import permitted
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import BORROWS, ReadSecret, known, pair_of
from holdfast.rotators.random_value import OPTIONS as RANDOM_OPTIONS
from holdfast.rotators.random_value import random_value
from holdfast.rotators.urls import UserUrl, user_url

_ALGORITHMS: Final = {"rabbit_password_hashing_sha256": "sha256", "rabbit_password_hashing_sha512": "sha512"}
_KNOWN: Final = ", ".join(sorted(_ALGORITHMS.values()))
_SALT: Final = 4
"""Bytes, as RabbitMQ has it; the passwords have 190 random bits."""

_NO_MANAGER: Final = b"management user"
"""Of the answer to a user that is let in, but not into the management API."""


class RabbitMqUserPair(RotationHandler):
    """While one user is in use, the other gets a new password, and nobody is cut off.

    Options: ``admin_secret`` names the secret with the URL of the management API with an administrator, ``users`` the
    two users, comma-separated; besides, those of ``random``. The rotated secret is a URL with a user and its password,
    such as ``amqps://user:password@host/vhost``; both users need the same permissions.

    Args:
        read_secret: gives out the administrator's URL.
        allowed: origins that may be called although they are private, or not https on port 443.
    """

    borrows: ClassVar[Set[str]] = BORROWS
    sends: ClassVar[Mapping[str, str]] = {"admin_secret": "a hash of the candidate, and the candidate to log in"}
    reversible: ClassVar[bool] = True

    def __init__(self, read_secret: ReadSecret, allowed: Collection[str] = ()) -> None:
        self._read_secret, self._allowed = read_secret, frozenset(allowed)

    async def create(self, rotation: Rotation) -> str:
        """The URL of the user that is not in use, with a new password."""
        users, in_use = _pair(rotation), _credential(rotation, rotation.current)
        self._check_home(rotation, in_use, await self._api(rotation))
        return in_use.of(users[1 - users.index(in_use.user)], random_value(rotation.options))

    async def look(self, rotation: Rotation) -> None:
        """See that both users are there, with the same right to the URL's vhost, and that the current one logs in."""
        api, current = await self._api(rotation), _credential(rotation, rotation.current)
        candidate = _credential(rotation, rotation.candidate)
        self._check_home(rotation, candidate, api)
        self._check_home(rotation, current, api)
        await self._check_current(rotation, api, current)
        await api.user(candidate.user)
        vhost = unquote(urlsplit(current.url).path.removeprefix("/")) or "/"
        if await api.may_use(vhost, current.user) and not await api.may_use(vhost, candidate.user):
            raise RotationFailed(
                f"The user {candidate.user!r} has no permissions in the vhost {vhost!r}; set them first."
            )
        await self._log_in(api, current)

    async def apply(self, rotation: Rotation) -> None:
        """Give that user its password, as long as the other still has the current one."""
        api, current = await self._api(rotation), _credential(rotation, rotation.current)
        candidate = _credential(rotation, rotation.candidate)
        self._check_home(rotation, candidate, api)
        await self._check_current(rotation, api, current)
        found = await api.user(candidate.user)
        await api.give(candidate.user, found, hashed(found, candidate.password))

    async def test(self, rotation: Rotation) -> None:
        """Log in as that user."""
        api, candidate = await self._api(rotation), _credential(rotation, rotation.candidate)
        await self._log_in(api, candidate)

    async def retire(self, rotation: Rotation) -> None:
        """Take the password of the other user away, unless it has another by now."""
        api, current = await self._api(rotation), _credential(rotation, rotation.current)
        found = await api.user(current.user)
        if is_of(found, current.password):
            await api.give(current.user, found, "")

    @staticmethod
    async def _log_in(api: "_Api", credential: UserUrl) -> None:
        answer = await api.ask("GET", "/api/whoami", who=credential)
        if answer.status != HTTPStatus.OK and _NO_MANAGER not in answer.body:
            raise RotationFailed(f"RabbitMQ did not let {credential.user!r} in ({answer.status}).")

    @staticmethod
    async def _check_current(rotation: Rotation, api: "_Api", current: UserUrl) -> None:
        if not is_of(await api.user(current.user), current.password):
            raise RotationFailed(
                f"The user {current.user!r} has another password than the one in {rotation.name!r}: a later rotation "
                "has begun, or somebody changed it. In that case give it the stored one, and this goes on."
            )

    @staticmethod
    def _check_home(rotation: Rotation, credential: UserUrl, api: "_Api") -> None:
        """See that a URL of this secret is of the host that the management API is on; ports differ by nature."""
        if urlsplit(credential.url).hostname != api.host:
            raise InvalidInput(
                f"The URL in {rotation.name!r} names another host than the secret in 'admin_secret': name the same one."
            )

    async def _api(self, rotation: Rotation) -> "_Api":
        name = rotation.options["admin_secret"]
        return _Api(await self._read_secret(name), name, self._allowed)


class _Api:
    """The management API, as its administrator."""

    def __init__(self, url: str, name: str, allowed: Collection[str]) -> None:
        admin = user_url(url)
        given = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) if admin else {}
        if admin is None or not url.startswith("https://") or set(given) - {"ssl_ca"}:
            raise InvalidInput(
                f"The secret {name!r} that 'admin_secret' names must be the URL of RabbitMQ's management API: "
                "https://user:password@host:15671, with ?ssl_ca=/path where its certificate is of a CA of your own."
            )
        self._admin, self._allowed = admin, allowed
        self._ca_file = Path(given["ssl_ca"]) if given.get("ssl_ca") else None
        self._root = admin.anonymous().rstrip("/")
        try:
            permitted(self._root, allowed)
        except ValueError as error:
            raise InvalidInput(
                f"The URL in the secret {name!r} {error}. Other targets are allowed by their origin in "
                "HOLDFAST_WEBHOOK_TARGETS.",
            ) from None

    @property
    def host(self) -> str | None:
        """Where it is."""
        return urlsplit(self._root).hostname

    async def user(self, name: str) -> Mapping[str, Any]:
        """What the broker keeps of a user."""
        answer = await self.ask("GET", _path(name))
        if answer.status == HTTPStatus.NOT_FOUND:
            raise RotationFailed(f"There is no user {name!r} at RabbitMQ; make it first.")
        found = _checked(answer).body
        try:
            return msgspec.json.decode(found, type=dict[str, Any])
        except UNREADABLE:
            raise RotationFailed("That is no management API of RabbitMQ: its answer is no user.") from None

    async def may_use(self, vhost: str, user: str) -> bool:
        """Whether a user has permissions in a vhost."""
        answer = await self.ask("GET", f"/api/permissions/{quote(vhost, safe='')}/{quote(user, safe='')}")
        return answer.status == HTTPStatus.OK

    async def give(self, name: str, found: Mapping[str, Any], password_hash: str) -> None:
        """Change the hash of a user, and nothing else of it."""
        tags = found.get("tags", "")
        body = {
            "password_hash": password_hash,
            "hashing_algorithm": found["hashing_algorithm"],
            "tags": tags if isinstance(tags, str) else ",".join(tags),
        }
        _checked(await self.ask("PUT", _path(name), msgspec.json.encode(body)))

    async def ask(self, method: str, path: str, body: bytes | None = None, who: UserUrl | None = None) -> Answer:
        """One request, as the administrator or as somebody else."""
        asking = who or self._admin
        credential = base64.b64encode(f"{asking.user}:{asking.password}".encode()).decode()
        headers = {"authorization": f"Basic {credential}", "content-type": "application/json"}
        try:
            return await call(method, f"{self._root}{path}", body, headers, self._allowed, ca_file=self._ca_file)
        except NoAnswerError as error:
            raise RotationFailed(f"RabbitMQ at {error}") from None


def _path(user: str) -> str:
    return f"/api/users/{quote(user, safe='')}"


def _checked(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise RotationFailed(
            f"RabbitMQ answered {answer.status}; the user in 'admin_secret' needs the tag administrator."
        )
    return answer


def hashed(found: Mapping[str, Any], password: str) -> str:
    """What RabbitMQ keeps of a user's password: made here, so that the password is never sent."""
    salt = os.urandom(_SALT)
    return base64.b64encode(salt + _digest(found, salt, password)).decode()


def is_of(found: Mapping[str, Any], password: str) -> bool:
    """Whether a user has a password."""
    try:
        kept = base64.b64decode(str(found.get("password_hash", "")), validate=True)
    except ValueError:
        return False
    return hmac.compare_digest(kept[_SALT:], _digest(found, kept[:_SALT], password))


def _digest(found: Mapping[str, Any], salt: bytes, password: str) -> bytes:
    algorithm = _ALGORITHMS.get(str(found.get("hashing_algorithm", "")))
    if algorithm is None:
        raise RotationFailed(f"RabbitMQ keeps passwords in a form that is not known here; known are {_KNOWN}.")
    return hashlib.new(algorithm, salt + password.encode()).digest()


def _pair(rotation: Rotation) -> list[str]:
    known(rotation.options, required={"admin_secret", "users"}, optional=RANDOM_OPTIONS)
    return pair_of(rotation.options, "users")


def _credential(rotation: Rotation, url: str) -> UserUrl:
    credential = user_url(url)
    if credential is None:
        raise InvalidInput(f"{rotation.name!r} must hold a URL with a user: amqps://user:password@host/vhost.")
    if credential.user not in _pair(rotation):
        raise InvalidInput(f"The URL in {rotation.name!r} is of none of the two users in the option 'users'.")
    return credential
