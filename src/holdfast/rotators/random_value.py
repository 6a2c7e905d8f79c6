"""``random``: a new random value, for secrets that no other system has to be told of."""

import secrets
import string
from collections.abc import Mapping
from typing import Final

from holdfast.errors import InvalidInput
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import known, whole_number

CLASSES: Final[Mapping[str, str]] = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "digits": string.digits,
    "symbols": "!#$%*+-./:=?@^_~",
}
"""Characters by class. No symbol needs quoting in a shell word, a URL's userinfo excepted."""

DEFAULT_CLASSES: Final = "lower,upper,digits"
DEFAULT_LENGTH: Final = 32
"""Characters: 190 bits out of letters and digits."""

OPTIONS: Final = frozenset({"length", "classes"})


class RandomValue(RotationHandler):
    """Options: ``length`` (12 to 1024, default 32), ``classes`` (of lower, upper, digits, symbols; each occurs)."""

    async def create(self, rotation: Rotation) -> str:
        """Draw a value."""
        known(rotation.options, optional=OPTIONS)
        return random_value(rotation.options)


def random_value(options: Mapping[str, str]) -> str:
    """Draw a value of a length with at least one character of each class, from the system's own source.

    Raises:
        InvalidInput: an option is none.
    """
    length = whole_number(options, "length", DEFAULT_LENGTH, 12, 1024)
    alphabets = [_alphabet(name) for name in options.get("classes", DEFAULT_CLASSES).split(",")]
    everything = "".join(dict.fromkeys("".join(alphabets)))
    while True:  # drawing anew keeps every acceptable value equally likely
        drawn = "".join(secrets.choice(everything) for _ in range(length))
        if all(any(char in alphabet for char in drawn) for alphabet in alphabets):
            return drawn


def _alphabet(name: str) -> str:
    if name not in CLASSES:
        raise InvalidInput(
            f"The rotation option 'classes' must name some of {', '.join(CLASSES)}, comma-separated.",
            field="rotation_policy.options.classes",
        )
    return CLASSES[name]
