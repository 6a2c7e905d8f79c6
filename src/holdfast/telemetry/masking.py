"""What is logged, without the secrets in it.

Two nets, one behind the other. Arguments are masked by what they are: a secret, a mapping's member with a telling name,
an exception whose text is not ours. Then the finished text is searched for what looks like a credential: headers, our
tokens, JWTs, passwords in URLs, private keys, members of quoted documents. What neither can know is a plaintext that an
application has taken out of a ``Secret`` and logs as any other text.
"""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, Final
from urllib.parse import ParseResult, SplitResult

import msgspec

from holdfast.domain.secret import MASK, Secret, SecretValue
from holdfast.errors import HoldfastError

MAX_DEPTH: Final = 6
"""Of nested containers; what lies deeper is not shown."""

MAX_ITEMS: Final = 100
"""Of one container; the others are not shown."""

MAX_TEXT: Final = 32_768
"""Characters of one text; the others are not shown."""

_TELLING: Final = (
    r"(?:[\w.-]{0,64}(?:passw(?:or)?d|pwd|passphrase|secret|token|api[_-]?key|account[_-]?key|access[_-]?key"
    r"|private[_-]?key|encryption[_-]?key|decryption[_-]?key|data[_-]?key|signing[_-]?key|instrumentation[_-]?key"
    r"|connection[_-]?string|notice[_-]?channels|otlp[_-]?headers|recovery[_-]?code|totp|credentials?|authorization"
    r"|cookie)[\w.-]{0,64}|(?:[\w.-]{0,64}[_.-])?(?:value|assertion)|body|plaintext|sig)"
)
_TELLING_NAME: Final = re.compile(_TELLING, re.IGNORECASE)
_HARMLESS_NAME: Final = re.compile(r"[\w.-]*[_.-](?:ids?|names?|type|versions?|url|count|at|expires_in)", re.IGNORECASE)
_QUOTED: Final = r"""(?:b?\\?"(?:[^"\\]|\\.)*"?|b?'(?:[^'\\]|\\.)*'?)"""
_SHAPES: Final = (
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*KEY[A-Z ]*-----|\Z)", re.DOTALL
        ),
        MASK,
    ),
    (re.compile(r"((?:authorization|cookie)\b\\?['\"]?\s*[:=,]\s*)[^\r\n]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b((?:Bearer|Basic|SharedAccessSignature)\s+)[^\s'\",;]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\beyJ[\w-]{4,}(?:\.[\w-]*)+"), MASK),
    (re.compile(r"\bholdfast_[0-9A-Za-z]{20,}"), MASK),
    (re.compile(r"\b(?:hfs?_[\w-]{8,}|whsec_[\w+/=-]{8,}|hv[sb]\.[\w-]{8,}|gh[a-z]_\w{16,}|xox[a-z]-[\w-]{8,})"), MASK),
    # What follows a colon is no password if it is a port; a password may have anything in it that is not escaped.
    (
        re.compile(
            r"\b([a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]*:)(?!\d{1,5}(?:[/?#\s]|$))[^\s\"]{0,256}(?=@)", re.IGNORECASE
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"(://)[^\s/:@'\"]{16,}(?=@)"), rf"\1{MASK}"),
    (re.compile(r"(hooks\.slack\.com/\w{1,20}/)[^\s'\",]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b(\w{0,32}(?:DECRYPTION_KEYS|NOTICE_CHANNELS|OTLP_HEADERS|CONNECTION_STRING)=)\S+"), rf"\1{MASK}"),
    (
        re.compile(r"((?<![\w.-])(?:passw(?:or)?d|passphrase|pwd)\s{0,8}[:=]\s{1,8})[^\s'\",;)]+", re.IGNORECASE),
        rf"\1{MASK}",
    ),
    (re.compile(r"\b(x-[\w-]{0,40}(?:token|key|secret)\s{0,4}:\s{0,4})[^\s'\",;]+", re.IGNORECASE), rf"\1{MASK}"),
    (re.compile(r"\b((?:password|identified by)\s{1,4})'(?:[^'\\]|\\.|'')*'?", re.IGNORECASE), rf"\1{MASK}"),
)
_MEMBER: Final = re.compile(
    rf"""(?P<name>\\?["']{_TELLING}\\?["']\s*[:=,]\s*|(?<![\w.-]){_TELLING}="""
    rf"""|(?:^|[\r\n{{,])[ \t]*{_TELLING}:\ ?)"""
    rf"""(?:{_QUOTED}|[\[{{].*|[^\s,;&'"}})\]]+)""",
    re.IGNORECASE | re.DOTALL,
)
_AROUND: Final = "\\\"' \t\r\n:=,"


