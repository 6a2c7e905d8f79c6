"""What is changed in a module for mutation testing: one place at a time, each as a slip of the hand would leave it."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_LEFT_ALONE: Final = {"decorator_list", "annotation", "returns", "type_comment"}
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a syntax tree, in words, and how to make it."""

    line: int
    scope: str
    was: str
    now: str
    make: Callable[[], None]

    @property
    def key(self) -> str:
        """Names the change for as long as its scope's text stays, wherever that moves to."""
        return f"{self.scope}: {self.was} -> {self.now}"


def changes(tree: ast.AST, scope: str = "") -> Iterator[Change]:
    """Every change of a tree, always in the same order. Annotations, decorators and texts are left alone."""
    for name, value in ast.iter_fields(tree):
        for at, child in enumerate(value if isinstance(value, list) else [value]):
            if name in _LEFT_ALONE or not isinstance(child, ast.AST) or _says_nothing(child):
                continue
            inner = f"{scope}.{child.name}".lstrip(".") if isinstance(child, _SCOPES) else scope
            for line, was, now, make in (*_in_place(child), *_left_out(value, at, child)):
                yield Change(line, inner, was, now, make)
            yield from changes(child, inner)


def mutated(tree: ast.Module, number: int) -> ast.Module:
    """A tree with one of its changes made: this very tree."""
    next(change for at, change in enumerate(changes(tree)) if at == number).make()
    return ast.fix_missing_locations(tree)


_Step = tuple[int, str, str, Callable[[], None]]


def _says_nothing(node: ast.AST) -> bool:
    """Docstrings, names for readers and imports."""
    texts = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    return texts or names or isinstance(node, ast.Import | ast.ImportFrom)


def _in_place(node: ast.AST) -> Iterator[_Step]:
    for field, new in _replacements(node):
        old, line = getattr(node, field), getattr(node, "lineno", 0)
        was = _said(node)
        setattr(node, field, new)
        now = _said(node)
        setattr(node, field, old)
        yield line, was, now, lambda field=field, new=new: setattr(node, field, new)  # type: ignore[misc]


def _replacements(node: ast.AST) -> Iterator[tuple[str, object]]:
    match node:
        case ast.Compare(ops=[first, *others]) if type(first) in _COMPARISONS:
            yield "ops", [_COMPARISONS[type(first)](), *others]
        case ast.BoolOp(op=op):
            yield "op", ast.Or() if isinstance(op, ast.And) else ast.And()
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in _OPERATORS:
            yield "op", _OPERATORS[type(op)]()
        case ast.Constant(value=bool() as value):
            yield "value", not value
        case ast.Constant(value=int() | float() as value):
            yield "value", value + 1
        case ast.Constant(value=bytes() as value):
            yield "value", value + b"!"
        case ast.Return(value=value) if value is not None and not _is_none(value):
            yield "value", ast.Constant(None)
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if not isinstance(test, ast.Compare):
            yield "test", ast.UnaryOp(ast.Not(), test)
        case ast.comprehension(ifs=[first, *others]):
            yield "ifs", others


def _left_out(siblings: object, at: int, node: ast.AST) -> Iterator[_Step]:
    """A statement that does something, and is not there."""
    acts = isinstance(node, ast.Raise | ast.AugAssign | ast.Break | ast.Continue | ast.Delete) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call | ast.Await)
    )
    if acts and isinstance(siblings, list):
        yield getattr(node, "lineno", 0), _said(node), "", lambda: siblings.__setitem__(at, ast.Pass())


def _said(node: ast.AST) -> str:
    """What a reader looks for: a condition without what depends on it."""
    shown = node.test if isinstance(node, ast.If | ast.While) else node
    return " ".join(ast.unparse(shown).split())[:160]


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
