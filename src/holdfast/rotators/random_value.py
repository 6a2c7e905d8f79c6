"""``random``: a new random value, for secrets that no other system has to be told of."""

from collections.abc import Mapping
from typing import Final

from holdfast.domain.drawing import CLASSES, DEFAULT_CLASSES, DEFAULT_LENGTH, MAX_LENGTH, MIN_LENGTH, drawn
from holdfast.errors import InvalidInput
from holdfast.ports import Rotation, RotationHandler
from holdfast.rotators.options import known, whole_number

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
    length = whole_number(options, "length", DEFAULT_LENGTH, MIN_LENGTH, MAX_LENGTH)
    classes = options["classes"].split(",") if "classes" in options else DEFAULT_CLASSES
    for name in classes:
        _check_class(name)
    return drawn(length, classes)


def _check_class(name: str) -> None:
    if name not in CLASSES:
        raise InvalidInput(
            f"The rotation option 'classes' must name some of {', '.join(CLASSES)}, comma-separated.",
            field="rotation_policy.options.classes",
        )
