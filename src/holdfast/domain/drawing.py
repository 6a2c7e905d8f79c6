"""Random values, from the system's own source."""

import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Final

CLASSES: Final[Mapping[str, str]] = {
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
    "digits": string.digits,
    "symbols": "!#$%*+-./:=?@^_~",
}
"""Characters by class. No symbol needs quoting in a shell word, a URL's userinfo excepted."""

DEFAULT_CLASSES: Final = ("lower", "upper", "digits")
DEFAULT_LENGTH: Final = 32
"""Characters: 190 bits out of letters and digits."""

MIN_LENGTH: Final = 12
MAX_LENGTH: Final = 1024


def drawn(length: int = DEFAULT_LENGTH, classes: Sequence[str] = DEFAULT_CLASSES) -> str:
    """Draw a value of ``length`` characters (12 to 1024) with at least one of each of ``classes``."""
    alphabets = [CLASSES[name] for name in classes]
    everything = "".join(dict.fromkeys("".join(alphabets)))
    while True:  # drawing anew keeps every acceptable value equally likely
        value = "".join(secrets.choice(everything) for _ in range(length))
        if all(any(char in alphabet for char in value) for alphabet in alphabets):
            return value
