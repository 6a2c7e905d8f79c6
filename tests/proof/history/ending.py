"""What is there after all faults: both stores, the audit trail, and all that did not heal."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import msgspec

from holdfast.domain.verification import verify
from holdfast.errors import BackendUnavailable, SecretNotFound
from holdfast.service.manager import SecretsService
from holdfast.stores.postgres.errors import translating
from tests.keys.support import NEW
from tests.proof.history.clients import KEPT, LIVES
from tests.proof.history.credentials import credentials_of
from tests.proof.history.events import EDITED, ROTATED, Ending, Event, Secret
from tests.proof.history.installation import Installation
from tests.proof.history.people import is_edit
from tests.service.test_audit_proof import taken
from tests.support.node import rows, service_on
from tests.support.scripted_vault import ScriptedVault
from tests.support.vault_model import Phase

HEAL_S = 120.0
"""Seconds for everything to be well again: a lease of 20 s and the longest pause of a breaker that opened once or
twice come to less than half of it on a machine with nothing else to do."""

_WAITING = {
    "open intents": "SELECT count(*) FROM secret_intents WHERE state NOT IN ('done', 'superseded', 'refused')",
    "records in the outbox": "SELECT count(*) FROM audit_outbox",
    "rotations under way": "SELECT count(*) FROM rotation_runs WHERE phase IN ('pending', 'applied', 'tested')",
}
NAMES = (*KEPT, *LIVES, *EDITED, *ROTATED)
_HEARD = "SELECT vault_version_id FROM secrets_vault UNION SELECT vault_version_id FROM secret_versions"
_RECORDS = "SELECT request_id, secret_name FROM secret_access_logs WHERE success AND request_id IS NOT NULL"
_STATES = {Phase.ACTIVE: "live", Phase.DELETED: "deleted", None: "absent"}


async def ending_of(made: Installation, events: Sequence[Event]) -> Ending:
    """Heal everything, wait until the installation has caught up, and look at all that is there."""
    for link in made.links.values():
        link.heal()
    until = time.monotonic() + HEAL_S
    look = partial(_left, made)
    unhealed = [*await caught_up(look, until)]
    await asyncio.gather(*(node.end(signal.SIGTERM) for node in made.nodes))
    if await _found(partial(_waiting, made)):
        # What a client had given up was under way in a node to its end.
        for node in made.nodes:
            await node.start()
        unhealed += await caught_up(look, max(until, time.monotonic() + HEAL_S / 2))
    ending = await looked_at(made, events, NAMES, unhealed, decryption_keys=(NEW,))
    values: dict[str, Sequence[str]] = {name: ending.ours[name].values for name in ROTATED}
    return msgspec.structs.replace(ending, credentials=await credentials_of(made.dsn, values))


class Healed(Protocol):
    """What is looked at: a database, a folder for the node that looks, and a vault."""

    @property
    def dsn(self) -> str: ...
    @property
    def folder(self) -> Path: ...
    @property
    def vault(self) -> ScriptedVault: ...


async def looked_at(
    made: Healed, events: Sequence[Event], names: Sequence[str], unhealed: Sequence[str], **settings: Any
) -> Ending:
    """What is there of these names, in both stores, and on record. ``settings``: what that node needs besides."""
    vaults = {name: _in_vault(made.vault, name) for name in names}
    # Without the vault in its settings, what answers is the mirror and nothing else.
    async with service_on(made.dsn, made.folder / "end", **settings) as service:
        lines, checkpoints, key = await taken(service)
        verdict = verify(lines, checkpoints, key.signed)
        records = await _records(made.dsn, {event.id for event in events})
        ours = {name: await _here(service, name) for name in names}
    trail = tuple(str(problem) for problem in verdict.problems)
    return Ending(ours=ours, vaults=vaults, records=records, trail=trail, unhealed=tuple(unhealed))


async def caught_up(look: Callable[[], Awaitable[Sequence[str]]], until: float) -> Sequence[str]:
    """Look again and again until nothing is left to do, or the time is up; returns what is left.

    A look for which PostgreSQL was not there, as it recovers from a crash, is one that found this left.
    """
    while left := await _found(look):
        if time.monotonic() > until:
            return left
        await asyncio.sleep(0.2)
    return []


async def _found(look: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
    try:
        with translating():
            return await look()
    except BackendUnavailable as error:
        return [str(error)]


async def _left(made: Installation) -> list[str]:
    asleep = [f"node {node.number} is not ready" for node in made.nodes if not await node.ready()]
    return asleep or await _waiting(made)


async def _waiting(made: Installation) -> list[str]:
    """What nodes have yet to do, and the vault to end."""
    found = await waiting_in(made.dsn)
    spooled = [
        f"{node.folder.name}/{file.name}" for node in made.nodes for file in (node.folder / "audit").glob("*.log")
    ]
    moving = [each.name for each in made.vault.model if made.vault.model.phase(each.name) not in _STATES]
    return found + spooled + moving + await _unseen(made)


async def _unseen(made: Installation) -> list[str]:
    """Secrets of which the vault has a version of somebody else's that no sync has found yet."""
    heard = {version for (version,) in await rows(made.dsn, _HEARD)}
    newest = [(name, each) for name in EDITED for each in made.vault.model.history(name)[-1:]]
    return [f"{name} was changed in the vault" for name, each in newest if is_edit(each.value) and each.id not in heard]


async def waiting_in(dsn: str) -> list[str]:
    """What is still to be done, of all that the database knows."""
    return [f"{count} {what}" for what, query in _WAITING.items() for (count,) in await rows(dsn, query) if count]


def _in_vault(vault: ScriptedVault, name: str) -> Secret:
    phase = vault.model.phase(name)
    values = tuple(version.value for version in vault.model.history(name))
    return Secret(state=_STATES.get(phase, str(phase)), values=values)


async def _here(service: SecretsService, name: str) -> Secret:
    """A secret of the mirror. A deleted one is brought back to be looked at: its database is at its end."""
    state = "live"
    try:
        versions = await service.list_secret_versions(name)
    except SecretNotFound:
        try:
            await service.recover_secret(name)
        except SecretNotFound:
            return Secret(state="absent")
        state, versions = "deleted", await service.list_secret_versions(name)
    values = [(await service.get_secret_version(name, each.version)).value for each in versions]
    return Secret(state=state, values=tuple(values))


async def _records(dsn: str, ids: set[str]) -> dict[str, int]:
    """How often each request is on record, and each secret of one that was about several."""
    found = await rows(dsn, _RECORDS)
    counts = Counter(each for request, name in found for each in {request, f"{request}/{name}"} & ids)
    return dict(counts)
