"""Findings that somebody accepted, in a file that may be committed: places and names, nothing made from a value.

An accepted place stays accepted when the value there changes; a further finding beside it is a new one.
"""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from holdfast.errors import InvalidInput
from holdfast.importing.files import read_bytes
from holdfast.scanning.findings import Finding

MAX_BYTES: Final = 10_000_000
_VERSION: Final = 1


def read_baseline(file: Path) -> frozenset[str]:
    """Return the ids of the findings that a file accepts.

    Raises:
        InvalidInput: it cannot be read, or is none.
    """
    data = read_bytes(file, str(file), MAX_BYTES)
    with suppress(ValueError, KeyError, TypeError, RecursionError):
        document = json.loads(data)
        if document["version"] == _VERSION:
            return frozenset(str(each["id"]) for each in document["accepted"])
    raise InvalidInput(f"{file} is no baseline of this release: make it anew with --accept.", field="baseline")


def write_baseline(file: Path, findings: Iterable[Finding]) -> None:
    """Accept findings, in place of those that the file accepted before.

    Raises:
        InvalidInput: it cannot be written.
    """
    accepted = [{"id": each.id, "path": each.path, "kind": each.kind, "variable": each.variable} for each in findings]
    fresh = file.with_name(f"{file.name}.new")
    try:
        fresh.write_text(json.dumps({"version": _VERSION, "accepted": accepted}, indent=2) + "\n", encoding="utf-8")
        fresh.replace(file)
    except (OSError, UnicodeEncodeError):
        raise InvalidInput(f"{file} cannot be written: choose another place.", field="baseline") from None
