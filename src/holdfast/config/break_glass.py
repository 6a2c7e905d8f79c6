"""The file that says what emergency access takes: TOML, read once at the start."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from holdfast.domain.break_glass import LONGEST, MOST_APPROVERS, EmergencyPolicies, EmergencyPolicy
from holdfast.domain.names import canonical_pattern
from holdfast.domain.validation import valid_addresses
from holdfast.errors import UNREADABLE, ConfigurationError, InvalidInput

VARIABLE: Final = "HOLDFAST_BREAK_GLASS"
MOST_POLICIES: Final = 1000

_LONGEST_S: Final = int(LONGEST.total_seconds())
_TERMS: Final = frozenset({"approvers", "second_factor", "max_duration_s", "rotate", "notify"})


def load_policies(path: Path | None) -> EmergencyPolicies:
    """Return the policies that a file states; without a file, the default alone.

    Raises:
        ConfigurationError: it is not such a file; every fault is named.
    """
    if path is None:
        return EmergencyPolicies()
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, *UNREADABLE) as error:
        raise ConfigurationError([f"{VARIABLE} is not readable TOML ({type(error).__name__})"]) from None
    default, tables = document.get("default", {}), document.get("policy", [])
    shaped = isinstance(tables, list) and all(isinstance(each, dict) for each in tables)
    if not set(document) <= {"default", "policy"} or not isinstance(default, dict) or not shaped:
        raise ConfigurationError([f"{VARIABLE} must hold a [default] table, [[policy]] tables and nothing else"])
    faults = [f"{VARIABLE}, default: {fault}" for fault in _faults(default, {}, named=False)]
    for number, table in enumerate(tables, 1):
        faults += [f"{VARIABLE}, policy {number}: {fault}" for fault in _faults(table, default, named=True)]
    if len(tables) > MOST_POLICIES:
        faults.append(f"{VARIABLE} has more than {MOST_POLICIES} policies")
    if faults:
        raise ConfigurationError(faults)
    policies = tuple(_policy({**default, **table}) for table in tables)
    return EmergencyPolicies(default=_policy(default), policies=policies)


def _faults(table: Mapping[str, Any], inherited: Mapping[str, Any], *, named: bool) -> Iterator[str]:
    known = _TERMS | {"names"} if named else _TERMS
    for key in sorted(set(table) - known):
        yield f"{ascii(key)[:60]} is not a setting; choose from {', '.join(sorted(known))}"
    for key, (check, rule) in _CHECKS.items():
        if (key in table or (named and key == "names")) and not check(table.get(key)):
            yield f"{key} must be {rule}"
    whole = {**inherited, **table}
    if whole.get("approvers") == 0 and whole.get("second_factor") is not True:
        yield "without approvers, second_factor must be true: nobody is let in by their word alone"


def _is_pattern(value: Any) -> bool:
    try:
        return bool(canonical_pattern(value))
    except InvalidInput:
        return False


def _are_addresses(value: Any) -> bool:
    try:
        return isinstance(value, list) and bool(valid_addresses(value))
    except InvalidInput:
        return False


def _is_number(low: int, high: int) -> Any:
    return lambda value: type(value) is int and low <= value <= high


_CHECKS: Final = {
    "names": (_is_pattern, "a name, or a glob such as payments-*"),
    "approvers": (_is_number(0, MOST_APPROVERS), f"a whole number from 0 to {MOST_APPROVERS}"),
    "second_factor": (lambda value: isinstance(value, bool), "true or false"),
    "max_duration_s": (_is_number(60, _LONGEST_S), f"a whole number of seconds from 60 to {_LONGEST_S}"),
    "rotate": (lambda value: isinstance(value, bool), "true or false"),
    "notify": (_are_addresses, "a list of e-mail addresses"),
}


def _policy(table: Mapping[str, Any]) -> EmergencyPolicy:
    standard = EmergencyPolicy()
    longest = table.get("max_duration_s", int(standard.max_duration.total_seconds()))
    return EmergencyPolicy(
        pattern=canonical_pattern(table.get("names", "*")),
        approvers=table.get("approvers", standard.approvers),
        second_factor=table.get("second_factor", standard.second_factor),
        max_duration=timedelta(seconds=longest),
        rotate=table.get("rotate", standard.rotate),
        notify=tuple(table.get("notify", ())),
    )
