"""The scanner: MongoDB's Kingfisher, in this process, without network, with rules of our own next to its own.

It also lists the files, as git would: those that ``.gitignore`` names are left out, in a repository.
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.resources import as_file, files
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import Any, Final

from holdfast.domain.extras import needing
from holdfast.domain.secret import SecretValue
from holdfast.errors import InvalidInput
from holdfast.importing.items import MAX_ITEMS
from holdfast.scanning.context import is_data, place_of_variable
from holdfast.scanning.findings import Finding, Skipped, numbered
from holdfast.scanning.judging import is_likely, is_of_a_manual, names_a_secret

with needing("Scanning", "scan"):
    from kingfisher_sdk import DetectionPolicy, Rules, ScanInput, Scanner
    from kingfisher_sdk.inputs import filesystem

MAX_FILE_BYTES: Final = 5_000_000
PATIENCE_S: Final = 30.0
"""For one file."""

_LONGEST_NAMED: Final = 4096
"""Bytes: how long something found may be that could be taken for part of a name."""

_OURS: Final = "holdfast."
_CONFIDENCE: Final = ("high", "medium", "low")
_PLAIN: Final = "holdfast.plain-assignment"
_PGPASS: Final = "holdfast.pgpass"
_DIRECTIVE: Final = "holdfast.directive"
_VALUE_FIRST: Final = "holdfast.value-and-name"
_TEMPLATE: Final = re.compile(r"[][{}<>$]|%s")
"""In the place of a password in an address: what a program fills in."""
_LOOKED_AT: Final = 8192
"""Bytes that tell whether a file is binary."""


def scan(root: Path) -> Iterator[Finding | Skipped]:
    """Yield what is found in a file, or in all files below a folder, in the order of their paths.

    Raises:
        InvalidInput: there is nothing at ``root``, or more found than one scan takes.
    """
    found = 0
    for path in _paths(root):
        relative = _shown(path.relative_to(root).as_posix() if path != root else path.name)
        for each in _scanned(path, relative):
            found += isinstance(each, Finding)
            if found > MAX_ITEMS:
                raise InvalidInput(f"There are more than {MAX_ITEMS:,} findings: scan it in parts.")
            yield each


def _paths(root: Path) -> list[Path]:
    if root.is_file() or root.is_dir():  # of anything else, the scanner says that nothing is in it
        with suppress(RuntimeError):
            return sorted(Path(each.path) for each in filesystem([root], hidden=True))
    raise InvalidInput(f"{root} cannot be read: name a file or a folder.", field="path")


def _shown(path: str) -> str:
    """A path as text, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@cache
def _scanner() -> Scanner:
    with as_file(files("holdfast.scanning") / "rules.yml") as ours:
        rules = Rules([str(ours)], confidence="low")
    return Scanner(rules, policy=DetectionPolicy(inline_ignores=False))


def _scanned(path: Path, relative: str) -> Iterator[Finding | Skipped]:
    try:
        data = _read(path)
    except OSError as error:
        yield Skipped(relative, (error.strerror or "it cannot be read").lower(), failed=True)
        return
    if isinstance(data, str):
        yield Skipped(relative, data)
        return
    try:
        matches = _scanner().scan_input(ScanInput(path=relative, data=data), timeout=PATIENCE_S)
    except (TimeoutError, RuntimeError) as error:
        reason = "it takes too long" if isinstance(error, TimeoutError) else "the scanner gives it up"
        yield Skipped(relative, reason, failed=True)
        return
    visible = [each for each in matches if each.visible]
    places = sorted(map(_span, visible))
    kept = _without_overlaps([each for each in visible if _plausible(each, relative)])
    yield from numbered(_finding(each, data, relative, places) for each in kept)


def _read(path: Path) -> bytes | str:
    """What a file holds, in UTF-8 if it is UTF-16, or why it is not looked into."""
    with path.open("rb") as stream:
        data = stream.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        return f"it is larger than {MAX_FILE_BYTES:,} bytes"
    if b"\0" not in data[:_LOOKED_AT]:
        return data
    encoding = _wide(data)
    with suppress(UnicodeError):
        return data.decode(encoding).encode() if encoding else "it is binary"
    return "it is binary"


