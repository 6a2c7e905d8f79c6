"""What handlers declare of themselves is what they do: which secrets they borrow, and where they send credentials."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from uuid import UUID

import pytest

from holdfast.bootstrap.rotation import built_in
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretValue
from holdfast.errors import HoldfastError, InvalidInput
from holdfast.ports import Rotation, RotationHandler

ORIGIN = "https://127.0.0.1:1"
"""Where nobody listens."""

OPTIONS = {
    "random": {},
    "postgresql": {"admin_secret": "lent", "role": "app"},
    "postgresql-pair": {"admin_secret": "lent", "roles": "a,b"},
    "redis": {"admin_secret": "lent", "user": "app"},
    "mariadb": {"admin_secret": "lent", "user": "app"},
    "mariadb-pair": {"admin_secret": "lent", "users": "a,b"},
    "mysql": {"admin_secret": "lent", "user": "app"},
    "rabbitmq-pair": {"admin_secret": "lent", "users": "a,b"},
    "webhook": {"url": f"{ORIGIN}/rotate", "signing_secret": "lent"},
}
SCHEMES = {"redis": "redis", "mariadb": "mysql", "mariadb-pair": "mysql", "mysql": "mysql", "rabbitmq-pair": "https"}


class Watched(dict[str, str]):
    """Options that note which of them were looked at."""

    def __init__(self, options: Mapping[str, str]) -> None:
        super().__init__(options)
        self.looked_at: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.looked_at.add(key)
        return super().__getitem__(key)


def rotation_of(options: Mapping[str, str], scheme: str) -> Rotation:
    url = f"{scheme}://a:first@127.0.0.1:1/app" if options.keys() & {"roles", "users"} else "first"
    return Rotation(
        name=SecretName("app"),
        run_id=UUID(int=1),
        fence=1,
        current_value=SecretValue(url),
        candidate_value=SecretValue(url.replace("//a:", "//b:")),
        options=options,
    )


async def lent_to(handler_name: str) -> tuple[set[str], RotationHandler]:
    """Let a handler take all its steps with nobody there; returns which secrets it read."""
    lent: set[str] = set()
    scheme = SCHEMES.get(handler_name, "postgresql")

    async def read(name: str) -> str:
        lent.add(name)
        return "whsec_" + "a" * 43 + "=" if handler_name == "webhook" else f"{scheme}://admin:x@127.0.0.1:1/"

    handler = built_in(read, (ORIGIN,))[handler_name]
    rotation = rotation_of(OPTIONS[handler_name], scheme)
    for step in (handler.create, handler.look, handler.apply, handler.test, handler.retire):
        try:
            await step(rotation)
        except HoldfastError:
            continue
    return lent, handler


@pytest.mark.parametrize("name", OPTIONS)
async def test_what_a_handler_borrows_is_what_it_declares(name: str) -> None:
    lent, handler = await lent_to(name)
    assert lent == {OPTIONS[name][option] for option in handler.borrows}
    assert handler.borrows <= OPTIONS[name].keys()
    assert set(handler.sends) <= OPTIONS[name].keys()


async def nothing(_: str) -> str:
    return ""


def handlers() -> Iterator[tuple[str, RotationHandler]]:
    yield from built_in(nothing).items()


def test_every_built_in_handler_is_looked_at_here() -> None:
    assert {name for name, _ in handlers()} == set(OPTIONS)


@pytest.mark.parametrize(("name", "handler"), list(handlers()), ids=[name for name, _ in handlers()])
def test_who_reaches_out_says_so_itself(name: str, handler: RotationHandler) -> None:
    reaches_out = name != "random"
    assert ("borrows" in vars(type(handler))) is reaches_out
    assert bool(handler.sends) is reaches_out


ELSEWHERE = (
    ("postgresql-pair", "postgresql://a:first@evil.example:5432/app"),
    ("postgresql-pair", "postgresql://a:first@db.example:5433/app"),
    ("postgresql-pair", "postgresql://a:first@db.example/app?host=evil.example"),
    ("postgresql-pair", "postgresql://a:first@db.example,evil.example/app"),
    ("mariadb-pair", "mysql://a:first@evil.example/app"),
    ("mariadb-pair", "mysql://a:first@db.example:3307/app"),
    ("mariadb-pair", "mysql://a:first@db.example/app?unix_socket=/tmp/evil"),
    ("rabbitmq-pair", "amqps://a:first@evil.example/app"),
)
"""Whoever may set a secret chooses its URL."""


@pytest.mark.parametrize(("name", "url"), ELSEWHERE)
async def test_no_step_follows_a_url_to_another_server(name: str, url: str) -> None:
    """Neither with the candidate nor by making one that a consumer would take there."""
    scheme = SCHEMES.get(name, "postgresql")

    async def read(_: str) -> str:
        return f"{scheme}://admin:x@db.example/"

    handler = built_in(read)[name]
    rotation = replace(
        rotation_of(OPTIONS[name], scheme),
        current_value=SecretValue(url),
        candidate_value=SecretValue(url.replace("//a:", "//b:")),
    )
    for step in (handler.create, handler.look, handler.apply, handler.test):
        if (name, step.__name__) in (("rabbitmq-pair", "test"), ("rabbitmq-pair", "apply"), ("mariadb-pair", "apply")):
            continue  # these speak to the administrator's server alone
        with pytest.raises(InvalidInput, match="'admin_secret'"):
            await step(rotation)


async def test_two_urls_of_one_server_go_together() -> None:
    async def read(_: str) -> str:
        return "postgresql://admin:x@DB.example/postgres?sslmode=require"

    rotation = replace(
        rotation_of(OPTIONS["postgresql-pair"], "postgresql"),
        current_value=SecretValue("postgresql://a:first@db.example:5432/app"),
    )
    made = await built_in(read)["postgresql-pair"].create(rotation)
    assert made.startswith("postgresql://b:")
    assert made.endswith("@db.example:5432/app")
