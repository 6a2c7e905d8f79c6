"""A second factor for people: codes from an app, each good once."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from uuid import UUID

from holdfast.crypto.totp import matching_counter, new_totp_secret, provisioning_uri
from holdfast.domain.policy import Caller, Permission, canonical_identity
from holdfast.domain.revocations import of_identity
from holdfast.errors import AccessDenied, Throttled, Unauthenticated
from holdfast.ports import Clock, Sealer, TotpOutcome, TotpStore
from holdfast.ports.places import TOTP, totp_place
from holdfast.service.access.directory import Directory
from holdfast.service.access.guard import WHOLE_VAULT, Guard
from holdfast.service.access.minting import Minting
from holdfast.service.callers import Context, authenticated

SETTLED_AFTER: Final = timedelta(days=1)
"""Age from which a second factor may stand alone: whose login was stolen has this long to notice."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the person's app reads; it is shown this once."""

    identity: str
    uri: str = field(repr=False)


class SecondFactors:
    """Enrols and verifies. Callers look after their own; for others it takes what making a token for them takes."""

    def __init__(
        self,
        *,
        guard: Guard,
        minting: Minting,
        directory: Directory,
        store: TotpStore,
        sealer: Sealer,
        clock: Clock,
    ) -> None:
        self._guard, self._minting, self._directory = guard, minting, directory
        self._store, self._sealer, self._clock = store, sealer, clock

    async def enrol(self, identity: str | None = None, *, context: Context = None) -> Enrolment:
        """Make a secret for the caller's app, or for another identity's; it counts once a code has confirmed it.

        Raises:
            AccessDenied: another identity's, and the caller could make no token for it.
            IdentityNotFound: nothing is kept about the identity.
            Conflict: it has a second factor already.
        """
        caller = authenticated(context)
        name = caller.id if identity is None else canonical_identity(identity)
        secret = new_totp_secret()

        def seal(incarnation: UUID) -> bytes:
            return self._sealer.seal_bytes(TOTP, totp_place(name, incarnation), secret.encode())

        if name == caller.id and not caller.is_system:
            async with self._guard.own(caller, "totp.enrol") as authorized:
                await self._store.enrol(name, seal, self._guard.success(authorized))
        else:
            async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "totp.enrol.other") as authorized:
                self._minting.check_identity(authorized, name)
                await self._store.enrol(name, seal, self._guard.success(authorized))
        return Enrolment(name, provisioning_uri(secret, name))

    async def confirm(self, code: str, *, context: Context = None) -> None:
        """Show by a first code that the app has the secret: from now on the second factor counts.

        Raises:
            Unauthenticated: wrong code, or nothing to confirm.
            Throttled: too many wrong ones.
        """
        await self._attempt(authenticated(context), code, "totp.confirm", confirm=True)

    async def verify(self, code: str, *, context: Context = None) -> None:
        """See that the caller has the second factor at hand. A code is good once, on all nodes together.

        Raises:
            Unauthenticated: a wrong code, one that was used before, or no second factor.
            Throttled: too many wrong ones.
        """
        await self._attempt(authenticated(context), code, "totp.verify", confirm=False)

    async def check_settled(self, caller: Caller) -> None:
        """See that the caller did not set the second factor up just now, with a login that may be stolen.

        Raises:
            AccessDenied: they did.
        """
        age = await self._store.age(caller.id)
        if age is not None and age < SETTLED_AFTER:
            raise AccessDenied(
                f"Permission denied: the second factor of {caller.id!r} was set up less than a day ago, and lets "
                "nobody in by itself yet. Ask for a grant."
            )

    async def remove(self, identity: str, *, context: Context = None) -> bool:
        """Forget the second factor of an identity whose app is lost; False if there was none.

        Raises:
            AccessDenied: the caller could make no token for it.
        """
        caller, name = authenticated(context), canonical_identity(identity)
        async with self._guard.operation(caller, Permission.GRANT, WHOLE_VAULT, "totp.remove") as authorized:
            self._minting.check_identity(authorized, name)
            record = self._guard.success(authorized, detail=of_identity(name))
            removed = await self._store.remove(name, record)
        await self._directory.committed(name)
        return removed

    async def _attempt(self, caller: Caller, code: str, operation: str, *, confirm: bool) -> None:
        async with self._guard.own(caller, operation):

            def match(incarnation: UUID, sealed: bytes) -> int | None:
                secret = self._sealer.open_bytes(TOTP, totp_place(caller.id, incarnation), sealed).decode()
                return matching_counter(secret, code, self._clock.now())

            outcome, wait_s = await self._store.attempt(caller.id, match, confirm=confirm)
            if outcome is TotpOutcome.THROTTLED:
                raise Throttled("Too many wrong codes; wait.", retry_after_s=wait_s)
            if outcome is not TotpOutcome.ACCEPTED:
                raise Unauthenticated("The code is wrong or was used before, or there is no second factor to check.")
