"""Files as sources: ``.env``, JSON, YAML. What is wrong with one is said by its line, never by what it says."""

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from holdfast.errors import InvalidInput
from holdfast.importing.dotenv import read_dotenv
from holdfast.importing.items import Item, limited
from holdfast.importing.kubernetes import is_object, read_objects
from holdfast.importing.sealed import check_open
from holdfast.importing.trees import Bare, Fields, Tree, item_of, items_of

MAX_FILE_BYTES: Final = 10_000_000
MAX_YAML_BYTES: Final = 1_000_000
"""YAML is read by an interpreter, at less than a megabyte per second."""

_NOT_FILLED_IN: Final = "it is taken as it is written: ${…} is not filled in"


class Format(enum.StrEnum):
    """How a file is to be read."""

    DOTENV = "dotenv"
    JSON = "json"
    YAML = "yaml"


_SUFFIXES: Final = {".json": Format.JSON, ".yaml": Format.YAML, ".yml": Format.YAML, ".env": Format.DOTENV}


def read_file(
    file: Path, form: Format | None = None, fields: Fields = Fields.SPLIT, *, allow_empty: bool = False
) -> list[Item]:
    """Return the secrets in a file; its name says which form it has, unless that is given.

    Raises:
        InvalidInput: it cannot be read, is too long, is encrypted, or is no such file.
    """
    form, called = form or _form_of(file), file.name
    data = read_bytes(file, called, MAX_YAML_BYTES if form is Format.YAML else MAX_FILE_BYTES)
    check_open(data, called, form or "|".join(Format))
    if form is None:
        raise InvalidInput(f"{called} does not say what it is: give --format {', '.join(Format)}.", field="format")
    text = _text(data, called)
    if form is Format.DOTENV:
        return limited(_dotenv(text, called, allow_empty=allow_empty))
    return limited(_structured(_documents(text, called, form), called, fields, allow_empty=allow_empty))


def read_bytes(file: Path, called: str, limit: int) -> bytes:
    """Return what a file holds.

    Raises:
        InvalidInput: it cannot be read, or is longer than ``limit`` bytes.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise InvalidInput(f"{called} cannot be read: {error.strerror}. Name a readable file.") from None
    if len(data) > limit:
        raise InvalidInput(f"{called} is longer than {limit:,} bytes, which is the limit: take it in parts.")
    return data


def read_json(text: str, called: str) -> dict[str, Tree]:
    """Return the object that a JSON text is, with numbers as they were written.

    Raises:
        InvalidInput: it is none, or has a key twice, or is nested too deeply.
    """
    why = ""
    try:
        tree = json.loads(text, object_pairs_hook=_once, parse_int=Bare, parse_float=Bare, parse_constant=_no_constant)
        if isinstance(tree, dict):
            return {key: _bare(value) for key, value in tree.items()}
        why = "it holds no object of names and values"
    except json.JSONDecodeError as error:
        why = f"line {error.lineno}, column {error.colno} is not as JSON has it"
    except _Twice:
        why = "an object has the same key twice"
    except ValueError:
        why = "it holds NaN or Infinity"
    except RecursionError:
        why = "it is nested too deeply"
    raise InvalidInput(f"{called} is no JSON file of secrets: {why}.")


def _form_of(file: Path) -> Format | None:
    form = _SUFFIXES.get(file.suffix.lower())
    return Format.DOTENV if form is None and (file.name.startswith(".env") or file.name.endswith("env")) else form


def _documents(text: str, called: str, form: Format) -> Sequence[Mapping[str, Tree]]:
    if form is Format.JSON:
        return [read_json(text, called)]
    from holdfast.importing.yaml import read_yaml  # noqa: PLC0415  # an extra, and slow to import

    return read_yaml(text, called)


def _structured(
    documents: Sequence[Mapping[str, Tree]], called: str, fields: Fields, *, allow_empty: bool
) -> Iterator[Item]:
    if all(map(is_object, documents)):
        return read_objects(documents, called, fields, allow_empty=allow_empty)
    if len(documents) > 1:
        raise InvalidInput(f"{called} holds several documents: only objects of Kubernetes are taken so. Split it.")
    return items_of(documents[0], called, fields, allow_empty=allow_empty)


def _text(data: bytes, called: str) -> str:
    with suppress(UnicodeDecodeError):  # it holds the file
        return data.decode("utf-8-sig")
    raise InvalidInput(f"{called} is not UTF-8 text: convert it first.")


def _dotenv(text: str, called: str, *, allow_empty: bool) -> Iterator[Item]:
    lines: dict[str, int] = {}
    for each in read_dotenv(text, called):
        if each.name in lines:
            raise InvalidInput(
                f"{called} lines {lines[each.name]} and {each.line} set the same name: remove one of them."
            )
        lines[each.name] = each.line
        item = item_of(each.name, f"{called}: {each.name}", each.value, allow_empty=allow_empty)
        yield replace(item, note=_NOT_FILLED_IN) if "${" in each.value else item


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice
    return found


def _no_constant(_name: str) -> None:
    raise ValueError


def _bare(value: Any) -> Tree:
    if isinstance(value, bool):
        return Bare("true" if value else "false")
    if isinstance(value, dict):
        return {key: _bare(each) for key, each in value.items()}
    return [_bare(each) for each in value] if isinstance(value, list) else value
