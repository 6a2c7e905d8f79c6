"""How a node's logs look: readable lines or JSON, each with the id of what it is about, and no secret in either.

Every handler that ``install_logs`` makes formats through ``Masked``, and so does whatever libraries log in this
process. An application that uses the library has handlers of its own; ``Masked`` fits around their formatters.
"""

import copy
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final, TextIO

import msgspec

from holdfast.domain.secret import MASK
from holdfast.resilience.correlation import correlation_id
from holdfast.telemetry.masking import error_text, masked, masked_text, plain, telling

ACCESS_LOG: Final = "holdfast.access"
"""The logger of requests that were answered."""

_KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""What every record has; the rest was given as ``extra``."""

_IN_THE_TEXT: Final = frozenset({"event", "facts"})
"""What a readable line says in words."""

_MAX_CHAIN: Final = 10
"""Causes of one error that are shown."""

_TURNING: Final = (*range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Line and paragraph ends of Unicode, and what makes a line be shown in another order than it has."""

_CONTROL: Final = {
    **{code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code not in (9, 10)},
    **{code: f"\\u{code:04x}" for code in _TURNING},
}
_JSON_CONTROL: Final = {code: f"\\u{code:04x}" for code in (*range(127, 160), *_TURNING)}
"""JSON need not escape these. A terminal obeys them all the same."""


class Masked(logging.Formatter):
    """Formats as ``inner`` does, what is left of a record when its secrets are masked."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the line or lines of a record."""
        shown = copy.copy(record)
        shown.msg, shown.args = _message(record), None
        shown.exc_info = None
        shown.exc_text = "\n".join(_chain(record)) or None  # formatters append it as they find it
        shown.stack_info = masked_text(record.stack_info) if record.stack_info else None
        for name, value in _extra(record).items():
            setattr(shown, name, MASK if telling(name) else plain(value))
        return self._inner.format(shown)


class TextFormatter(logging.Formatter):
    """``time level [process] logger: message (id)``. Further lines are indented, so that none is forged."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text."""
        about = f" ({found})" if (found := correlation_id()) else ""
        extra = "".join(f" {name}={value}" for name, value in _extra(record).items() if name not in _IN_THE_TEXT)
        text = "\n".join(filter(None, (f"{record.getMessage()}{about}{extra}", record.exc_text, record.stack_info)))
        text = text.translate(_CONTROL).replace("\n", "\n    ")
        return f"{_time(record)} {record.levelname} [{record.process}] {record.name}: {text}"


class JsonFormatter(logging.Formatter):
    """One JSON object per line; what was given as ``extra`` stands beside the usual members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as JSON."""
        members: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
        }
        if found := correlation_id():
            members["request_id"] = found
        if record.exc_text:
            members["error"] = record.exc_text
        if record.stack_info:
            members["stack"] = record.stack_info
        extra = _extra(record)
        facts = extra.pop("facts", None)
        extra |= facts if isinstance(facts, dict) else {}
        return msgspec.json.encode(extra | members).decode().translate(_JSON_CONTROL)


_QUIETER: Final[Mapping[str, int]] = {
    "asyncpg.pool": logging.CRITICAL,
    "azure.identity": logging.ERROR,
    "uvicorn.error": logging.ERROR,
}
"""From which level on these loggers are heard: the first two tell again and again of outages that we tell of once, with
a trace or with what an endpoint wrote; the last of every malformed request, of which anybody may send any number."""

FORMATTERS: Final[Mapping[str, type[logging.Formatter]]] = {"text": TextFormatter, "json": JsonFormatter}


class SafeHandler(logging.StreamHandler[TextIO]):
    """Writes through a formatter. Of a line that it cannot write it says so, and not what was to be in it."""

    def __init__(self, formatter: logging.Formatter, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(formatter)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Tell of the line."""
        kind = sys.exc_info()[0]
        try:
            self.stream.write(f"A log line of {record.name} is lost: {kind.__name__ if kind else 'unknown'}\n")
        except (OSError, ValueError):  # there is nobody to tell
            return


def install_logs(level: str, form: str = "text", *, requests: bool = False, stream: TextIO | None = None) -> None:
    """Log to stderr, everything that this process logs, unless it has handlers already.

    Args:
        level: the least that is logged: debug, info, warning or error. Libraries log warnings and errors at most,
            but with debug everything.
        form: ``text`` or ``json``.
        requests: whether to log a line for each of them, whatever the level is.
    """
    logging.getLogger(ACCESS_LOG).setLevel(logging.INFO if requests else logging.WARNING)
    if logging.getLogger().handlers:
        return
    handler = SafeHandler(Masked(FORMATTERS[form]()), stream or sys.stderr)
    logging.basicConfig(level=level.upper() if level in {"debug", "error"} else logging.WARNING, handlers=[handler])
    logging.getLogger("holdfast").setLevel(level.upper())
    for name, least in _QUIETER.items() if level != "debug" else ():
        logging.getLogger(name).setLevel(least)


def _message(record: logging.LogRecord) -> str:
    shown = copy.copy(record)
    args = record.args
    shown.args = masked(args) if isinstance(args, Mapping) else tuple(masked(each) for each in args or ())  # type: ignore[assignment]  # a mapping stays one
    shown.msg = record.msg if isinstance(record.msg, str) else str(masked(record.msg))
    try:
        return masked_text(shown.getMessage())
    except Exception:  # arguments that do not fit: whoever wrote the line is at fault, and nobody else shall suffer
        return masked_text(shown.msg)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in _KNOWN}


def _chain(record: logging.LogRecord) -> Iterator[str]:
    """The error of a record and what led to it, the first cause first: kinds, places, and texts that are ours."""
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    found: list[BaseException] = []
    while error is not None and error not in found and len(found) < _MAX_CHAIN:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for each in reversed(found):
        text = error_text(each)
        frames = "".join(traceback.format_tb(each.__traceback__)).rstrip()
        yield "\n".join(filter(None, (frames, f"{type(each).__qualname__}{f': {text}' if text else ''}")))


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
