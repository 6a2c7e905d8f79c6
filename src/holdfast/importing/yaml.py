"""YAML as a source: read as text that has a structure, so that no value is turned into something else."""

import re
from typing import Final

from holdfast.domain.extras import needing
from holdfast.errors import InvalidInput
from holdfast.importing.trees import Bare, Tree

with needing("YAML", "yaml"):
    import yaml

_TAG: Final = "tag:yaml.org,2002:"
_BARE: Final = frozenset({f"{_TAG}{each}" for each in ("bool", "int", "float")})
_JSON: Final = re.compile(r"true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_PLAIN: Final = frozenset(
    {f"{_TAG}{each}" for each in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "value")}
)
_MAX_SIZE: Final = 10_000_000
"""Characters and nodes with every alias written out: nine lines of YAML can stand for a thousand million."""


def read_yaml(text: str, called: str) -> list[dict[str, Tree]]:
    """Return the mappings that the documents of a YAML text are, at least one; empty documents are none.

    Scalars are as they are written, null is None. No object is ever made.

    Raises:
        InvalidInput: one is no mapping, or holds tags of its own, a key twice, merge keys, or aliases without end.
    """
    where = ""
    try:
        roots = [root for root in yaml.compose_all(text, Loader=yaml.SafeLoader) if not _is_empty(root)]
        size = _Size()
        mappings = [root for root in roots if isinstance(root, yaml.MappingNode)]
        if mappings and len(mappings) == len(roots):
            for root in mappings:
                size.add(root, called)
            return [_mapping(root, called) for root in mappings]
        where = "it holds no mapping of names and values"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1} is not as YAML has it" if mark else "it is no YAML"
    except yaml.YAMLError:
        where = "it holds characters that YAML does not take"
    except RecursionError:
        where = "it is nested too deeply"
    raise InvalidInput(f"{called} is no YAML file of secrets: {where}.")


class _Size:
    """How large it all would be without aliases; each node is looked at once."""

    def __init__(self) -> None:
        self._known: dict[int, int] = {}
        self._total = 0

    def add(self, root: yaml.Node, called: str) -> None:
        """Add a document; InvalidInput if all that were added are too large together."""
        self._total += self.of(root, called)
        self._check(self._total, root, called)

    def of(self, node: yaml.Node, called: str) -> int:
        """Return the size of a node; InvalidInput if it is too large, or within itself."""
        if id(node) not in self._known:
            self._known[id(node)] = _MAX_SIZE  # what it is worth within itself
            self._known[id(node)] = _own_size(node) + sum(self.of(each, called) for each in _children(node))
        self._check(self._known[id(node)], node, called)
        return self._known[id(node)]

    def _check(self, size: int, node: yaml.Node, called: str) -> None:
        if size > _MAX_SIZE:
            raise _refusal(
                node, called, f"stands for more than {_MAX_SIZE:,} characters with its aliases written out", "use fewer"
            )


def _is_empty(root: yaml.Node) -> bool:
    return isinstance(root, yaml.ScalarNode) and root.tag == f"{_TAG}null"


def _own_size(node: yaml.Node) -> int:
    return 1 + (len(node.value) if isinstance(node, yaml.ScalarNode) else 0)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _mapping(node: yaml.MappingNode, called: str) -> dict[str, Tree]:
    found: dict[str, Tree] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
            raise _refusal(key, called, "has a key that is no plain text")
        if key.value in found:
            raise _refusal(key, called, "sets a name that is set before")
        found[key.value] = _tree(value, called)
    return found


def _tree(node: yaml.Node, called: str) -> Tree:
    if node.tag not in _PLAIN:
        raise _refusal(node, called, "has a tag of its own")
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, called)
    if isinstance(node, yaml.SequenceNode):
        return [_tree(each, called) for each in node.value]
    if node.tag == f"{_TAG}null":
        return None
    text = str(node.value)
    return Bare(text) if node.tag in _BARE and _JSON.fullmatch(text) else text


def _refusal(node: yaml.Node, called: str, what: str, mend: str = "write it out") -> InvalidInput:
    return InvalidInput(f"{called} line {node.start_mark.line + 1} {what}: {mend}. Nothing was imported.")
