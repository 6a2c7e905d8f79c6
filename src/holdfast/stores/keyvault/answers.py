"""What Key Vault answered, checked before it is believed."""

import re
from datetime import UTC, datetime
from typing import Any, Final

from azure.keyvault.secrets import KeyVaultSecret, SecretProperties

from holdfast.domain.names import SecretName, canonical_name
from holdfast.domain.secret import Attributes, SecretValue
from holdfast.errors import InvalidInput
from holdfast.ports import VaultVersion
from holdfast.stores.keyvault.errors import ImplausibleAnswer

MAX_VALUE_BYTES: Final = 25_600
"""Key Vault's limit on a secret's value: 25 KB (about-secrets documentation)."""

_MEMBERS: Final[dict[str, type]] = {"value": str, "id": str, "contentType": str, "attributes": dict, "tags": dict}
_ATTRIBUTES: Final[dict[str, type]] = {"enabled": bool, "created": int, "updated": int, "nbf": int, "exp": int}
_ALWAYS: Final = frozenset({"id", "attributes", "enabled", "created", "updated"})
_VERSION: Final = re.compile(r"[0-9a-zA-Z]{1,64}", re.ASCII)


def check_types(body: Any) -> None:
    """Check the JSON of a secret or a page of them before the SDK sees it, which makes texts of whatever comes.

    Raises:
        ImplausibleAnswer: a member of another type than Key Vault's, or one missing that is always there.
    """
    _expect(isinstance(body, dict), "no object")
    for entry in [body] if "id" in body else body["value"]:
        _check_members(entry, _MEMBERS)
        _check_members(entry["attributes"], _ATTRIBUTES)
        _expect(all(isinstance(text, str) for text in entry.get("tags", {}).values()), "tags that are no text")


def _check_members(found: dict[str, Any], types: dict[str, type]) -> None:
    for member, kind in types.items():
        fits = type(found[member]) is kind if member in found else member not in _ALWAYS
        _expect(fits, f"a {member} of the wrong type")


def secret(answer: KeyVaultSecret, asked: str, vault_version_id: str | None = None) -> VaultVersion:
    """Return an answered secret.

    Raises:
        ImplausibleAnswer: it is another secret or version than the asked one, or not a secret at all.
    """
    value = answer.value
    _expect(isinstance(value, str) and len(value.encode()) <= MAX_VALUE_BYTES, "a value that is no text of 25 KB")
    found = version(answer.properties, asked, value=SecretValue(str(value)))
    same = vault_version_id is None or found.vault_version_id == vault_version_id.lower()
    _expect(same, "another version than the asked one")
    return found


def version(properties: SecretProperties, asked: str, *, value: SecretValue | None = None) -> VaultVersion:
    """Return one version of the asked secret; ``ImplausibleAnswer`` if it is not that."""
    _expect(_name(properties).lower() == asked.lower(), "another secret than the asked one")
    _expect(bool(_VERSION.fullmatch(_text(properties.version))), "a version id that is none")
    return _entry(properties, _text(properties.version).lower(), value)


def listed(properties: SecretProperties) -> VaultVersion:
    """Return one entry of the list of secrets; ``ImplausibleAnswer`` if it is none."""
    return _entry(properties, "", None)


def name_of(raw: Any) -> SecretName:
    """Return the canonical name of a listed secret; ``ImplausibleAnswer`` if it is none."""
    try:
        return canonical_name(raw.name)
    except InvalidInput:
        raise ImplausibleAnswer("a name that is none") from None


def expect_id(body: Any, asked: str) -> None:
    """Check that a raw answer speaks of the asked secret; ``ImplausibleAnswer`` if not."""
    path = str(body["id"]).split("://", 1)[-1].split("/")
    _expect(len(path) >= 3 and path[2].lower() == asked.lower(), "another secret than the asked one")


def _entry(properties: SecretProperties, vault_version_id: str, value: SecretValue | None) -> VaultVersion:
    created, updated = _time(properties.created_on), _time(properties.updated_on)
    if created is None or updated is None:
        raise ImplausibleAnswer("a secret without times")
    return VaultVersion(
        name=_name(properties),
        vault_version_id=vault_version_id,
        attributes=_attributes(properties),
        created_at=created,
        updated_at=updated,
        value=value,
    )


def _attributes(properties: SecretProperties) -> Attributes:
    return Attributes(
        enabled=bool(properties.enabled),
        not_before=_time(properties.not_before),
        expires_at=_time(properties.expires_on),
        content_type=properties.content_type or None,
        tags=dict(properties.tags or {}),
    )


def _name(properties: SecretProperties) -> str:
    name_of(properties)
    return _text(properties.name)


def _time(raw: object) -> datetime | None:
    if raw is None:
        return None
    if not isinstance(raw, datetime):  # the SDK hands on what it cannot read
        raise ImplausibleAnswer("a time that is none")
    return raw.astimezone(UTC)


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise ImplausibleAnswer("a text that is none")
    return raw


def _expect(plausible: bool, otherwise: str) -> None:
    if not plausible:
        raise ImplausibleAnswer(f"it holds {otherwise}")
