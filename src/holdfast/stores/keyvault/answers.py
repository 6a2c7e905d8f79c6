"""What Key Vault answered, checked before it is believed: the bytes as they came, read without the SDK's models.

The SDK makes texts of whatever comes, and refuses a whole page for one date.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from holdfast.domain.attributes import Attributes, VaultFacts, dated, nearest_date
from holdfast.domain.names import canonical_name
from holdfast.domain.secret import SecretValue
from holdfast.errors import InvalidInput
from holdfast.ports import OddEntry, VaultVersion
from holdfast.stores.keyvault.audience import host_of, is_azure
from holdfast.stores.keyvault.errors import ImplausibleAnswer
from holdfast.stores.keyvault.pages import parse, shown_name

MAX_VALUE_BYTES: Final = 2**20
"""The longest value that is read, in UTF-8: 40 times what Key Vault takes (25 KB), for what other tools put there."""

MAX_FACTS_BYTES: Final = 2**16
"""The same for content type and tags together; Key Vault's own limits come to 16 KB."""

_MAX_NUMBER: Final = 10**100
"""Key Vault counts with 64 bits; whatever is told in fewer than a hundred digits is carried."""

_ID: Final = re.compile(
    r"((?i:https?)://[^/]+)/+(?i:secrets|deletedsecrets)/([^/]+)(?:/([0-9a-zA-Z]{1,64}))?/?", re.ASCII
)


class Answers:
    """Reads the answers of one vault: an id of another is not believed, since it would be told as the secret's own."""

    def __init__(self, vault_url: str) -> None:
        self._own = host_of(vault_url)
        self._at_azure = is_azure(vault_url)

    def secret(self, raw: bytes, asked: str, vault_version_id: str | None = None) -> VaultVersion:
        """Return an answered secret.

        Raises:
            ImplausibleAnswer: it is another secret or version than the asked one, or not a secret at all.
        """
        body = parse(raw)
        value = _text(body, "value")
        if value is None:
            raise ImplausibleAnswer("it holds no value")
        _expect(len(value.encode()) <= MAX_VALUE_BYTES, f"a value beyond {MAX_VALUE_BYTES:,} bytes")
        found = self.version(body, asked, value=SecretValue(value))
        same = vault_version_id is None or found.vault_version_id == vault_version_id.lower()
        _expect(same, "another version than the asked one")
        return found

    def version(self, body: Mapping[str, Any], asked: str, *, value: SecretValue | None = None) -> VaultVersion:
        """Return one version of the asked secret; ``ImplausibleAnswer`` if it is not that."""
        name, version_id = self._identity(body)
        _expect(name.lower() == asked.lower(), "another secret than the asked one")
        _expect(bool(version_id), "a version id that is none")
        return _entry(body, name, version_id.lower(), value)

    def listed(self, raw: bytes) -> VaultVersion:
        """Return one entry of the list of secrets, deleted ones or not; ``ImplausibleAnswer`` if it is none."""
        body = parse(raw)
        return _entry(body, self._identity(body)[0], "", None)

    def expect_id(self, raw: bytes, asked: str) -> None:
        """Check that an answer speaks of the asked secret; ``ImplausibleAnswer`` if not."""
        _expect(self._identity(parse(raw))[0].lower() == asked.lower(), "another secret than the asked one")

    def _identity(self, body: Mapping[str, Any]) -> tuple[str, str]:
        """Name, in the vault's casing, and version id, "" where none is told."""
        found = _ID.fullmatch(_text(body, "id") or "")
        if not found:
            raise ImplausibleAnswer("it holds no id of a secret")
        _expect(self._is_own(found[1]), "an id of another vault: address this one by the name that its ids have")
        try:
            canonical_name(found[2])
        except InvalidInput:
            raise ImplausibleAnswer("it holds a name that breaks Key Vault's own rules") from None
        return found[2], found[3] or ""

    def _is_own(self, address: str) -> bool:
        """Whether an id's address is the vault's: its own host or, where that is a private name, one of Azure's.

        Ports are not compared: a gateway may listen at another.
        """
        return host_of(address) == self._own or (not self._at_azure and is_azure(address))


