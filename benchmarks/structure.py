"""How much code there is, how it is cut, and where it says the same again: counts over the source, by its syntax."""

import ast
import configparser
import re
import statistics
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

_DOORS = frozenset({"operation", "listing", "own", "login", "finding", "check_any"})
"""What opens the door where it is opened by hand: methods of a guard."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def counted(root: Path) -> dict[str, float]:
    """The figures of a checkout, by what they count."""
    texts = {path: path.read_text() for path in sorted((root / "src").rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    functions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, Function)]
    lines = [text.count("\n") for text in texts.values()]
    private, once = _private(trees, texts)
    return {
        "lines": sum(lines),
        "modules": len(texts),
        "statements": sum(isinstance(node, ast.stmt) for tree in trees.values() for node in ast.walk(tree)),
        "functions": len(functions),
        "median lines of a function": statistics.median(map(_body_lines, functions)),
        "median lines of a module": statistics.median(lines),
        "modules under 30 lines": sum(count < 30 for count in lines if count > 1),
        "places that open the door": sum(_opens(node) for tree in trees.values() for node in ast.walk(tree)),
        "modules called control": sum(path.name == "control.py" for path in texts),
        "private functions": private,
        "private functions used once, in percent": round(100 * once / private, 1),
        "comment lines in percent": round(100 * _comments(texts.values()) / sum(lines), 2),
        "import contracts": sum(
            name.startswith("importlinter:contract:") for name in _sections(root / ".importlinter")
        ),
    }


def _body_lines(function: Function) -> int:
    """From the first statement after the docstring to the last."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def _opens(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _DOORS
        and "guard" in ast.unparse(node.func.value).lower()
    )


def _private(trees: dict[Path, ast.Module], texts: dict[Path, str]) -> tuple[int, int]:
    """How many private functions and methods there are, and how many of them their file names but once."""
    total = once = 0
    for path, tree in trees.items():
        names = [node.name for node in ast.walk(tree) if isinstance(node, Function) and _is_private(node.name)]
        uses = Counter(re.findall(r"\b_\w+", texts[path]))
        total += len(names)
        once += sum(uses[name] == 2 for name in names)  # where it is written, and where it is used
    return total, once


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _comments(texts: Iterable[str]) -> int:
    return sum(line.lstrip().startswith("#") for text in texts for line in text.splitlines())


def _sections(path: Path) -> list[str]:
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser.sections()
