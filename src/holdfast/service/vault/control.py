"""What a person can do about Key Vault behind the mirror: compare now, and settle what awaits a decision."""

from dataclasses import replace

from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.errors import InvalidInput
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.vault.mirroring import Progress, SyncReport
from holdfast.service.vault.reconciliation import Reconciler, ReconcileReport
from holdfast.service.vault.sync import VaultSync


class VaultControl:
    """Authorises and records what the mirroring and the reconciler do on request.

    Args:
        sync, reconciler: None when this installation stands alone.
    """

    def __init__(self, guard: Guard, sync: VaultSync | None, reconciler: Reconciler | None) -> None:
        self._guard, self._sync, self._reconciler = guard, sync, reconciler

    async def sync(self, caller: Caller, progress: Progress | None) -> SyncReport:
        """Go over the whole vault once.

        Raises:
            TransitionPending: another node is at it.
            InvalidInput: there is no vault.
        """
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "sync"):
            if self._sync is None:
                raise _no_vault()
            return await self._sync.sync(progress)

    async def reconcile(self, caller: Caller, *, retry: bool, discard: SecretName | None) -> ReconcileReport:
        """Report what awaits a person, after retrying or discarding parked changes where that is asked for.

        Raises:
            InvalidInput: there is no vault.
        """
        async with self._guard.operation(caller, Permission.OPERATE, WHOLE_VAULT, "reconcile"):
            if self._reconciler is None:
                raise _no_vault()
            report = await self._reconciler.reconcile(retry=retry, discard=discard)
        known = [kept for kept in report.kept_out if self._guard.may_know(caller, kept.name)]
        return replace(report, kept_out=known)


def _no_vault() -> InvalidInput:
    return InvalidInput(
        "This installation stands alone: there is no Key Vault to compare with. "
        "Name one with AZURE_KEYVAULT_NAME or AZURE_KEYVAULT_URL."
    )
