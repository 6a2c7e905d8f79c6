"""The encrypted mirror, read with every check that its rows allow."""

from datetime import datetime
from typing import Final

from holdfast.domain.lifecycle import check_disclosable, not_found
from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretValue, SecretVersion, State
from holdfast.errors import HoldfastError, IntegrityFailure, NameUnavailable, SecretDisabled
from holdfast.ports import Clock, Head, Ledger, Place, Sealer, StoredVersion
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.service.secrets.content import Content, content_of

_log: Final = Log(__name__)

CREATED_THERE: Final = "key-vault"
"""``created_by`` of versions that were made in Key Vault."""

Mirrored = tuple[Head, StoredVersion]
"""A secret's head and one of its versions."""


class Mirror:
    """Opens what the ledger stores."""

    def __init__(self, ledger: Ledger, sealer: Sealer, clock: Clock) -> None:
        self._ledger, self._sealer, self._clock = ledger, sealer, clock
        self._differing = Outages(Event.MIRROR_DIFFERS, Event.MIRROR_AGREES)

    async def current(self, name: SecretName) -> Mirrored | None:
        """Return a secret's current version if it may be disclosed; None for a name the mirror does not know.

        Raises:
            SecretNotFound: deleted.
            SecretDisabled: disabled.
            IntegrityFailure: its rows were edited, swapped or rolled back.
        """
        found = await self.found(name)
        if found is not None:
            self.check(*found)
        return found

    async def found(self, name: SecretName, *, at_least: int = 0, brief: bool = False) -> Mirrored | None:
        """Return a secret's current version, which is still to be checked; None for a name the mirror does not know.

        ``at_least``: the revision that the name is known to have reached. ``brief``: other tiers can
        tell as well, so no one waits long.

        Raises:
            IntegrityFailure: its rows were rolled back.
        """
        found = await self._ledger.current(name, brief=brief)
        if found is not None and found[0].revision < at_least:
            raise IntegrityFailure(f"PostgreSQL tells an older state of {name!r} than it told before.")
        return found

    def check(self, head: Head, stored: StoredVersion) -> None:
        """Refuse what may not be disclosed, and rows that were edited."""
        self.check_living(head)
        self.check_enabled(head, stored)

    def check_living(self, head: Head) -> None:
        """Refuse a head that was edited, or whose secret is deleted."""
        self._sealer.verify(head.facts(), head.attestation)
        if head.state is not State.ACTIVE:
            raise not_found(head.name)

    def check_enabled(self, head: Head, stored: StoredVersion) -> None:
        """Refuse a version that is disabled, and one that was disabled by hand: such a row is not to be believed."""
        if not stored.version.enabled and not is_undisclosed(stored):
            self.value(head, stored)
        attributes = stored.version.attributes
        check_disclosable(head.name, attributes, self._clock.now(), refuse_outside_validity=False)

    def value(self, head: Head, stored: StoredVersion) -> SecretValue:
        """Open a version.

        Raises:
            SecretDisabled: Key Vault never disclosed this version to us, because it was disabled there.
            NameUnavailable: its value was not fetched from Key Vault yet.
            IntegrityFailure: the bytes do not belong here, or are gone.
        """
        number = stored.version.version
        if is_undisclosed(stored) and stored.version.enabled:
            raise NameUnavailable(
                f"The value of version {number} of {head.name!r} was not fetched from Key Vault yet, "
                "which does not give it now; try again."
            )
        if is_undisclosed(stored):
            raise SecretDisabled(f"Version {number} of {head.name!r} was never disclosed by Key Vault.")
        if stored.sealed is None:
            raise IntegrityFailure(f"Version {number} of {head.name!r} has lost its value: its row was edited.")
        return self._sealer.open(place_of(head, stored.version), stored.sealed)

    def content(
        self, head: Head, stored: StoredVersion, *, as_of: datetime, checked_at: datetime | None = None
    ) -> Content:
        """Open a version into what caches hold."""
        checked_at = checked_at or self._clock.now()
        return content_of(head, stored.version, self.value(head, stored), checked_at, as_of)

    def standing(self, head: Head, stored: StoredVersion) -> Content | None:
        """What readers get after a change that left this head and version; None if nothing, or not this version."""
        disclosed = head.state is State.ACTIVE and stored.version.enabled and stored.sealed is not None
        if not disclosed or stored.version.version != head.version:
            return None
        return self.content(head, stored, as_of=self._clock.now())

    def compare(self, head: Head, stored: StoredVersion, told: SecretValue) -> None:
        """Raise the alarm if the mirror could not stand in for Key Vault; asked whenever Key Vault answers a read."""
        try:
            same = self.value(head, stored).reveal() == told.reveal()
        except HoldfastError as error:
            self._differing.failed(head.name, error)
        else:
            if same:
                self._differing.works(head.name)
            else:
                self._differing.failed(head.name, "it differs in the same version")


def is_undisclosed(stored: StoredVersion) -> bool:
    """Whether there is no value because Key Vault never gave it; whatever is made here has one."""
    return stored.sealed is None and stored.version.created_by == CREATED_THERE


def place_of(head: Head, version: SecretVersion) -> Place:
    """Where the bytes of a version belong."""
    return Place(
        incarnation=head.incarnation,
        name=head.name,
        version=version.version,
        version_id=version.version_id,
        attributes=version.attributes,
    )
