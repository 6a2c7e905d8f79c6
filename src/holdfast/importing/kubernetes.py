"""Secrets of Kubernetes, as ``kubectl get`` writes them and manifests have them: one, a list, or several documents."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from holdfast.importing.items import Item
from holdfast.importing.trees import Fields, Tree, items_of

OURS: Final = {"app.kubernetes.io/managed-by": "holdfast"}
"""The label of what `holdfast export` writes: there, keys are whole names of secrets."""

_Object = Mapping[str, Tree]


def is_object(tree: _Object) -> bool:
    """Whether a document is an object of Kubernetes, or a list of such."""
    return isinstance(tree.get("apiVersion"), str) and isinstance(tree.get("kind"), str)


def read_objects(documents: Sequence[_Object], called: str, fields: Fields, *, allow_empty: bool) -> Iterator[Item]:
    """Yield what the Secrets among some objects hold, decoded; anything else is left out by its name.

    A secret is called by the name of its object and its key, and by the namespace if there are several.
    """
    objects = [each for document in documents for each in _flat(document)]
    several = len({_text(_part(each, "metadata"), "namespace") for each in objects}) > 1
    for each in objects:
        metadata = _part(each, "metadata")
        name = _text(metadata, "name")
        namespace = _text(metadata, "namespace") if several else ""
        place = ".".join(part for part in (namespace, name) if part)
        if each.get("kind") != "Secret":
            kind = _text(each, "kind") or "object"
            yield Item(source=f"{kind} {place}", origin=f"{called}: {place}", left_out="it is no Secret of Kubernetes")
        else:
            ours = OURS.items() <= _part(metadata, "labels").items()
            yield from _items(each, "" if ours else place, called, fields, allow_empty=allow_empty)


def _flat(tree: Tree) -> Iterator[_Object]:
    if not isinstance(tree, Mapping):
        return
    items = tree.get("items")
    if str(tree.get("kind")).endswith("List") and isinstance(items, Sequence) and not isinstance(items, str):
        for each in items:
            yield from _flat(each)
    else:
        yield tree


def _items(secret: _Object, place: str, called: str, fields: Fields, *, allow_empty: bool) -> Iterator[Item]:
    plain = _part(secret, "stringData")  # goes before what is in base64
    sound, faulty = _decoded({key: value for key, value in _part(secret, "data").items() if key not in plain})
    for key in faulty:
        source = f"{place}.{key}".lstrip(".")
        yield Item(source=source, origin=f"{called}: {source}", fault="it is no UTF-8 text in base64")
    data = {**sound, **plain}
    if not (data or faulty):
        yield Item(source=place, origin=f"{called}: {place}", left_out="it holds nothing")
    elif data and not (faulty and fields is Fields.JSON):
        yield from items_of({place: data} if place else data, called, fields, allow_empty=allow_empty)


def _decoded(data: _Object) -> tuple[dict[str, Tree], list[str]]:
    """Return what is decoded, and the keys of what cannot be."""
    sound: dict[str, Tree] = {}
    for key, value in data.items():
        with suppress(ValueError):  # no base64, or no UTF-8
            encoded = "".join(str(value).split())
            sound[key] = None if value is None else base64.b64decode(encoded, validate=True).decode()
    return sound, [key for key in data if key not in sound]


def _part(tree: _Object, key: str) -> _Object:
    part = tree.get(key)
    return part if isinstance(part, Mapping) else {}


def _text(tree: _Object, key: str) -> str:
    part = tree.get(key)
    return part if isinstance(part, str) else ""
