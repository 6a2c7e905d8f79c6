"""Values within values, as JSON, YAML and KV secrets have them: taken apart into single ones, or kept as JSON text."""

import enum
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from holdfast.domain.secret import SecretValue
from holdfast.errors import InvalidInput
from holdfast.importing.items import Content, Item

JSON_TYPE: Final = "application/json"
MAX_SOURCE_NAME: Final = 1_000
"""Characters of a name in a source, with all that it lies in."""


class Fields(enum.StrEnum):
    """What becomes of something with fields: a secret for each, or one with all of them as JSON."""

    SPLIT = "split"
    JSON = "json"


class Bare(str):
    """The text of a number, ``true`` or ``false``: as it was written, and in JSON without quotes."""

    __slots__ = ()


Tree: TypeAlias = "str | Bare | Sequence[Tree] | Mapping[str, Tree] | None"


def items_of(tree: Mapping[str, Tree], origin: str, fields: Fields, *, allow_empty: bool = False) -> Iterator[Item]:
    """Yield the secrets that a mapping holds. Lists are never taken apart. ``origin`` says where it comes from."""
    for path, leaf in _leaves(tree, (), fields):
        source = ".".join(path)
        yield item_of(source, f"{origin}: {source}", leaf, allow_empty=allow_empty)


def item_of(source: str, origin: str, leaf: Tree, *, allow_empty: bool = False) -> Item:
    """Return the secret that is one value, or the JSON text of several."""
    if leaf is None:
        return Item(source=source, origin=origin, left_out="it is null")
    if isinstance(leaf, str):
        left_out = "" if leaf or allow_empty else "it is empty; --allow-empty takes it"
        return Item(source=source, origin=origin, versions=(Content(value=SecretValue(str(leaf))),), left_out=left_out)
    content = Content(value=SecretValue(as_json(leaf)))
    return Item(source=source, origin=origin, versions=(content,), content_type=JSON_TYPE)


def as_json(tree: Tree) -> str:
    """Return the JSON text of a tree."""
    if isinstance(tree, Bare):
        return str(tree)
    if isinstance(tree, str):
        return json.dumps(tree, ensure_ascii=False)
    if tree is None:
        return "null"
    if isinstance(tree, Mapping):
        return "{" + ", ".join(f"{as_json(key)}: {as_json(value)}" for key, value in tree.items()) + "}"
    return "[" + ", ".join(map(as_json, tree)) + "]"


def _leaves(tree: Mapping[str, Tree], above: tuple[str, ...], fields: Fields) -> Iterator[tuple[tuple[str, ...], Tree]]:
    for key, value in tree.items():
        if sum(map(len, above)) + len(key) > MAX_SOURCE_NAME:
            raise InvalidInput(f"A name in the source is longer than {MAX_SOURCE_NAME:,} characters: shorten it.")
        if isinstance(value, Mapping) and value and fields is Fields.SPLIT:
            yield from _leaves(value, (*above, key), fields)
        else:
            yield (*above, key), value