def odd(raw: bytes, error: ImplausibleAnswer) -> OddEntry:
    """Return an entry that cannot be read, as far as it can be told."""
    return OddEntry(name=shown_name(raw), reason=str(error))


def _entry(body: Mapping[str, Any], name: str, vault_version_id: str, value: SecretValue | None) -> VaultVersion:
    facts = body.get("attributes")
    if not isinstance(facts, dict):
        raise ImplausibleAnswer("it holds no attributes")
    created, updated = _moment(facts, "created"), _moment(facts, "updated")
    if created is None or updated is None:
        raise ImplausibleAnswer("it does not say when it was created and updated")
    deleted_at, purged_at = _deletion(body)
    return VaultVersion(
        name=name,
        vault_version_id=vault_version_id,
        attributes=_attributes(body, facts),
        created_at=created,
        updated_at=updated,
        value=value,
        deleted_at=deleted_at,
        scheduled_purge_at=purged_at,
    )


def _deletion(body: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """The dates of a deletion and of its purge. A purge before it is none: what is overdue is destroyed here."""
    deleted_at, purged_at = _moment(body, "deletedDate"), _moment(body, "scheduledPurgeDate")
    if deleted_at is not None and purged_at is not None and purged_at < deleted_at:
        purged_at = None
    return deleted_at, purged_at


def _attributes(body: Mapping[str, Any], facts: Mapping[str, Any]) -> Attributes:
    _expect(isinstance(facts.get("enabled"), bool), "no enabled that is true or false")
    content_type, tags, vault = _text(body, "contentType") or None, _tags(body.get("tags")), _vault_facts(body, facts)
    texts = [content_type or "", vault.kid or "", vault.recovery_level or "", *tags, *tags.values()]
    _expect(
        sum(len(text.encode()) for text in texts) <= MAX_FACTS_BYTES, f"more than {MAX_FACTS_BYTES:,} bytes of tags"
    )
    _expect("\0" not in "".join(texts), "NUL characters outside the value")
    plain = Attributes(
        enabled=facts["enabled"],
        content_type=content_type,
        tags=tags,
        empty_tags=body.get("tags") == {},
        vault=vault,
    )
    return dated(plain, nbf=_seconds(facts, "nbf"), exp=_seconds(facts, "exp"))


def _vault_facts(body: Mapping[str, Any], facts: Mapping[str, Any]) -> VaultFacts:
    managed = body.get("managed")
    _expect(managed is None or isinstance(managed, bool), "managed, which is neither true nor false")
    return VaultFacts(
        managed=managed,
        kid=_text(body, "kid"),
        recovery_level=_text(facts, "recoveryLevel"),
        recoverable_days=_seconds(facts, "recoverableDays"),
    )


def _tags(found: object) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ImplausibleAnswer("it holds tags that are none")
    _expect(all(_is_unicode(key) for key in found), "a tag whose name is no Unicode text")
    return {key: text for key in found if (text := _text(found, key, "tag")) is not None}


def _moment(facts: Mapping[str, Any], member: str) -> datetime | None:
    """A moment that decides nothing but an order: the nearest date will do."""
    seconds = _seconds(facts, member)
    return None if seconds is None else nearest_date(seconds)


def _seconds(facts: Mapping[str, Any], member: str) -> int | None:
    found = facts.get(member)
    if found is None:
        return None
    if type(found) is not int or abs(found) >= _MAX_NUMBER:
        raise ImplausibleAnswer(f"it holds {member}, which is no whole number")
    return found


def _text(body: Mapping[str, Any], member: str, shown: str = "") -> str | None:
    found = body.get(member)
    if found is None:
        return None
    if not isinstance(found, str) or not _is_unicode(found):
        raise ImplausibleAnswer(f"it holds a {shown or member} that is no Unicode text")
    return found


def _is_unicode(text: str) -> bool:
    """Whether it is free of lone surrogates, which no database and no other client takes."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def _expect(plausible: bool, otherwise: str) -> None:
    if not plausible:
        raise ImplausibleAnswer(f"it holds {otherwise}")
