"""Marked secrets, and the search for them in whatever form they may have leaked."""

import base64
import json
import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, quote_plus

from holdfast.telemetry.logs import JsonFormatter, Masked, TextFormatter

_KEEP = 8
"""Characters of a base64 form that depend on what stands beside it, at most, are cut off at each end."""


def canary(awkward: str = "") -> str:
    """64 characters that occur nowhere else; ``awkward`` ones are put into the middle, where encodings differ."""
    text = secrets.token_hex(32)
    return text[: 32 - len(awkward)] + awkward + text[32:]


def forms(text: str) -> set[bytes]:
    """How a secret may look once something has encoded it."""
    raw = text.encode()
    spelled = {
        raw,
        raw[::-1],
        text[::-1].encode(),
        json.dumps(text)[1:-1].encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        "".join(f"\\u{ord(char):04x}" for char in text).encode(),
        repr(text)[1:-1].encode(),
        repr(raw)[2:-1].encode(),
        quote(text, safe="").encode(),
        quote_plus(text).encode(),
        text.encode("utf-16-le"),
        raw.hex().encode(),
        raw.hex().upper().encode(),
        raw.hex(" ").encode(),
    }
    for shift in range(3):
        for alphabet in (base64.b64encode, base64.urlsafe_b64encode):
            spelled.add(alphabet(b"\0" * shift + raw)[_KEEP // 2 : -_KEEP // 2])
    return spelled


class Sweep:
    """What was seen where, and which secrets must not be in it."""

    def __init__(self) -> None:
        self._marked: dict[str, set[bytes]] = {}
        self._seen: dict[str, list[bytes]] = {}

    def mark(self, what: str, text: str) -> str:
        """Look for this secret as well; returns it."""
        self._marked[what] = forms(text)
        return text

    def saw(self, where: str, *things: object) -> None:
        """Take note of what came out: bytes, or whatever can be shown in its usual ways."""
        found = self._seen.setdefault(where, [])
        for thing in things:
            found += [thing] if isinstance(thing, bytes) else _shown(thing)

    def saw_files(self, where: str, folder: Path) -> None:
        """Take note of the contents of every file below a folder."""
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        assert files, f"nothing in {where}"
        self.saw(where, *(file.read_bytes() for file in files))

    @property
    def places(self) -> set[str]:
        """Where something was seen."""
        return {where for where, found in self._seen.items() if any(found)}

    def hits(self) -> list[tuple[str, str, bytes]]:
        """(secret, place, surroundings) of everything found."""
        return [
            (what, where, content[max(0, at - 80) : at + 80])
            for where, found in self._seen.items()
            for content in found
            for what, spellings in self._marked.items()
            for at in _finds(content, spellings)
        ]


def _finds(content: bytes, spellings: Iterable[bytes]) -> Iterator[int]:
    for spelling in spellings:
        if (at := content.find(spelling)) >= 0:
            yield at


def _shown(thing: object) -> list[bytes]:
    texts = [str(thing), repr(thing), f"{thing}"]
    if isinstance(thing, BaseException):
        texts += [repr(thing.args), repr(vars(thing)), *(repr(getattr(thing, each, "")) for each in ("doc", "object"))]
        for linked in (thing.__cause__, thing.__context__):
            if linked is not None:
                return [text.encode("utf-8", "replace") for text in texts] + _shown(linked)
    if isinstance(thing, Mapping):
        texts += [repr(dict(thing))]
    return [text.encode("utf-8", "replace") for text in texts]


@contextmanager
def all_logs() -> Iterator[list[str]]:
    """Everything that any logger says at any level, tracebacks and all."""
    lines: list[str] = []
    formatters = (logging.Formatter("%(name)s %(message)s"), Masked(TextFormatter()), Masked(JsonFormatter()))

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(repr(record.args))
            lines.extend(formatter.format(record) for formatter in formatters)

    root, keep = logging.getLogger(), Keep(logging.DEBUG)
    levels = {logger: logger.level for logger in (root, *_loggers())}
    root.addHandler(keep)
    for logger in levels:
        logger.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(keep)
        for logger, level in levels.items():
            logger.setLevel(level)


def _loggers() -> list[logging.Logger]:
    return [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
