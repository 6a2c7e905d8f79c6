"""What all documents have in common: how they are read, checked and kept from showing themselves."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Final, Generic, Self, TypeVar

import msgspec
from msgspec import inspect

from holdfast.domain.moments import Moment as Moment  # noqa: PLC0414 - documents name it from here
from holdfast.domain.names import MAX_NAME_LENGTH
from holdfast.domain.policy import GROUP_PREFIX, MAX_IDENTITY_LENGTH
from holdfast.domain.validation import MAX_GENERATION
from holdfast.errors import InvalidInput

T = TypeVar("T")
D = TypeVar("D", bound=msgspec.Struct)

Name = Annotated[str, msgspec.Meta(pattern=f"^[0-9A-Za-z-]{{1,{MAX_NAME_LENGTH}}}$")]
"""A secret's name; case is not significant."""

Pattern = Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Za-z-]*\*?[0-9A-Za-z-]*$", min_length=1, max_length=128)]
"""A name, or a glob with one ``*``."""

Identity = Annotated[str, msgspec.Meta(pattern="^[!-~]([ -~]*[!-~])?$", min_length=1, max_length=MAX_IDENTITY_LENGTH)]
"""Whom a rule is for: an identity, or ``group:`` and the name of a group."""

AcceptCredentials = Annotated[
    bool,
    msgspec.Meta(description="Also for credentials and memberships whose makers do not hold what is handed out."),
]

Group = Annotated[
    str,
    msgspec.Meta(pattern="^[!-~]([ -~]*[!-~])?$", min_length=1, max_length=MAX_IDENTITY_LENGTH - len(GROUP_PREFIX)),
]
"""The name of a group, without ``group:``."""

Confidential = Annotated[str, msgspec.Meta(extra_json_schema={"format": "password"})]
"""What must not be shown: tools hide it in forms, and generated clients in their logs."""

Version = Annotated[int, msgspec.Meta(ge=1, le=MAX_GENERATION)]
VersionId = Annotated[str, msgspec.Meta(pattern="^[0-9A-Fa-f]{32}$")]


class Request(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client sends. Members that are not known are refused, and so is what does not fit."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Document(msgspec.Struct, kw_only=True):
    """What a server answers. A client ignores members that it does not know."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @classmethod
    def of(cls, thing: object) -> Self:
        """Return the document of something whose attributes have the names of its members."""
        return msgspec.convert(thing, cls, from_attributes=True)

    def to(self, kind: type[T]) -> T:
        """Return the thing of a kind whose attributes have the names of the members."""
        return msgspec.convert(self, kind, from_attributes=True)


class Page(Document, Generic[T]):
    """Some of what there is. ``next_cursor`` asks for what follows; null: nothing does."""

    items: list[T]
    next_cursor: str | None = None


_FIELD: Final = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>.*)`$")
_MISSING: Final = re.compile(r"Object missing required field `(?P<name>\w+)`")
_SAFE: Final = re.compile(
    r"Expected `[^`]*`(?: matching regex '.*'(?= - at `|$))?"
    r"(?: of length)?(?: [<>]=? [\d.]+)?(?:, got `\w+`)?(?: with a timezone component)?"
)


def read(kind: type[D], given: Mapping[str, Any], *, text: bool = False) -> D:
    """Return the request in a JSON object, or in the fields of a query (``text``).

    Raises:
        InvalidInput: it does not fit. Neither its values nor its unknown names are repeated: they may be secrets.
    """
    try:
        return msgspec.convert(_typed(kind, given) if text else dict(given), kind)
    except msgspec.ValidationError as error:
        raise _refused(str(error), kind) from None


def _typed(kind: type[msgspec.Struct], given: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a query as JSON would have them: numbers and booleans where the type wants some."""
    return {name: _READERS.get(_kinds(kind).get(name), str)(value) for name, value in given.items()}


@cache
def _kinds(kind: type[msgspec.Struct]) -> Mapping[str, type[inspect.Type]]:
    """Of which kind each member is that is no text."""
    return {
        field.name: each
        for field in msgspec.structs.fields(kind)
        for each in map(type, _parts(inspect.type_info(field.type)))
        if each in _READERS
    }


def _parts(info: inspect.Type) -> Iterator[inspect.Type]:
    """The types that a type allows, without what is said about them."""
    if isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _parts(each)
    elif isinstance(info, inspect.Metadata):
        yield from _parts(info.type)
    else:
        yield info


def _number(text: str) -> int | str:
    return int(text) if _NUMBER.fullmatch(text) else text


def _boolean(text: str) -> bool | str:
    return {"true": True, "false": False}.get(text, text)


_NUMBER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_READERS: Final[Mapping[type[inspect.Type] | None, Callable[[str], Any]]] = {
    inspect.IntType: _number,
    inspect.BoolType: _boolean,
}


def _refused(message: str, kind: type[msgspec.Struct]) -> InvalidInput:
    found = _FIELD.search(message)
    path = found["path"] if found else ""
    missing, safe = _MISSING.match(message), _SAFE.match(message)
    if missing:
        field = f"{path}.{missing['name']}" if path else missing["name"]
        return InvalidInput(f"{field} is missing.", field=field)
    if message.startswith("Object contains unknown field"):
        known = f" Known are: {', '.join(kind.__struct_encode_fields__) or 'none'}." if not path else ""
        return InvalidInput(f"{path or 'The request'} has a member that is not known here.{known}", field=path or None)
    what = f": {safe[0][0].lower()}{safe[0][1:].replace('`', '')}" if safe else ""
    return InvalidInput(f"{path or 'The request'} is not valid{what}.", field=path or None)
