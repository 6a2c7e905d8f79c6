"""Logging in with tokens of Microsoft Entra ID in the place of passwords: at PostgreSQL, and at Redis."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, urlsplit

PASSWORD: Final = "password"  # noqa: S105 - a word
ENTRA: Final = "entra"


def login_faults(
    database_url: str | None, database_login: str, redis_url: str | None, redis_login: str
) -> Iterator[str]:
    """Yield what keeps a token from being used, or would send it to a server that no one has verified.

    What a connection URI of PostgreSQL leaves to variables and files is judged when it is connected to.
    """
    if database_login == ENTRA:
        yield from _faults("DATABASE_URL", "HOLDFAST_DATABASE_LOGIN", database_url)
    if redis_login == ENTRA:
        yield from _faults("REDIS_URL", "HOLDFAST_REDIS_LOGIN", redis_url)
        if redis_url is not None and urlsplit(redis_url).scheme != "rediss":
            yield "HOLDFAST_REDIS_LOGIN is entra, and REDIS_URL has no TLS: a token is sent over rediss:// only."


def _faults(address: str, login: str, url: str | None) -> Iterator[str]:
    if url is None:
        yield f"{login} is entra, and there is no {address} to log in at: give it, or unset {login}."
    elif urlsplit(url).password or "password" in dict(parse_qsl(urlsplit(url).query)):
        yield f"{login} is entra, and {address} has a password: take it out, a token takes its place."
