"""Where a listing goes on: each link is judged before it is followed."""

import math
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from holdfast.stores.keyvault.pages import Page

MAX_PAGES: Final = 100_000
"""Pages of one listing: at 25 entries a page, fifty times the secrets of the largest vaults that were ever told of."""

MAX_EMPTY_PAGES: Final = 100
"""Pages without an entry, one after another. Key Vault may send some; the end comes with a page that has no link."""

MAX_HISTORY_BYTES: Final = 32 * 2**20
"""What one secret's versions may come to, since they are compared all at once: some 80,000 of them."""

_KNOWN: Final = frozenset({"api-version", "$skiptoken", "maxresults"})
_QUERY: Final = re.compile(r"[0-9A-Za-z\-._~%!$&'()*+,;=:@/?]{0,8192}", re.ASCII)  # RFC 3986, 3.4


class ListingEnds(Exception):
    """A listing cannot go on. Its text says why, and holds nothing of the answer."""


class Course:
    """One listing's way through its pages, from ``path`` on, at the vault's own address.

    A link may name another host, as where a vault is reached by a private name: it is followed by its path and its
    known members at our own address, since our token is for no one else. ``max_bytes``: what its entries may come to.
    """

    def __init__(self, path: str, host: str, *, max_pages: int = MAX_PAGES, max_bytes: float = math.inf) -> None:
        self._path, self._host, self._max_pages = path, _usual(host), max_pages
        self._left = max_bytes
        self._seen: set[int] = set()
        self._pages = self._empty = 0

    def after(self, page: Page) -> str | None:
        """Return path and query of the page that follows one, None at the end.

        Raises:
            ListingEnds: the link leads elsewhere, or in circles, or the listing has no end.
            ImplausibleAnswer: the link is no text.
        """
        link = page.next_link
        if link is None:
            return None
        following = self._followed(link)
        self._count(page, following)
        return following

    def _followed(self, link: str) -> str:
        parts = _split(link)
        if parts is None or parts.path.rstrip("/").lower() != self._path.lower():
            raise ListingEnds("its link to the next page leads elsewhere")
        members = [each for each in parts.query.split("&") if _name(each) != "api-version"]
        foreign = _usual(parts.netloc) not in ("", self._host)
        if not any(members) or (foreign and not {_name(each) for each in members} <= _KNOWN):
            raise ListingEnds("its link to the next page has members that are not Key Vault's")
        return f"{self._path}?{'&'.join(members)}"

    def _count(self, page: Page, following: str) -> None:
        marks = {hash(following), *([hash(page.entries)] if page.entries else [])}
        if marks & self._seen:
            raise ListingEnds("its pages repeat")
        self._seen |= marks
        self._pages += 1
        self._empty = 0 if page.entries else self._empty + 1
        self._left -= sum(map(len, page.entries))
        if self._left < 0:
            raise ListingEnds("it is longer than any that is read")
        if self._pages >= self._max_pages or self._empty >= MAX_EMPTY_PAGES:
            raise ListingEnds("its pages have no end")


def _usual(netloc: str) -> str:
    return netloc.lower().removesuffix(":443")


def _name(member: str) -> str:
    return member.partition("=")[0].lower().replace("%24", "$")


def _split(link: str) -> SplitResult | None:
    try:
        parts = urlsplit(link)
    except ValueError:  # brackets that hold no IPv6 address
        return None
    return parts if _QUERY.fullmatch(parts.query) else None
