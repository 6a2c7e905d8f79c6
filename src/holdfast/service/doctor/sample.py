"""Comparing some secrets of the mirror with Key Vault, by what it lists of them: no value is read."""

import random
from typing import Final

from holdfast.domain.diagnosis import Finding, ok, warning
from holdfast.domain.names import SecretName
from holdfast.domain.secret import State
from holdfast.ports import Head, Ledger, Vault, VaultVersion

SIZE: Final = 5
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


async def sample_findings(ledger: Ledger, vault: Vault) -> list[Finding]:
    """Compare up to five secrets, from a place in the alphabet that differs from time to time."""
    names = await _some(ledger)
    heads = [head for head in (await ledger.heads(names)).values() if head.open_intents == 0]
    unequal = sum([not await _equal(head, vault) for head in heads])
    if not unequal:
        return [ok("mirror", f"{len(heads)} secret(s) compared with Key Vault now: equal.")]
    return [
        warning(
            "mirror",
            f"{unequal} of {len(heads)} secret(s) compared with Key Vault now are not at its newest version.",
            why="Somebody changed them there since the last comparison; an outage now would show the version before.",
            fix="`holdfast sync` takes the changes over; a running node does so every HOLDFAST_SYNC_INTERVAL.",
        )
    ]


async def _some(ledger: Ledger) -> list[SecretName]:
    start = SecretName(random.choice(_LETTERS))  # noqa: S311 - which ones are looked at is no secret
    found = await ledger.names(State.ACTIVE, after=start, limit=SIZE)
    return found if len(found) == SIZE else await ledger.names(State.ACTIVE, limit=SIZE)


async def _equal(head: Head, vault: Vault) -> bool:
    versions = [entry async for entry in vault.versions(head.name) if isinstance(entry, VaultVersion)]
    newest = max((version.created_at for version in versions), default=None)
    # Key Vault counts whole seconds: several may be the newest.
    return any(v.vault_version_id == head.vault_version_id for v in versions if v.created_at == newest)
