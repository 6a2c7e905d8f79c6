"""The JSON Schemas of what operations take and give, said the way generators of clients understand.

Each rule is there for a generator that fails, or makes worse code, without it; ADR 0047 has the reasons.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any, Final, get_origin

import msgspec
from msgspec import inspect

from holdfast.v1_wire.documents import Document, Request
from holdfast.v1_wire.problems import Problem
from holdfast.web.v1.examples import BODIES, examples
from holdfast.web.v1.operation import LINES, Operation

Json = dict[str, Any]

REF: Final = "#/components/schemas/{name}"

_INT32: Final = 2**31 - 1
_INT64: Final = 2**63 - 1
_NAMED: Final = (Document, Request, Problem)
_PAGE: Final = re.compile(r"\bPage_(\w+?)(?:Document)?_(?!\w)")


class Schemas:
    """The schemas of every type that operations name."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        kinds = [*(op.body for op in operations), *(op.answer for op in operations)]
        types = [Problem, *(kind for kind in kinds if kind is not None and kind is not LINES)]
        wanted = {repr(kind): kind for kind in types}
        shown, components = msgspec.json.schema_components(wanted.values(), ref_template=REF)
        named = {op.answer.__name__: op.answer_name for op in operations if op.answer_name is not None}
        names = dict(_published(components, _records(op.answer for op in operations if _is_document(op)), named))
        self._shown = {kind: _renamed(schema, names) for kind, schema in zip(wanted, shown, strict=True)}
        self.components = {
            name: _component(name, schema) for name, schema in sorted(_renamed(components, names).items())
        }
        answers = [self.of(op.answer) for op in operations if _is_document(op)]
        for name in _within(answers, self.components):
            self.components[name].pop("additionalProperties", None)

    def of(self, kind: Any) -> Json:
        """The reference to a type's schema."""
        return dict(self._shown[repr(kind)])

    def query(self, kind: type[Request]) -> Iterator[tuple[str, Json, bool]]:
        """Name and schema of each parameter that a query type stands for, and whether it is needed."""
        _, components = msgspec.json.schema_components((kind,), ref_template=REF)
        own = components.pop(kind.__name__)
        for name, schema in own["properties"].items():
            tidy = tidied(_not_null(schema))
            for used in _within([tidy], components):
                self.components.setdefault(used, _component(used, components[used]))
            yield name, tidy, name in own["required"]


def _is_document(operation: Operation) -> bool:
    return operation.answer is not None and operation.answer is not LINES


def tidied(schema: Mapping[str, Any]) -> Json:
    """Return a schema with what generators need: formats, kinds of enums, one type for text or null."""
    shown = {key: _tidied_part(key, part) for key, part in schema.items()}
    if shown.get("type") == "integer":
        shown = _integer(shown)
    if shown.get("type") == "number":
        shown["format"] = "double"
    if "enum" in shown:
        shown.setdefault("type", "string")
    return _one_type(shown) if "anyOf" in shown else shown


def _tidied_part(key: str, part: Any) -> Any:
    if key == "properties":
        return {name: tidied(each) for name, each in part.items()}
    if key == "anyOf":
        return [tidied(each) for each in part]
    return tidied(part) if isinstance(part, dict) and key != "default" else part


def _integer(schema: Json) -> Json:
    least, most = schema.get("minimum"), schema.get("maximum", _INT64)
    fits = least is not None and least >= -_INT32 and most <= _INT32
    bare = {key: value for key, value in schema.items() if (key, value) != ("maximum", _INT64)}
    return {**bare, "format": "int32" if fits else "int64"}


def _one_type(schema: Json) -> Json:
    """``{"type": ["string", "null"], …}`` for a choice of a plain type and null."""
    parts = [each for each in schema["anyOf"] if each != {"type": "null"}]
    if len(parts) != 1 or len(schema["anyOf"]) != 2 or "type" not in parts[0] or "enum" in parts[0]:
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **parts[0], "type": [parts[0]["type"], "null"]}


def _not_null(schema: Json) -> Json:
    """A query says null by leaving out."""
    parts = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(parts) != 1:
        return schema
    return {key: value for key, value in {**schema, **parts[0]}.items() if key != "anyOf" and value is not None}


def _records(kinds: Iterable[Any]) -> set[str]:
    """The names of our own types among those that are answered; documents and enumerations have theirs already."""
    found: set[str] = set()
    waiting: list[Any] = list(inspect.multi_type_info(kinds))
    while waiting:
        info = waiting.pop()
        kind = get_origin(cls := getattr(info, "cls", Problem)) or cls
        if isinstance(info, inspect.DataclassType | inspect.StructType) and not issubclass(kind, _NAMED):
            found.add(kind.__name__)
        waiting += [field.type for field in getattr(info, "fields", ())]
        waiting += [each for name in ("type", "item_type", "value_type") if (each := getattr(info, name, None))]
        waiting += getattr(info, "types", ())
    return found


def _published(components: Json, records: Iterable[str], named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """``NoticeDocument`` for ``Notice``, or what an operation calls it. Whatever we answer has all of its members."""
    for name in records:
        members = components[name]["properties"]
        components[name]["required"] = list(members)
        for each in members.values():
            each.pop("default", None)
        yield name, named.get(name, f"{name}Document")


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """The part with the published names, wherever a type is named; ``SummaryPage`` for ``Page_SummaryDocument_``."""
    text = _PAGE.sub(r"\1Page", msgspec.json.encode(part).decode())
    for name, shown in names.items():
        text = re.sub(rf'"({re.escape(REF.format(name=""))})?{name}"(?=[:,}}])', rf'"\1{shown}"', text)
    return msgspec.json.decode(text)


def _component(name: str, schema: Json) -> Json:
    shown = tidied(schema) | {"title": name}
    if "description" in shown:
        shown["description"] = cleandoc(shown["description"]).replace("``", "`")
    if "properties" in shown:
        shown["properties"] = {each: _member(name, each, part) for each, part in shown["properties"].items()}
    if name in BODIES:
        shown["examples"] = [BODIES[name]]
    if "enum" in shown:
        shown["x-enum-varnames"] = [_constant(name, value) for value in shown["enum"]]
    return shown


def _member(owner: str, name: str, schema: Json) -> Json:
    """The schema of a member. What it is when it is not given is said in words: see the decision."""
    shown = {key: value for key, value in schema.items() if key != "default"}
    default = schema.get("default")
    if default not in (None, {}, []):
        said = f"`{msgspec.json.encode(default).decode()}` when not given."
        shown["description"] = f"{schema['description']} {said}" if "description" in schema else said
    found = [] if "$ref" in shown else examples(owner, name, shown)
    return {**shown, "examples": found} if found else shown


def _constant(name: str, value: str) -> str:
    """``PERMISSION_GET``: no two enums have a constant of the same name, which Go needs."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return re.sub(r"\W+", "_", f"{words}_{value}").upper()


def _within(parts: Iterable[Any], components: Mapping[str, Json]) -> set[str]:
    """The names of all components that are reached from some schemas."""
    found: set[str] = set()
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in components and name not in found:
                found.add(name)
                waiting.append(components[name])
            waiting += part.values()
    return found
