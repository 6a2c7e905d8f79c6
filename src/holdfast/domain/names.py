"""Secret names: Key Vault's grammar and the one canonical form."""

import re
import uuid
from collections.abc import Callable, Iterable
from typing import Final, NewType, TypeGuard

from holdfast.errors import InvalidInput

SecretName = NewType("SecretName", str)
"""A canonical (lower-case) secret name. Authorised, stored and audited under this very string."""

WHOLE_VAULT: Final = SecretName("*")
"""The name under which operations on no one secret are authorised and recorded."""

MAX_NAME_LENGTH: Final = 127
"""Characters; Key Vault's object-name rule ``^[0-9a-zA-Z-]{1,127}$``."""

PROBE_NAME: Final = SecretName("holdfast-doctor-probe")
"""Reserved in Key Vault: what `holdfast doctor --write` sets and removes there. It is never mirrored."""

_NAME: Final = re.compile(r"[0-9a-zA-Z-]{1,127}", re.ASCII)
_GLOB: Final = re.compile(r"[0-9a-zA-Z-]*\*[0-9a-zA-Z-]*", re.ASCII)
_VERSION_ID: Final = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)


def canonical_name(raw: object) -> SecretName:
    """Return the canonical form of a secret name; Key Vault compares names without case.

    Raises:
        InvalidInput: not a string of 1 to 127 characters out of ``0-9 a-z A-Z -``.
    """
    if isinstance(raw, str) and _NAME.fullmatch(raw):
        return SecretName(raw.lower())
    if not isinstance(raw, str):
        raise InvalidInput(f"Secret name must be text (str), not {type(raw).__name__}.", field="name")
    raise InvalidInput(
        f"Secret name {_shown(raw)} is not valid: use 1 to {MAX_NAME_LENGTH} characters out of 0-9, a-z, A-Z and '-'.",
        field="name",
    )


def is_canonical_name(text: str) -> bool:
    """Whether a text is a secret name in its canonical form."""
    return _NAME.fullmatch(text) is not None and text == text.lower()


def canonical_names(raw: object) -> list[SecretName]:
    """Return several names in their canonical form.

    Raises:
        InvalidInput: one of them is no name, or it is one text instead of several.
    """
    if isinstance(raw, str | bytes) or not isinstance(raw, Iterable):
        raise InvalidInput(f"names must be a list of secret names, not {type(raw).__name__}.", field="names")
    return [canonical_name(name) for name in raw]


def canonical_pattern(raw: object) -> str:
    """Return the canonical form of a name or of a glob with exactly one ``*``.

    Raises:
        InvalidInput: neither a name nor such a glob, or longer than a name may be.
    """
    if isinstance(raw, str) and len(raw) <= MAX_NAME_LENGTH + 1 and _GLOB.fullmatch(raw):
        return raw.lower()
    if isinstance(raw, str) and "*" in raw:
        raise InvalidInput(
            f"Pattern {_shown(raw)} is not valid: use a name with at most one '*', such as payments-*.",
            field="name",
        )
    return canonical_name(raw)


def is_glob(pattern: str) -> bool:
    """Whether a canonical pattern is a glob rather than one name."""
    return "*" in pattern


def matches(pattern: str, name: str) -> bool:
    """Whether a canonical pattern covers a canonical name."""
    if not is_glob(pattern):
        return pattern == name
    prefix, _, suffix = pattern.partition("*")
    return len(name) >= len(prefix) + len(suffix) and name.startswith(prefix) and name.endswith(suffix)


def covers(outer: str, inner: str) -> bool:
    """Whether every name that ``inner`` covers is covered by ``outer`` as well."""
    if not is_glob(inner):
        return matches(outer, inner)
    if not is_glob(outer):
        return False
    prefix, _, suffix = outer.partition("*")
    inner_prefix, _, inner_suffix = inner.partition("*")
    return inner_prefix.startswith(prefix) and inner_suffix.endswith(suffix)


def overlap(one: str, other: str) -> bool:
    """Whether two canonical patterns may cover one and the same name."""
    if not is_glob(one):
        return matches(other, one)
    if not is_glob(other):
        return matches(one, other)
    prefix, _, suffix = one.partition("*")
    other_prefix, _, other_suffix = other.partition("*")
    return _either(str.startswith, prefix, other_prefix) and _either(str.endswith, suffix, other_suffix)


def canonical_version_id(raw: object) -> str:
    """Return a version id as 32 lower-case hex digits.

    Raises:
        InvalidInput: not 32 hex digits.
    """
    if isinstance(raw, str) and _VERSION_ID.fullmatch(raw):
        return raw.lower()
    raise InvalidInput(f"Version {_shown(raw)} is not valid: use 32 hex digits.", field="version")


def is_version_id(raw: object) -> TypeGuard[str]:
    """Whether this is a version id in its canonical form."""
    return isinstance(raw, str) and raw == raw.lower() and _VERSION_ID.fullmatch(raw) is not None


def new_version_id() -> str:
    """Return a fresh, unguessable version id of 32 lower-case hex digits."""
    return uuid.uuid4().hex


def _either(test: Callable[[str, str], bool], one: str, other: str) -> bool:
    return test(one, other) or test(other, one)


def _shown(raw: object) -> str:
    """The start of a rejected input, safe to print on one line."""
    text = raw if isinstance(raw, str) else type(raw).__name__
    return ascii(text if len(text) <= 40 else text[:40] + "…")
