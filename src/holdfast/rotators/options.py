"""Options of a rotation policy, as the handlers read them."""

from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Final

from holdfast.errors import InvalidInput
from holdfast.ports import Rotation

ReadSecret = Callable[[str], Awaitable[str]]
"""Returns the value of another secret, such as an administrator's credential; that is on record."""

BORROWS: Final = frozenset({"admin_secret"})
"""What handlers borrow that act at a server as its administrator."""


def known(options: Mapping[str, str], *, required: Set[str] = frozenset(), optional: Set[str] = frozenset()) -> None:
    """See that all options are there that are needed, and none that means nothing.

    Raises:
        InvalidInput: one is missing or unknown; the text names it and those there are.
    """
    missing, strange = sorted(required - set(options)), sorted(set(options) - required - optional)
    if missing:
        raise InvalidInput(f"The rotation option {missing[0]!r} is missing.", field=_field(missing[0]))
    if strange:
        there = ", ".join(sorted(required | optional))
        raise InvalidInput(
            f"The rotation option {strange[0]!r} is not known to this handler; it takes {there}.",
            field=_field(strange[0]),
        )


def whole_number(options: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return an option that is a whole number within bounds.

    Raises:
        InvalidInput: it is not.
    """
    text = options.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise InvalidInput(
            f"The rotation option {name!r} must be a whole number from {low} to {high}.",
            field=_field(name),
        )
    return int(text)


def is_tried(options: Mapping[str, str]) -> bool:
    """Return whether the current credential is tried before a change: the option ``try_current``, yes or no.

    Raises:
        InvalidInput: it is neither.
    """
    wanted = options.get("try_current", "yes")
    if wanted not in {"yes", "no"}:
        raise InvalidInput("The rotation option 'try_current' must be yes or no.", field=_field("try_current"))
    return wanted == "yes"


def pair_of(options: Mapping[str, str], name: str) -> list[str]:
    """Return the two names of an option.

    Raises:
        InvalidInput: it names none, one or more.
    """
    names = [each.strip() for each in options[name].split(",")]
    if len(names) != 2 or len(set(names)) != 2 or not all(names):
        raise InvalidInput(f"The rotation option {name!r} must name two {name}, comma-separated.", field=_field(name))
    return names


def not_at_home(rotation: Rotation) -> InvalidInput:
    """The refusal of a URL that is of another server than the administrator's."""
    return InvalidInput(
        f"The URL in {rotation.name!r} names another server than the secret in 'admin_secret': name the same host and "
        "port in both. The password that the rotation makes goes nowhere else."
    )


def _field(option: str) -> str:
    return f"rotation_policy.options.{option}"
