"""What a scan finds. A finding is known by its place and its names, by nothing that depends on its value."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from holdfast.domain.names import MAX_NAME_LENGTH, SecretName, canonical_name
from holdfast.domain.secret import SecretValue
from holdfast.importing.naming import secret_name

_TELLING_NOTHING: Final = frozenset(
    {"password", "passwd", "pwd", "secret", "token", "key", "api-key", "apikey", "value", "url", "uri", "dsn"}
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A value that looks like a secret.

    ``path`` is relative to what was scanned; ``line`` counts from 1. ``kind`` is the rule that found it, ``variable``
    what it is assigned to, as far as the line says. ``ordinal`` counts those of one kind and variable in a file.
    ``escaped``: as it stands there it is not the value, but a spelling of it.
    """

    path: str
    line: int
    kind: str
    meaning: str
    confidence: str
    value: SecretValue
    variable: str = ""
    ordinal: int = 0
    escaped: bool = False
    name: SecretName | None = None

    @property
    def id(self) -> str:
        """12 hex digits that stay the same when lines move, and when the value changes."""
        place = "\0".join((self.path, self.kind, self.variable, str(self.ordinal)))
        return hashlib.sha256(place.encode(errors="surrogateescape")).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was not looked into, and why. ``failed``: it should have been, so that nothing is known of it."""

    path: str
    reason: str
    failed: bool = False


def numbered(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings of a file, in the order of their places, with their ordinals."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    for finding in findings:
        key = finding.kind, finding.variable
        yield replace(finding, ordinal=seen[key])
        seen[key] += 1


def named(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings with suggested names: the same value has one name, different ones never share one."""
    found = list(findings)
    names: dict[str, SecretName] = {}
    taken: set[SecretName] = set()
    for finding in sorted(found, key=lambda each: _telling(each) is None):  # stable: the first that tells something
        value = finding.value.reveal()
        if value not in names:
            names[value] = _free(_telling(finding) or _by_file(finding), taken)
            taken.add(names[value])
    return [replace(each, name=names[each.value.reveal()]) for each in found]


def _telling(finding: Finding) -> SecretName | None:
    """The name that the variable gives, if it says more than that it is a secret."""
    name = secret_name(_CAMEL.sub("-", finding.variable))
    return None if name in _TELLING_NOTHING else name


def _by_file(finding: Finding) -> SecretName:
    stem = finding.path.rpartition("/")[2].lstrip(".").partition(".")[0]
    what = _CAMEL.sub("-", finding.variable) or finding.kind.rpartition(".")[2]
    return secret_name(f"{stem}-{what}") or canonical_name("secret")


def _free(name: SecretName, taken: set[SecretName]) -> SecretName:
    if name not in taken:
        return name
    number = 2
    while (tried := f"{name[: MAX_NAME_LENGTH - 6]}-{number}") in taken:
        number += 1
    return canonical_name(tried)