def masked_text(text: str) -> str:
    """Return a text without what looks like a credential in it."""
    text = text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate would be the end of the line
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    return _MEMBER.sub(_masked_member, text)


def masked(thing: object, depth: int = 0) -> object:
    """Return a thing as it may be logged: what can hold a secret becomes plain data without; the rest stays.

    The text that comes of what stays is yet to go through ``masked_text``.
    """
    for kind, how in _BY_KIND:
        if isinstance(thing, kind):
            return how(thing, depth + 1) if depth < MAX_DEPTH else "…"
    params = getattr(type(thing), "__dataclass_params__", None)
    if params is not None and params.repr and is_dataclass(thing):  # it shows all of its fields
        return _mapping({each.name: getattr(thing, each.name, None) for each in fields(thing) if each.repr}, depth + 1)
    return thing


def plain(thing: object) -> object:
    """Return a thing as plain data for JSON, masked through and through."""
    shown = masked(thing)
    if isinstance(shown, dict):
        return {name: plain(value) for name, value in shown.items()}
    if isinstance(shown, list):
        return [plain(each) for each in shown]
    if shown is None or isinstance(shown, bool | int | float):
        return shown
    return masked_text(str(shown))


def error_text(error: BaseException) -> str:
    """What an error says, if it is one of ours or the system's; the text of any other may quote what it choked on."""
    if isinstance(error, HoldfastError):
        return masked_text(str(error))
    if isinstance(error, OSError) and error.strerror:
        return masked_text(error.strerror)
    return MASK if error.args else ""


def telling(name: object) -> bool:
    """Whether a member of this name is likely to hold a secret."""
    text = _name(name)
    return _TELLING_NAME.fullmatch(text) is not None and _HARMLESS_NAME.fullmatch(text) is None


class _Said:
    """A text that is shown without quotes, whichever way it is asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _masked_member(found: re.Match[str]) -> str:
    return found["name"] + MASK if telling(found["name"].strip(_AROUND)) else found[0]


def _name(name: object) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else str(name)


def _mapping(thing: Mapping[Any, object], depth: int) -> dict[str, object]:
    items = list(thing.items())[:MAX_ITEMS]
    return {masked_text(_name(name)): MASK if telling(name) else masked(value, depth) for name, value in items}


def _sequence(thing: Sequence[object] | Set[object], depth: int) -> object:
    if isinstance(thing, SplitResult | ParseResult):
        return masked_text(thing.geturl())
    if (named := getattr(thing, "_asdict", None)) is not None:  # a named tuple
        return _mapping(named(), depth)
    items = list(thing)[:MAX_ITEMS]
    if len(items) == 2 and isinstance(items[0], str | bytes) and telling(items[0]):
        return [_name(items[0]), MASK]  # a header, as servers and clients pass it around
    return [masked(each, depth) for each in items]


def _error(thing: BaseException, _depth: int) -> _Said:
    text = error_text(thing)
    own = isinstance(thing, HoldfastError)
    return _Said(text if own else f"{type(thing).__name__}: {text}" if text else type(thing).__name__)


_BY_KIND: Final[tuple[tuple[Any, Callable[[Any, int], object]], ...]] = (
    (Secret | SecretValue, lambda thing, _depth: thing),  # they show themselves as ***** alone
    (BaseException, _error),
    (bytes | bytearray | memoryview, lambda thing, _depth: masked_text(bytes(thing).decode("utf-8", "replace"))),
    (Mapping, _mapping),
    (list | tuple | set | frozenset, _sequence),
    (msgspec.Struct, lambda thing, depth: _mapping(msgspec.structs.asdict(thing), depth)),
)
