"""Looks for rotation policies whose author could not give them any more, so that people hear of it in time."""

from collections.abc import Sequence
from typing import Final

from holdfast.domain.names import SecretName
from holdfast.errors import HoldfastError
from holdfast.ports import Head, Ledger, RotationStore
from holdfast.service.access.policies import PolicyRights

_AT_ONCE: Final = 500


class PolicyReview:
    """What it finds is noted with the schedules, where ``doctor`` reads it; whether a run goes ahead is asked again."""

    def __init__(self, store: RotationStore, ledger: Ledger, policies: PolicyRights) -> None:
        self._store, self._ledger, self._policies = store, ledger, policies

    async def look(self) -> None:
        """Look at all of them."""
        after: SecretName | None = None
        while names := await self._store.steered(after=after, limit=_AT_ONCE):
            await self._note(names)
            after = names[-1]

    async def _note(self, names: Sequence[SecretName]) -> None:
        heads = await self._ledger.heads(names)
        await self._store.withhold({name: self._reason(head) for name, head in heads.items()})

    def _reason(self, head: Head) -> str | None:
        try:
            return self._policies.objection(head.name, head.settings)
        except HoldfastError as error:  # one policy that makes no sense hides no other
            return str(error)
