"""From the text of an environment variable to where notices go. Every parser is as those in ``parsing``."""

import re
from typing import Final
from urllib.parse import urlsplit

from holdfast.config import parsing
from holdfast.domain.validation import CHANNEL_NAME, valid_addresses
from holdfast.errors import InvalidInput

Named = tuple[tuple[str, str], ...]

KINDS: Final = ("slack", "teams", "webhook", "mailto", "apprise")

_TOPIC: Final = re.compile(r"[a-z_.*]+", re.ASCII)
_RESERVED: Final = frozenset({"mail", "urgent"})


def mail_server(raw: str) -> str:
    """``smtp://[user:password@]host[:port]`` (STARTTLS) or ``smtps://…`` (TLS from the first byte)."""
    try:
        url = urlsplit(parsing.text(raw))
        valid = url.scheme in {"smtp", "smtps"} and bool(url.hostname) and url.port != 0
    except ValueError:
        valid = False
    if not valid or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("must be smtp://[user:password@]host[:port] or smtps://…; write / and @ in a password as %…")
    if (url.username is None) != (url.password is None):
        raise ValueError("must name both user and password, or neither.")
    return raw


def address(raw: str) -> str:
    """One bare e-mail address."""
    try:
        return valid_addresses([raw])[0]
    except InvalidInput:
        raise ValueError("must be one bare address like ops@example.com.") from None


def channels(raw: str) -> Named:
    """``NAME=KIND:ADDRESS``, separated by commas."""
    found = []
    for part in raw.split(","):
        name, _, place = part.strip().partition("=")
        kind, _, rest = place.partition(":")
        if not CHANNEL_NAME.fullmatch(name) or name in _RESERVED or kind not in KINDS or not rest:
            raise ValueError(
                f"must be NAME=KIND:ADDRESS, separated by commas (one inside an address is %2C); a KIND is one of "
                f"{', '.join(KINDS)}; a NAME is 1 to 32 of a-z, 0-9, - and _, and not {' or '.join(sorted(_RESERVED))}."
            )
        found.append((name, f"{kind}:{address(rest) if kind == 'mailto' else parsing.text(rest)}"))
    if len(dict(found)) < len(found):
        raise ValueError("gives one name twice.")
    return tuple(found)


def routes(raw: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """``NAME=TOPICS``, separated by commas; topics are globs, joined by ``+``."""
    pairs = [part.strip().partition("=") for part in raw.split(",")]
    found = tuple((name, tuple(topics.split("+"))) for name, _, topics in pairs)
    if not all(CHANNEL_NAME.fullmatch(name) and all(map(_TOPIC.fullmatch, topics)) for name, topics in found):
        raise ValueError("must be NAME=TOPIC+TOPIC, separated by commas, such as chat=secret.*+rotation.*,page=urgent.")
    if len(dict(found)) < len(found):
        raise ValueError("gives one name twice.")
    return found


def recipients(raw: str) -> tuple[str, ...]:
    """Names of channels and addresses, or ``*`` for all, separated by commas."""
    found = tuple(part.strip() for part in raw.split(","))
    if not all(each == "*" or CHANNEL_NAME.fullmatch(each) or ("@" in each and address(each)) for each in found):
        raise ValueError("must be names of channels or e-mail addresses, separated by commas, or *.")
    return found


def title(raw: str) -> str:
    """A short text for people."""
    if not raw.isprintable() or not 1 <= len(raw) <= 60:
        raise ValueError("must be 1 to 60 printable characters.")
    return raw
