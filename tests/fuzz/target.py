"""What a fuzz target is, and what it makes of bytes."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdfast.errors import HoldfastError

Run = Callable[[bytes], object]

DEPTH: Final = 6


@dataclass(frozen=True, slots=True)
class Target:
    """A group of parsers that take bytes from outside, or text made of them.

    ``run`` either returns or raises one of the errors ``refuses`` with; whatever else it raises is a finding.
    ``parsers``: the modules of ours that it is about, each of which its seeds have to reach.
    """

    name: str
    run: Run
    parsers: tuple[str, ...]
    refuses: tuple[type[Exception], ...] = (HoldfastError,)

    def __call__(self, data: bytes) -> bool:
        """Whether the bytes are taken; False: they are refused as they should be."""
        try:
            self.run(data)
        except self.refuses:
            return False
        return True


def one_of(*runs: Run) -> Run:
    """Several parsers behind one target: the first byte says which."""

    def run(data: bytes) -> object:
        return runs[data[0] % len(runs)](data[1:]) if data else None

    return run


def as_text(parse: Callable[[str], object]) -> Run:
    """Give a parser text as Python has it of arguments and files: bytes that are no UTF-8 become lone surrogates."""
    return lambda data: parse(data.decode("utf-8", "surrogateescape"))


def as_latin(parse: Callable[[str], object]) -> Run:
    """Give a parser text as HTTP's headers have it."""
    return lambda data: parse(data.decode("latin-1"))


def as_json(parse: Callable[[bytes], object], *names: str) -> Run:
    """Give a parser of JSON bytes as they are, or as a document of these members in which the bytes choose."""

    def run(data: bytes) -> object:
        if data[:1] == b"\xff":
            return parse(json.dumps(shaped(data[1:], names), ensure_ascii=False).encode("utf-8", "surrogatepass"))
        return parse(data)

    return run


def shaped(data: bytes, names: Sequence[str]) -> dict[str, Any]:
    """A JSON object that the bytes make of these names and of values that parsers trip over."""
    choices = iter(data)
    made = _value(choices, names, 0, next(choices, 0) | 0x80)
    return made if isinstance(made, dict) else {names[0] if names else "": made}


_ODD: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 1.5, 1e300, float("nan"), float("inf")),
    *("", "a", "A-1", "\0", "\ud800", "é", "*", "a" * 300, "0" * 32, "none", "2026-01-01T00:00:00Z", "0000-00-00"),
    *("9999-12-31T23:59:59.999999999+00:00", "-1", "https://a.b/c", "current", "previous", "read", "user@example.com"),
    *("SET", "ff" * 32, "00000000-0000-0000-0000-000000000000", "P1D", "60"),
)


def _value(choices: Any, names: Sequence[str], depth: int, kind: int) -> Any:
    if depth > DEPTH:
        return None
    if kind >= 0x80 and names:
        chosen = [names[next(choices, 0) % len(names)] for _ in range(kind % 12)]
        return {name: _value(choices, names, depth + 1, next(choices, 0)) for name in chosen}
    if kind >= 0x60:
        return [_value(choices, names, depth + 1, next(choices, 0)) for _ in range(kind % 5)]
    if kind >= 0x50:
        return "".join(chr(next(choices, 0)) for _ in range(kind % 16))
    return _ODD[kind % len(_ODD)]
