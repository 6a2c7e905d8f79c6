"""Histories in Key Vault that were not taken over yet when a secret was first answered, and the numbers they give."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from holdfast.domain.audit import record_of
from holdfast.domain.names import SecretName
from holdfast.domain.policy import SYSTEM
from holdfast.domain.secret import SecretVersion, Source
from holdfast.errors import BackendUnavailable
from holdfast.ports import Head, Ledger, LedgerTransaction, Sealer, StoredVersion, VaultVersion


class Histories(Protocol):
    """What brings the mirror of a secret up to Key Vault's state, behind the answers."""

    async def glance(self, name: SecretName, newest: VaultVersion) -> bool:
        """Take over the newest version alone; whether that was enough to decide. Its number is provisional."""

    async def fetch(self, head: Head, version: SecretVersion) -> None:
        """Fetch the value of a former version, if Key Vault gives it now."""

    async def fetch_all(self, name: SecretName) -> None:
        """Fetch all such values of a secret that Key Vault gives now."""

    def later(self, name: SecretName) -> None:
        """Have the whole history taken over, and wait for nothing."""

    async def soon(self, name: SecretName) -> bool:
        """Have it taken over within the patience; whether it was."""

    async def number(self, name: SecretName) -> None:
        """Have it taken over because a number is needed; BackendUnavailable if it cannot be."""


async def numbered(histories: Histories | None, ledger: Ledger, name: SecretName, *, needed: bool) -> None:
    """Before a change: have the history numbered, which comes before the number of what is written now.

    Raises:
        BackendUnavailable: it cannot be, and ``needed`` says that nothing may be done without.
    """
    head = await ledger.head(name) if histories else None
    if histories is None or head is None or not head.provisional:
        return
    if needed:
        await histories.number(name)
    else:
        with suppress(BackendUnavailable):
            await histories.number(name)


async def fetched(histories: Histories | None, ledger: Ledger, head: Head, stored: StoredVersion) -> StoredVersion:
    """A version with its value, if Key Vault gives it now to a mirror that lacks it."""
    if histories is None or stored.sealed is not None:
        return stored
    await histories.fetch(head, stored.version)
    found = await ledger.version(head.name, stored.version.version_id)
    return (found and found[1]) or stored


async def settled(tx: LedgerTransaction, head: Head, sealer: Sealer, now: datetime) -> Head:
    """Give a provisional number out: what Key Vault has before that version, and was not seen, never gets a number."""
    if not head.provisional:
        return head
    sealer.verify(head.facts(), head.attestation)
    final = replace(head, provisional=False)
    await tx.record(record_of(SYSTEM, "adopt", head.name, now, version=head.version, source=Source.KEYVAULT.value))
    return await tx.put_head(replace(final, attestation=sealer.attest(final.facts())))
