"""From the names of a source to names in Key Vault's grammar, one to one or not at all."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from holdfast.domain.names import MAX_NAME_LENGTH, SecretName, canonical_name
from holdfast.errors import UNREADABLE, InvalidInput
from holdfast.importing.files import read_bytes
from holdfast.importing.items import Item, Selection

MAX_MAP_BYTES: Final = 1_000_000

_FITTING: Final = re.compile(r"[0-9A-Za-z-]+", re.ASCII)
_OTHERS: Final = re.compile(r"[^0-9a-z]+", re.ASCII)


def secret_name(source: str, prefix: str = "") -> SecretName | None:
    """Return a name made of another: ``DB_PASSWORD`` becomes ``db-password``.

    Letters become small, and whatever else the grammar lacks becomes one ``-``, none at either end. A name that has
    the grammar stays as it is. None, if nothing is left of it, letters of it would be lost, or it is too long: it is
    not cut, as what it says may be at its end.
    """
    if any(each.isalnum() and not each.isascii() for each in source):
        return None
    stem = source.lower() if _FITTING.fullmatch(source) else _OTHERS.sub("-", source.lower()).strip("-")
    name = prefix.lower() + stem
    return canonical_name(name) if stem and len(name) <= MAX_NAME_LENGTH else None


def read_mapping(file: Path) -> dict[str, SecretName | None]:
    """Return what a TOML file says: ``"NAME IN THE SOURCE" = "secret-name"``, or ``false`` to leave it out.

    Raises:
        InvalidInput: it cannot be read, or says something else. What it says is not repeated.
    """
    data = read_bytes(file, "--map", MAX_MAP_BYTES)
    parsed: Mapping[str, object] | None = None
    with suppress(*UNREADABLE):  # their texts may quote the file
        parsed = tomllib.loads(data.decode())
    if parsed is None:
        raise InvalidInput("--map is no TOML file: write lines such as DB_PASSWORD = 'db-password'.", field="map")
    return {source: _target(source, target) for source, target in parsed.items()}


def _target(source: str, target: object) -> SecretName | None:
    if target is False:
        return None
    with suppress(InvalidInput):
        return canonical_name(target)
    raise InvalidInput(
        f"--map: {source[:80]!a} must be given the name of a secret (1 to {MAX_NAME_LENGTH} characters out of "
        "0-9, a-z, A-Z and '-'), or false.",
        field="map",
    )


def selected(items: Iterable[Item], selection: Selection) -> list[tuple[Item, SecretName | None]]:
    """Return the wanted items with their names; None where no name can be made.

    Raises:
        InvalidInput: a pattern or the mapping is about nothing in the source.
    """
    found = list(items)
    _check_known(selection.mapping, found)
    for pattern in selection.patterns:
        if not any(fnmatchcase(item.source, pattern) for item in found):
            raise InvalidInput(f"--only {pattern[:80]!a} covers nothing in the source.", field="only")
    return [
        (item, _name(item, selection))
        for item in found
        if _wanted(item, selection.patterns) and selection.mapping.get(item.source, "") is not None
    ]


def collisions(named: Iterable[tuple[Item, SecretName | None]]) -> dict[SecretName, list[str]]:
    """Return the names that several items would have, with the names of these in the source."""
    found: dict[SecretName, list[str]] = defaultdict(list)
    for item, name in named:
        if name is not None and not item.left_out:
            found[name].append(item.source)
    return {name: sources for name, sources in found.items() if len(sources) > 1}


def _check_known(mapping: Mapping[str, object], items: Iterable[Item]) -> None:
    unknown = mapping.keys() - {item.source for item in items}
    if unknown:
        raise InvalidInput(
            f"--map names {min(unknown)[:80]!a}, which the source does not have; --dry-run lists what it has.",
            field="map",
        )


def _wanted(item: Item, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatchcase(item.source, pattern) for pattern in patterns)


def _name(item: Item, selection: Selection) -> SecretName | None:
    return selection.mapping.get(item.source) or secret_name(item.source, selection.prefix)
