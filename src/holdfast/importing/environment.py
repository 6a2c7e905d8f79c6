"""The environment of this process as a source."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from holdfast.errors import InvalidInput
from holdfast.importing.items import Item
from holdfast.importing.trees import item_of


def read_environment(
    environ: Mapping[str, str], patterns: Sequence[str], *, allow_empty: bool = False
) -> Iterator[Item]:
    """Yield the variables that are named, or that a glob covers.

    Raises:
        InvalidInput: a name or glob is about no variable that is set.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in environ):
            raise InvalidInput(f"No variable {pattern[:80]!a} is set here.", field="names")
    for name in sorted(environ):
        if any(fnmatchcase(name, pattern) for pattern in patterns):
            yield _item(name, environ[name], allow_empty=allow_empty)


def _item(name: str, value: str, *, allow_empty: bool) -> Item:
    origin = f"environment variable {name}"
    try:
        value.encode()
    except UnicodeEncodeError:  # its bytes are no UTF-8
        return Item(source=name, origin=origin, fault="it is not UTF-8 text")
    return item_of(name, origin, value, allow_empty=allow_empty)
