"""What callers wish for: a version to be made, or changes of one. Checked for form, not yet against the secret."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from msgspec import structs

from holdfast.domain.secret import Attributes, SecretSettings, SecretValue

_ALWAYS_TOLD: Final = ("description", "notify_on_expiry", "rotation_policy", "refuse_outside_validity")
_NOTHING: Final = SecretSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to be made. Settings that are None leave what the secret has.

    ``incarnation``: the life of the name that the value comes from; None for a value from outside.
    """

    display_name: str
    value: SecretValue
    attributes: Attributes
    settings: SecretSettings
    expected_generation: int | None = None
    idempotency_key: str | None = None
    incarnation: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A change of a version's attributes and of the secret's settings, as functions of what they are."""

    version: int | str | None
    attributes: Callable[[Attributes], Attributes]
    settings: Callable[[SecretSettings], SecretSettings]
    expected_generation: int | None = None


def merged(before: SecretSettings, given: SecretSettings) -> SecretSettings:
    """What a set says of the secret as a whole replaces what it says nothing of."""
    refuse = before.refuse_outside_validity if given.refuse_outside_validity is None else given.refuse_outside_validity
    return SecretSettings(
        description=before.description if given.description is None else given.description,
        notify_on_expiry=given.notify_on_expiry or before.notify_on_expiry,
        rotation_policy=given.rotation_policy or before.rotation_policy,
        refuse_outside_validity=refuse,
        rotation_author=before.rotation_author,
    )


def fingerprint_of(new: NewVersion) -> tuple[str, ...]:
    """What makes two requests the same."""
    attributes = new.attributes
    return (
        new.value.reveal(),
        repr(new.expected_generation),
        _given(new.settings),
        repr((attributes.enabled, attributes.not_before, attributes.expires_at, attributes.content_type)),
        repr(sorted(attributes.tags.items())),
    )


def _given(settings: SecretSettings) -> str:
    """What is said of the settings. Their first four members are always told: requests are repeated across upgrades."""
    told = {
        name: value
        for name, value in structs.asdict(settings).items()
        if name in _ALWAYS_TOLD or value != getattr(_NOTHING, name)
    }
    return f"SecretSettings({', '.join(f'{name}={value!r}' for name, value in told.items())})"
