"""URLs that hold a user with its password."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

_PLACING: Final = frozenset({"host", "hostaddr", "port", "service", "servicefile", "passfile", "unix_socket"})
"""Settings in the query of a URL by which a driver finds another server than the one in front of it."""


@dataclass(frozen=True, slots=True, repr=False)
class UserUrl:
    """A URL, and whom it is for. Printing it shows nothing."""

    url: str
    user: str
    password: str

    def of(self, user: str, password: str) -> str:
        """The same URL for another user."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{host}"))

    def anonymous(self) -> str:
        """The same URL for nobody, without query."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def user_url(url: str) -> UserUrl | None:
    """Read such a URL; None if it is none."""
    try:
        parts = urlsplit(url)
        user, password, _ = parts.username, parts.password, parts.port
    except ValueError:
        return None
    if not user or password is None or not parts.scheme:
        return None
    return UserUrl(url, unquote(user), unquote(password))


def place_of(url: str, usual_port: int) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """Return which server a URL names: host, port, and the settings that say otherwise. Two URLs of equal places lead
    to the same one.
    """
    parts = urlsplit(url)
    settings = parse_qsl(parts.query, keep_blank_values=True)
    host = parts.netloc.rpartition("@")[2].lower() if "," in parts.netloc else parts.hostname or ""
    return host, parts.port or usual_port, tuple(sorted(each for each in settings if each[0].lower() in _PLACING))