def _wide(data: bytes) -> str:
    """The encoding of two bytes a character that a file has, as PowerShell writes it, or nothing."""
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    head = data[:_LOOKED_AT]
    zeros = not any(head[::2]), not any(head[1::2])
    return {(False, True): "utf-16-le", (True, False): "utf-16-be"}.get(zeros, "")


def _plausible(match: Any, path: str) -> bool:
    """Whether a match of a rule that knows no form is likelier a secret than not."""
    password = match.captures.get("password", "")
    if (
        _TEMPLATE.search(password)
        or is_of_a_manual(password)
        or ("PRIVATE KEY" in match.secret and "(" in match.secret)
    ):
        return False
    if not match.rule_id.startswith(_OURS):
        return True
    if match.rule_id == _PGPASS:
        return PurePosixPath(path).name.lower().endswith("pgpass") and is_likely(match.secret)
    if match.rule_id in {_PLAIN, _DIRECTIVE} and not is_data(path):
        return False
    if "name" not in match.captures:
        return True  # known by its form
    return names_a_secret(match.captures["name"]) and is_likely(match.secret)


def _without_overlaps(matches: list[Any]) -> list[Any]:
    """Of matches at one place the most telling, in the order of the places."""
    kept: list[tuple[int, int, Any]] = []
    for start, end, match in sorted(((*_span(each), each) for each in matches), key=_rank):
        at = bisect_left(kept, start, key=itemgetter(0))
        if (at == 0 or kept[at - 1][1] <= start) and (at == len(kept) or end <= kept[at][0]):
            kept.insert(at, (start, end, match))
    return [match for _, _, match in kept]


def _rank(placed: tuple[int, int, Any]) -> tuple[bool, int, int]:
    start, _, match = placed
    return match.rule_id.startswith(_OURS), _CONFIDENCE.index(match.confidence), start


def _span(match: Any) -> tuple[int, int]:
    where: Mapping[str, int] = match.location
    return where["start_offset"], where["end_offset"]


def _finding(match: Any, data: bytes, path: str, places: Sequence[tuple[int, int]]) -> Finding:
    start, end = _whole_address(match, data)
    text = data[start:end].decode("utf-8", "surrogateescape")
    return Finding(
        path=path,
        line=data.count(b"\n", 0, start) + 1,
        kind=match.rule_id,
        meaning=match.rule_name,
        confidence=match.confidence,
        value=SecretValue(text),
        variable=_variable(match, data, start, places),
        escaped="\\" in text or any(0xD800 <= ord(each) <= 0xDFFF for each in text),
    )


def _variable(match: Any, data: bytes, start: int, places: Sequence[tuple[int, int]]) -> str:
    """The name of a value; none where that is part of something else that was found: no value is a name."""
    begin, end = _place_of_name(match, data, start)
    known = places[bisect_left(places, (begin - _LONGEST_NAMED, 0)) : bisect_left(places, (end, 0))]
    return "" if any(begin < each for _, each in known) else data[begin:end].decode("latin-1")


def _place_of_name(match: Any, data: bytes, start: int) -> tuple[int, int]:
    """Where the name stands that the rule saw; where that is only in decoded base64, the variable before it."""
    name = match.captures.get("name", "").encode()
    begin = data.find(name, _span(match)[1]) if match.rule_id == _VALUE_FIRST else data.rfind(name, 0, start)
    if name and begin >= 0:
        return begin, begin + len(name)
    line = max(data.rfind(b"\n", 0, start) + 1, start - _LONGEST_NAMED)
    begin, end = place_of_variable(data[line:start].decode("latin-1"))  # a character for each byte
    return line + begin, line + end


def _whole_address(match: Any, data: bytes) -> tuple[int, int]:
    """The place of a match, or of the whole address that it is the password of: that is what gets replaced."""
    start, end = _span(match)
    address = os.fsencode(match.captures.get("uri", ""))
    begin = data.rfind(address, 0, end + len(address)) if address else -1
    return (begin, begin + len(address)) if -1 < begin <= start and end <= begin + len(address) else (start, end)
