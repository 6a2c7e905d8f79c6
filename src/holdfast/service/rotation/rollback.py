"""Going back to an earlier version: only to a value that still logs in, or with its target told of it again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

from holdfast.domain.lifecycle import not_found
from holdfast.domain.masking import masked
from holdfast.domain.names import SecretName
from holdfast.domain.policy import Caller, Permission
from holdfast.domain.rotation import Phase
from holdfast.domain.secret import SecretValue, WriteResult
from holdfast.errors import CredentialRetired, RotationInProgress
from holdfast.ports import Head, Ledger, Rotation, RotationStore
from holdfast.service.access.guard import Authorized, Guard
from holdfast.service.access.policies import PolicyRights
from holdfast.service.rotation.handlers import Handlers, tests
from holdfast.service.rotation.holding import LEASE, STEP_PATIENCE_S, Fenced, Holding
from holdfast.service.rotation.rotations import Rotations
from holdfast.service.secrets.mirror import Mirror
from holdfast.service.secrets.writing import Writer


class Rollbacks:
    """The use cases of going back."""

    def __init__(
        self,
        *,
        guard: Guard,
        ledger: Ledger,
        mirror: Mirror,
        writer: Writer,
        store: RotationStore,
        handlers: Handlers,
        policies: PolicyRights,
        holding: Holding,
        rotations: Rotations,
    ) -> None:
        self._guard, self._ledger, self._mirror, self._writer = guard, ledger, mirror, writer
        self._store, self._handlers, self._policies, self._rotations = store, handlers, policies, rotations
        self._holding = holding

    async def roll_back(
        self, caller: Caller, name: SecretName, version: int | str, expected: int | None, key: str | None
    ) -> WriteResult:
        """Make a new version with an earlier value. Where a handler can tell, the value must still log in.

        Raises:
            CredentialRetired: it does not.
            RotationInProgress: a rotation is about to make another value current.
        """
        async with self._guard.operation(caller, Permission.SET, name, "rollback") as authorized:

            async def go_back() -> WriteResult:
                await self._check(authorized, version)
                return await self._writer.rollback(authorized, version, expected, key)

            return await self._held_still(name, go_back)

    async def reapply(self, caller: Caller, name: SecretName, version: int | str) -> WriteResult:
        """Make an earlier value current by a rotation, so that its target accepts it again.

        Raises:
            RotationInProgress: an earlier rotation is not over.
            RotationFailed: a step failed; it is tried again.
        """

        async def former() -> SecretValue:
            return (await self._former(name, version))[1]

        result = await self._rotations.reapply(caller, name, former)
        found = await self._ledger.version(name, result.version or 0)
        if found is None or found[1] is None:
            raise not_found(name)
        made = found[1].version
        return WriteResult(
            name=name,
            version=made.version,
            version_id=made.public_id,
            replicated=found[0].open_intents == 0,
            created_at=made.created_at,
        )

    async def _held_still(self, name: SecretName, go_back: Callable[[], Awaitable[WriteResult]]) -> WriteResult:
        """Keep a rotation from revoking, meanwhile, what is gone back to."""
        run = await self._store.find(name)
        if run is None or run.finished_at is not None:
            return await go_back()
        if run.phase is not Phase.CURRENT:
            raise RotationInProgress(
                f"A rotation of {name!r} is {run.phase}: let it end, or give it up with `holdfast rotation cancel`."
            )
        held = await self._store.claim([run.handler], LEASE, limit=1, name=name)
        if not held:
            raise self._busy(name)
        try:
            return await self._holding.through(held[0], go_back)
        except Fenced:
            raise self._busy(name) from None
        finally:
            await self._holding.release(held[0], None, timedelta())

    @staticmethod
    def _busy(name: SecretName) -> RotationInProgress:
        return RotationInProgress(f"Somebody is at the rotation of {name!r} at this moment: try again.")

    async def _check(self, authorized: Authorized, version: int | str) -> None:
        name = authorized.name
        head, former, current = await self._former(name, version)
        policy = head.settings.rotation_policy
        found = self._handlers.find(name, policy)
        if found is None or not tests(found[1]):
            return
        self._policies.check_run(authorized.caller, name, head.settings)
        rotation = Rotation(
            name=name,
            run_id=uuid4(),
            fence=0,
            current_value=current,
            candidate_value=former,
            options=policy.options if policy is not None else {},
        )
        try:
            async with asyncio.timeout(STEP_PATIENCE_S):
                await found[1].test(rotation)
        except Exception as error:
            text = masked(str(error), [former, current])
            raise CredentialRetired(
                f"Version {version} of {name!r} does not log in at its target ({type(error).__name__}: {text}). Go "
                "back with reapply=True or --reapply: a rotation then makes the target accept it again."
            ) from None

    async def _former(self, name: SecretName, version: int | str) -> tuple[Head, SecretValue, SecretValue]:
        head, stored = await self._writer.former(name, version)
        current = await self._mirror.current(name)
        if current is None:
            raise not_found(name)
        return head, self._mirror.value(head, stored), self._mirror.value(*current)
