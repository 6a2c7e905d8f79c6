"""Arguments of the facade, checked and put into the form that the use cases take."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from holdfast.domain.changes import KEEP, Held, Keep
from holdfast.domain.secret import Attributes, RotationPolicy, SecretSettings
from holdfast.domain.validation import (
    check_validity,
    valid_attributes,
    valid_content_type,
    valid_expected_generation,
    valid_flag,
    valid_idempotency_key,
    valid_moment,
    valid_settings,
    valid_tags,
    valid_value,
    valid_version,
)
from holdfast.service.secrets.wishes import NewVersion, Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRequest:
    """The options of ``set_secret``."""

    description: str | None = None
    content_type: str | None = None
    expires_at: datetime | None = None
    not_before: datetime | None = None
    enabled: bool = True
    tags: Mapping[str, str] | None = None
    notify_on_expiry: Iterable[str] = ()
    rotation_policy: RotationPolicy | None = None
    refuse_outside_validity: bool | None = None
    expected_generation: int | None = None
    idempotency_key: str | None = None

    def checked(self, display_name: str, value: object, *, for_vault: bool) -> NewVersion:
        """Check every option.

        Raises:
            InvalidInput: one breaks a limit; the text names it.
        """
        return NewVersion(
            display_name=display_name,
            value=valid_value(value),
            attributes=valid_attributes(
                enabled=self.enabled,
                not_before=self.not_before,
                expires_at=self.expires_at,
                content_type=self.content_type,
                tags=self.tags,
                for_vault=for_vault,
            ),
            settings=valid_settings(
                description=self.description,
                notify_on_expiry=self.notify_on_expiry,
                rotation_policy=self.rotation_policy,
                refuse_outside_validity=self.refuse_outside_validity,
            ),
            expected_generation=valid_expected_generation(self.expected_generation),
            idempotency_key=valid_idempotency_key(self.idempotency_key),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """The options of ``update_secret``; KEEP leaves something as it is, None clears it."""

    enabled: bool | Keep = KEEP
    expires_at: datetime | Held | Keep | None = KEEP
    not_before: datetime | Held | Keep | None = KEEP
    content_type: str | Keep | None = KEEP
    tags: Mapping[str, str] | Keep | None = KEEP
    description: str | Keep | None = KEEP
    notify_on_expiry: Iterable[str] | Keep | None = KEEP
    rotation_policy: RotationPolicy | Keep | None = KEEP
    refuse_outside_validity: bool | Keep | None = KEEP
    expected_generation: int | None = None

    def checked(self, version: int | str | None, *, for_vault: bool) -> Revision:
        """Check every option that is given.

        Raises:
            InvalidInput: one breaks a limit; the text names it.
        """
        attributes, settings = self._attributes(for_vault=for_vault), self._settings()
        dated = attributes.keys() & {"not_before", "expires_at"}

        def revise(before: Attributes) -> Attributes:
            _check_held(self.not_before, before.nbf)
            _check_held(self.expires_at, before.exp)
            after = replace(before, **attributes)
            if dated:  # dates that make no sense may come from Key Vault, and hinder no other change
                check_validity(after.not_before, after.expires_at)
            return after

        def resettle(before: SecretSettings) -> SecretSettings:
            return replace(before, **settings)

        return Revision(
            version=None if version is None else valid_version(version),
            attributes=revise,
            settings=resettle,
            expected_generation=valid_expected_generation(self.expected_generation),
        )

    def _attributes(self, *, for_vault: bool) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        if self.enabled is not KEEP:
            changed["enabled"] = valid_flag("enabled", self.enabled)
        if self.expires_at is not KEEP and not isinstance(self.expires_at, Held):
            changed["expires_at"] = valid_moment("expires_at", self.expires_at)
            changed["expires_at_seconds"] = None
        if self.not_before is not KEEP and not isinstance(self.not_before, Held):
            changed["not_before"] = valid_moment("not_before", self.not_before)
            changed["not_before_seconds"] = None
        if self.content_type is not KEEP:
            changed["content_type"] = valid_content_type(self.content_type) or None
        if self.tags is not KEEP:
            changed["tags"] = valid_tags(self.tags, for_vault=for_vault)
            changed["empty_tags"] = self.tags == {}
        return changed

    def _settings(self) -> dict[str, Any]:
        names = ("description", "notify_on_expiry", "rotation_policy", "refuse_outside_validity")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not KEEP}
        checked = valid_settings(**given)
        return {name: getattr(checked, name) for name in given}


def _check_held(given: object, seconds: int | None) -> None:
    if isinstance(given, Held) and given.seconds != seconds:
        raise given.refusal
