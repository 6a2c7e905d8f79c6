"""Parsers for where traces go. See ``parsing`` for what all parsers promise."""

import re
from typing import Final
from urllib.parse import unquote, urlsplit

from holdfast.config.parsing import text

_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,128})\s*=\s*(\S.*?)\s*", re.ASCII)
_RATIO: Final = re.compile(r"(?:0|1|0?\.[0-9]{1,9}|[01]\.[0-9]{1,9})", re.ASCII)


def collector(raw: str) -> str:
    """The base address of an OTLP receiver; returned without a trailing slash."""
    try:
        url = urlsplit(text(raw))
        known = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        known = False
    if not known or "?" in raw or "#" in raw:
        raise ValueError("must be http://host:port or https://host, with a path if need be and no query.")
    if "@" in url.netloc:
        raise ValueError("must not contain a user name or password: give OTEL_EXPORTER_OTLP_HEADERS.")
    return raw.rstrip("/")


def headers(raw: str) -> tuple[tuple[str, str], ...]:
    """``name=value`` pairs, separated by commas, the values percent-encoded."""
    found = [_HEADER.fullmatch(part.strip()) for part in raw.split(",") if part.strip()]
    if not found or None in found or not raw.isprintable():
        raise ValueError("must be headers as name=value, separated by commas.")
    return tuple((each[1].lower(), unquote(each[2])) for each in found if each)


def ratio(raw: str) -> float:
    """A part of the whole."""
    if not _RATIO.fullmatch(raw) or not 0 <= float(raw) <= 1:
        raise ValueError("must be a number from 0 to 1, such as 0.05.")
    return float(raw)
