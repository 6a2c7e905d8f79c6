"""Bringing the mirror of one secret up to Key Vault's state.

First both sides are looked at; then one transaction locks the secret, makes sure that nothing of ours has changed
since the look, and takes over what was decided: no transaction ever waits for the network. ADR 0003 says what becomes
of foreign writes that meet writes of ours.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid4

from holdfast.domain.intent import IntentKind
from holdfast.domain.names import PROBE_NAME, SecretName
from holdfast.domain.secret import SecretSettings, State
from holdfast.errors import TransitionPending
from holdfast.ports import Clock, Head, Journal, Ledger, LedgerTransaction, Sealer, VaultVersion
from holdfast.service.crashpoints import Crashpoint, no_crash
from holdfast.service.vault.comparison import SETTLING
from holdfast.service.vault.fetching import Fetcher
from holdfast.service.vault.inquiry import Findings, Inquiry, is_unchanged
from holdfast.service.vault.primary import Primary
from holdfast.service.vault.sighting import Sighting
from holdfast.service.vault.takeover import Takeover

_LOOKS: Final = 4
"""How often a look is repeated because the secret was written meanwhile."""


class Adopter:
    """Takes foreign changes over.

    Args:
        retention: how long a secret deleted in Key Vault is taken to be recoverable.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        journal: Journal,
        sealer: Sealer,
        primary: Primary,
        clock: Clock,
        retention: timedelta = timedelta(days=90),
        crashpoint: Crashpoint = no_crash,
    ) -> None:
        self._inquiry = Inquiry(ledger=ledger, journal=journal, sealer=sealer, primary=primary, clock=clock)
        self._ledger, self._sealer, self._clock = ledger, sealer, clock
        self._retention, self._crashpoint = retention, crashpoint
        self.fetcher = Fetcher(ledger=ledger, sealer=sealer, primary=primary)
        self.conflicts = 0
        """Acknowledged writes that met foreign ones, since this node started."""

    async def refresh(self, name: SecretName) -> Head | None:
        """Take over what Key Vault has of a secret and return its head; None if neither side has it.

        Values of former versions are fetched for the newest of them; the others get theirs later, or when asked for.

        Raises:
            BackendUnavailable: Key Vault or the ledger does not answer.
            TransitionPending: others keep writing this secret.
            IntegrityFailure: the mirror's rows were edited, so that nothing can be added to them.
        """
        if await self._is_nobodys(name):
            return None
        found = await self._repeatedly(name, lambda: self._inquiry.look(name))
        if found is None:
            return await self._ledger.head(name)
        head, findings = found
        await self.fetcher.fetch_some(name)
        return await self._confirmed(head, findings)

    async def glance(self, name: SecretName, newest: VaultVersion) -> bool:
        """Take over the newest version of a secret, as Key Vault has just told it; its number is provisional.

        Returns whether that version alone was enough to decide; if not, nothing was changed.

        Raises:
            As ``refresh``.
        """
        if await self._is_nobodys(name):
            return False
        return await self._repeatedly(name, lambda: self._inquiry.glance(name, newest)) is not None

    async def _is_nobodys(self, name: SecretName) -> bool:
        """Whether this is what an examination tries its permissions on."""
        return name == PROBE_NAME and await self._ledger.head(name) is None

    async def _repeatedly(
        self, name: SecretName, look: Callable[[], Awaitable[Findings | None]]
    ) -> tuple[Head | None, Findings] | None:
        """Look, and take over what was found unless the secret was written meanwhile; None if nothing was found."""
        for _ in range(_LOOKS):
            findings = await look()
            if findings is None:
                return None
            self._crashpoint("adopting")
            try:
                async with self._ledger.transaction() as tx:
                    locked = await tx.lock(name)
                    if not is_unchanged(locked, findings.before):
                        continue
                    head = await self._take_over(tx, name, locked, findings)
            except TransitionPending:
                continue  # somebody else created it between our lock of nothing and our insert
            self._crashpoint("adopted")
            return head, findings
        raise TransitionPending(f"Secret {name!r} is being written all the time; try again")

    async def _confirmed(self, head: Head | None, findings: Findings) -> Head | None:
        """Note that both sides are equal, where they are."""
        versions = findings.seen.versions
        if head and versions and not head.open_intents and head.vault_version_id == versions[-1].vault_version_id:
            await self._ledger.confirm([head])
        return head

    async def _take_over(
        self, tx: LedgerTransaction, name: SecretName, locked: Head | None, findings: Findings
    ) -> Head | None:
        if locked is None:
            return await self._import(tx, name, findings)
        self._sealer.verify(locked.facts(), locked.attestation)
        takeover = Takeover(tx, locked, self._sealer, self._clock.now())
        if findings.undone:
            await takeover.reassert_state(findings.undone)
            self.conflicts += 1
        elif findings.seen.versions:
            await self._take_live(takeover, findings)
        elif not locked.open_intents:
            await self._take_absence(takeover, findings.seen)
        return takeover.head

    async def _take_live(self, takeover: Takeover, findings: Findings) -> None:
        if takeover.head.state is State.DELETED:
            if takeover.head.open_intents or self._may_be_behind(takeover.head):
                return
            await takeover.revive()
        await takeover.carry_out(findings.plan)
        self.conflicts += findings.plan.reassert
        if not takeover.head.open_intents:
            await takeover.confirm(findings.seen.newest)

    def _may_be_behind(self, deleted: Head) -> bool:
        """Whether Key Vault may merely go on showing what was deleted a moment ago."""
        return deleted.deleted_at is not None and self._clock.now() - deleted.deleted_at <= SETTLING

    async def _take_absence(self, takeover: Takeover, seen: Sighting) -> None:
        active = takeover.head.state is State.ACTIVE
        if seen.gone if not active else seen.deleted:
            await takeover.bury(seen.gone, self._retention)
        elif active:
            await takeover.mark_missing()

    async def _import(self, tx: LedgerTransaction, name: SecretName, findings: Findings) -> Head | None:
        """Adopt a secret that the mirror did not know, with its whole history; or purge an echo of a purged one."""
        if findings.seen.gone:
            return await self._import_deleted(tx, name, findings.seen.gone)
        seen, provisional = findings.seen.versions, findings.plan.provisional
        if findings.void:
            await self._purge_again(tx, name, seen[0], findings.void)
            return None
        takeover = await Takeover.create(tx, name, seen, self._sealer, self._clock.now(), provisional=provisional)
        if not provisional:
            await takeover.record_adoption()
        return takeover.head

    async def _import_deleted(self, tx: LedgerTransaction, name: SecretName, gone: VaultVersion) -> Head:
        """Adopt a deleted secret by its head; its history is numbered once it is recovered."""
        takeover = await Takeover.create(
            tx, name, [gone], self._sealer, self._clock.now(), provisional=True, retention=self._retention
        )
        await takeover.record_adoption()
        return takeover.head

    async def _purge_again(self, tx: LedgerTransaction, name: SecretName, seen: VaultVersion, void: UUID) -> None:
        """A write of a purged incarnation reached Key Vault after the purge: its bytes must go there as well."""
        gone = Head(
            incarnation=void,
            name=name,
            display_name=seen.name,
            state=State.DELETED,
            revision=0,
            version=1,
            version_id="",
            settings=SecretSettings(),
            attestation="",
            verified_at=self._clock.now(),
        )
        await tx.add_intent(uuid4(), gone, IntentKind.PURGE)
