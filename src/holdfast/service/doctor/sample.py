"""Comparing some secrets of the mirror with Key Vault, by what it lists of them: no value is read."""

import random
from typing import Final

from holdfast.domain.diagnosis import Finding, ok, skipped, warning
from holdfast.domain.names import SecretName
from holdfast.domain.secret import State
from holdfast.errors import BackendRefused, NameUnavailable
from holdfast.ports import Head, Ledger, Vault, VaultVersion

SIZE: Final = 5
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


async def sample_findings(ledger: Ledger, vault: Vault) -> list[Finding]:
    """Compare up to five secrets, from a place in the alphabet that differs from time to time.

    Raises:
        BackendUnavailable: the vault is away, or refuses our identity altogether.
    """
    names = await _some(ledger)
    heads = [head for head in (await ledger.heads(names)).values() if head.open_intents == 0]
    looked = [await _is_newest(head, vault) for head in heads]
    compared = [newest for newest in looked if newest is not None]
    if not compared:
        return [skipped("mirror", f"No secret was compared with Key Vault now: {_why_none(names, heads)}.")]
    unreadable = len(looked) - len(compared)
    also = f" {unreadable} more could not be read there." if unreadable else ""
    if all(compared):
        told = f"{len(compared)} secret(s) compared with Key Vault now: each is at its newest version there."
        return [ok("mirror", told + also)]
    return [
        warning(
            "mirror",
            f"{compared.count(False)} of {len(compared)} secret(s) compared with Key Vault now are not at its newest "
            f"version.{also}",
            why="Somebody changed them there since the last comparison; an outage now would show the version before.",
            fix="`holdfast sync` takes the changes over; a running node does so every HOLDFAST_SYNC_INTERVAL.",
        )
    ]


def _why_none(names: list[SecretName], heads: list[Head]) -> str:
    if not names:
        return "the mirror holds none"
    return "it gives none of those that were drawn" if heads else "changes wait for those that were drawn"


async def _some(ledger: Ledger) -> list[SecretName]:
    start = SecretName(random.choice(_LETTERS))  # noqa: S311 - which ones are looked at is no secret
    found = await ledger.names(State.ACTIVE, after=start, limit=SIZE)
    return found if len(found) == SIZE else await ledger.names(State.ACTIVE, limit=SIZE)


async def _is_newest(head: Head, vault: Vault) -> bool | None:
    """Whether the mirror has the newest version; None where Key Vault does not tell of this one secret."""
    try:
        versions = [entry async for entry in vault.versions(head.name) if isinstance(entry, VaultVersion)]
    except NameUnavailable:
        return None
    except BackendRefused as error:
        if error.forbidden:
            return None
        raise
    newest = max((version.created_at for version in versions), default=None)
    # Key Vault counts whole seconds: several may be the newest.
    return any(v.vault_version_id == head.vault_version_id for v in versions if v.created_at == newest)
