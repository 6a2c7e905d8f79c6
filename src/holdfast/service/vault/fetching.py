"""Values of former versions, fetched after the versions themselves were taken over.

A list of versions in Key Vault holds no values: each is a call of its own, and a secret may have thousands of versions.
So the newest few come with the takeover, one comes when it is asked for, and the rest comes in the background.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.domain.secret import SecretVersion, State
from holdfast.errors import ChangePending, HoldfastError, shown
from holdfast.ports import Head, Ledger, Sealer, StoredVersion
from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import Outages
from holdfast.service.secrets.mirror import place_of
from holdfast.service.vault.inquiry import is_unchanged
from holdfast.service.vault.keeping import is_about_one
from holdfast.service.vault.primary import Primary

_log: Final = Log(__name__)

AT_ONCE: Final = 8
"""Values asked for at the same time by one node."""

MAX_NUMBER: Final = 2**63 - 1
"""No version has a higher number: it is a BIGINT."""

SOME: Final = 25
"""Values that are fetched together and stored in one transaction: as many as a page of versions has."""


class Fetcher:
    """Fetches values that the mirror lacks."""

    def __init__(self, *, ledger: Ledger, sealer: Sealer, primary: Primary) -> None:
        self._ledger, self._sealer, self._primary = ledger, sealer, primary
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._missing = Outages(Event.FORMER_VALUES_MISSING, Event.FORMER_VALUES_FETCHED)

    async def fetch_some(self, name: SecretName, *, before: int = MAX_NUMBER) -> int | None:
        """Fetch the values of the newest former versions that lack theirs, of those before a number.

        Returns the number of the last one looked at; None if there are no more.
        """
        head = await self._ledger.head(name)
        if head is None or head.state is not State.ACTIVE:
            return None
        lacking = await self._ledger.unfetched(head, before=before, limit=SOME)
        await self.fetch(head, lacking)
        return lacking[-1].version if lacking else None

    async def fetch_all(self, name: SecretName) -> None:
        """Fetch the values of all former versions that lack theirs."""
        before: int | None = MAX_NUMBER
        while before is not None:
            before = await self.fetch_some(name, before=before)

    async def fetch(self, head: Head, versions: Sequence[SecretVersion]) -> None:
        """Fetch the values of these former versions; one that Key Vault does not give now is left for later."""
        answers = await asyncio.gather(*(self._ask(head, version) for version in versions))
        stored = [answer for answer in answers if answer]
        if stored:
            await self._keep(head, stored)

    async def _keep(self, head: Head, stored: Sequence[StoredVersion]) -> None:
        with suppress(ChangePending):  # then they are left for later, too
            async with self._ledger.transaction() as tx:
                if is_unchanged(await tx.lock(head.name), head):  # else attributes may have, which a value is bound to
                    await tx.fill(head, stored)

    async def fetch_everywhere(self) -> None:
        """Fetch all values that lack, secret by secret."""
        after = None
        while names := await self._ledger.with_unfetched(after=after, limit=SOME):
            after = names[-1]
            for name in names:
                try:
                    await self.fetch_all(name)
                except Exception as error:
                    if not is_about_one(error):
                        raise
                    self._missing.failed(name, shown(error))
                else:
                    self._missing.works(name)

    async def _ask(self, head: Head, version: SecretVersion) -> StoredVersion | None:
        name, vault_id = head.name, version.vault_version_id
        async with self._slots:
            try:
                seen = await self._primary.read(name, lambda vault: vault.get(name, vault_id), background=True)
            except HoldfastError as error:
                _log(Event.FORMER_VALUE_LATER, version=version.version, name=name, reason=error)
                return None
        sealed = self._sealer.seal(place_of(head, version), seen.value) if seen.value else None
        return StoredVersion(version=version, sealed=sealed) if sealed else None
