"""URLs that hold a user with its password."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

_PLACING: Final = frozenset({"host", "hostaddr", "port", "service", "servicefile", "passfile", "unix_socket"})
"""Settings in the query of a URL by which a driver finds another server than the one in front of it."""


_USER: Final = re.compile(r"([a-z][a-z0-9+.-]*://)[^/?#]*@", re.IGNORECASE)
"""What comes before the host of a URL."""


@dataclass(frozen=True, slots=True, repr=False)
class UserUrl:
    """A URL, and whom it is for. Printing it shows nothing."""

    url: str
    user: str
    password: str

    def of(self, user: str, password: str) -> str:
        """The same URL for another user; all else of it stays as it was written."""
        there = f"{quote(user, safe='')}:{quote(password, safe='')}@"
        return _USER.sub(lambda found: found[1] + there, self.url, count=1)

    def anonymous(self) -> str:
        """The same URL for nobody, without query."""
        parts = urlsplit(self.url)
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def user_url(url: str) -> UserUrl | None:
    """Read such a URL of one host; None if it is none."""
    found = url_of_hosts(url)
    return found if found and "," not in urlsplit(url).netloc.rpartition("@")[2] else None


def url_of_hosts(url: str) -> UserUrl | None:
    """Read such a URL, which may name several hosts; None if it is none."""
    try:
        parts, _ = urlsplit(url), hosts_of(url, 0)
        user, password = parts.username, parts.password
    except ValueError:
        return None
    if not user or password is None or not parts.scheme:
        return None
    return UserUrl(url, unquote(user), unquote(password))


def hosts_of(url: str, usual_port: int) -> frozenset[tuple[str, int]]:
    """Return the hosts that a URL names before its path, with their ports.

    Raises:
        ValueError: a port is none.
    """
    each = (urlsplit(f"//{host}") for host in urlsplit(url).netloc.rpartition("@")[2].split(","))
    return frozenset((host.hostname or "", host.port or usual_port) for host in each)


def place_of(url: str, usual_port: int) -> tuple[object, ...]:
    """Return which server a URL names: hosts, ports, and the settings that say otherwise. Two URLs of equal places lead
    to the same one.

    Raises:
        ValueError: a port is none.
    """
    settings = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return hosts_of(url, usual_port), tuple(sorted(each for each in settings if each[0].lower() in _PLACING))
