"""Which secret a process gets under which variable: from a mapping file, or by the secrets' own names."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from holdfast.cli.steering import has_own_prefix, steers
from holdfast.domain.names import SecretName, canonical_name, canonical_pattern, is_glob, matches
from holdfast.domain.validation import valid_stage, valid_version
from holdfast.errors import UNREADABLE, InvalidInput

MAX_MAP_BYTES: Final = 1_000_000

VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}", re.ASCII)
_FACTS: Final = frozenset({"secret", "version", "stage"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """A secret and the variable that is to hold it: its current version, another stage of it, or a fixed version.

    Without a variable, the secret's name makes it.
    """

    name: SecretName
    variable: str | None = None
    version: int | str | None = None
    stage: str = "current"


def read_map(file: Path) -> list[Binding]:
    """Return the bindings of a mapping file, in its order.

    Its TOML says ``VARIABLE = "secret-name"``, or ``VARIABLE = { secret = "name", version = 3 }``, or with ``stage``.

    Raises:
        InvalidInput: it cannot be read or is not such a file. What it holds is not repeated: it may be a value.
    """
    entries = _parsed(file)
    if not entries:
        raise InvalidInput("--map binds no variable: write lines such as DB_PASSWORD = 'db-password'.", field="map")
    return [_binding(variable, described) for variable, described in entries.items()]


def named(text: str) -> Binding | str:
    """Return what ``--secret`` asks for, ``NAME`` or ``VARIABLE=NAME``; a pattern, in its canonical form.

    Raises:
        InvalidInput: it is none of them, or a pattern without a prefix of its own.
    """
    variable, equals, name = text.rpartition("=")
    if not equals:
        pattern = canonical_pattern(name)
        return _with_prefix(pattern) if is_glob(pattern) else Binding(name=SecretName(pattern))
    if not VARIABLE.fullmatch(variable):
        raise InvalidInput("--secret must be NAME or VARIABLE=NAME, such as DB_PASSWORD=db-password.", field="secret")
    return Binding(variable=variable, name=canonical_name(name))


def variable_of(name: SecretName) -> str:
    """Return the variable for a secret that no file maps: ``db-password`` goes into ``DB_PASSWORD``.

    Raises:
        InvalidInput: the name makes no variable, or one that steers how processes run.
    """
    variable = name.upper().replace("-", "_")
    if not VARIABLE.fullmatch(variable):
        raise InvalidInput(f"{name} makes no name of a variable: choose one, --secret VARIABLE={name}.", field="secret")
    if steers(variable):
        raise InvalidInput(
            f"{name} would set {variable}, which steers how processes run: leave it out, or say so with "
            f"--secret {variable}={name}.",
            field="secret",
        )
    return variable


def with_variables(bindings: Iterable[Binding]) -> dict[str, Binding]:
    """Return the bindings by their variables.

    Raises:
        InvalidInput: two have the same variable, or a name makes none.
    """
    found: dict[str, Binding] = {}
    for each in bindings:
        variable = each.variable or variable_of(each.name)
        if found.setdefault(variable, each) != each:
            raise InvalidInput(
                f"{variable} is asked for twice: {found[variable].name} and {each.name}.", field="secret"
            )
    return found


def among(bindings: Iterable[Binding], patterns: Sequence[str]) -> list[Binding]:
    """Return the bindings of secrets that a pattern covers.

    Raises:
        InvalidInput: a pattern covers none of them.
    """
    found = list(bindings)
    for pattern in patterns:
        if not any(matches(pattern, each.name) for each in found):
            raise InvalidInput(f"--only {pattern} covers none of the secrets that are asked for.", field="only")
    return [each for each in found if any(matches(pattern, each.name) for pattern in patterns)]


def _with_prefix(pattern: str) -> str:
    """The pattern, if those who may make secrets cannot choose by it which variables a command gets."""
    if not has_own_prefix(pattern):
        raise InvalidInput(
            f"--secret {pattern} would let whoever makes secrets choose the command's variables: begin a pattern with "
            "a prefix of your own and '-', such as payments-*, or name each variable in a --map FILE.",
            field="secret",
        )
    return pattern


def _parsed(file: Path) -> Mapping[str, object]:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_MAP_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"--map cannot be read: {error.strerror}. Name a readable file.", field="map") from None
    if len(data) > MAX_MAP_BYTES:
        raise InvalidInput(f"--map is longer than {MAX_MAP_BYTES:,} bytes, which is the limit.", field="map")
    where = ""
    try:
        return tomllib.loads(data.decode())
    except tomllib.TOMLDecodeError as error:  # its text may quote the file
        where = "".join(f" ({each})" for each in re.findall(r"at line [0-9]+", str(error)))
    except UNREADABLE:
        pass
    raise InvalidInput(f"--map is no TOML file{where}: write lines such as DB_PASSWORD = 'db-password'.", field="map")


def _binding(variable: str, described: object) -> Binding:
    if not VARIABLE.fullmatch(variable):
        raise InvalidInput("--map has a key that is no name of a variable: use letters, digits and '_'.", field="map")
    facts: Mapping[str, object] = described if isinstance(described, dict) else {"secret": described}
    if not set(facts) <= _FACTS or {"version", "stage"} <= set(facts):
        raise InvalidInput(f"--map: {variable} may have secret, and either version or stage.", field="map")
    with suppress(InvalidInput):
        return Binding(
            variable=variable,
            name=canonical_name(facts.get("secret")),
            version=valid_version(facts["version"]) if "version" in facts else None,
            stage=valid_stage(facts.get("stage", "current")),
        )
    raise InvalidInput(
        f"--map: {variable} must name a secret by 1 to 127 characters out of 0-9, a-z, A-Z and '-', never its value; "
        "version is a number or an id of 32 hex digits, stage is current or previous.",
        field="map",
    )
