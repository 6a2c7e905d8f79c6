"""Secrets that the installation itself needs, such as an administrator's credential for a rotation."""

from holdfast.domain.names import canonical_name
from holdfast.domain.policy import SYSTEM_ID, AuthMethod, Caller, Permission
from holdfast.service.access.guard import Guard
from holdfast.service.secrets.reading import Reader


class SystemReads:
    """Reads secrets as the installation itself; each read is on record. ``purpose`` says there what for."""

    def __init__(self, guard: Guard, reader: Reader, purpose: str) -> None:
        self._guard, self._reader = guard, reader
        self._caller = Caller(SYSTEM_ID, is_system=True, user_agent=purpose, method=AuthMethod.SYSTEM)

    async def __call__(self, name: str) -> str:
        """Return the value of a secret's current version.

        Raises:
            SecretNotFound: it is not there.
        """
        async with self._guard.operation(self._caller, Permission.GET, canonical_name(name), "get") as authorized:
            secret = await self._reader.get(authorized)
            await self._guard.record(authorized, version=secret.version, source=secret.source, stale=secret.stale)
        return secret.value
