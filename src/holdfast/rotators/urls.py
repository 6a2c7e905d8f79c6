"""URLs that hold a user with its password."""

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit, urlunsplit


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
