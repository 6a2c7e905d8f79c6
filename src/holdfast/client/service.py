"""A server, with the methods that ``SecretsService`` has."""

from types import TracebackType
from typing import Self

from holdfast.client.access import RemoteAccess
from holdfast.client.audit import RemoteAudit
from holdfast.client.break_glass import RemoteBreakGlass
from holdfast.client.client_credentials import RemoteClientCredentials
from holdfast.client.connection import Connection
from holdfast.client.identities import RemoteIdentities, RemoteTokens
from holdfast.client.installation import RemoteInstallation
from holdfast.client.rotation import RemoteRotating
from holdfast.client.secrets import RemoteSecrets
from holdfast.config import ClientSettings
from holdfast.contract.clock import DatabaseClock
from holdfast.contract.compliance import Compliance
from holdfast.contract.doctor import Doctor
from holdfast.contract.keys import Keys
from holdfast.contract.notices import Notices
from holdfast.errors import ConfigurationError


class RemoteService(RemoteSecrets, RemoteAccess, RemoteInstallation, RemoteRotating):
    """What a server offers to whoever the token proves. Open it with ``async with``."""

    @property
    def audit(self) -> RemoteAudit:
        """The audit trail: search, export, checkpoints."""
        return RemoteAudit(self._connection)

    @property
    def compliance(self) -> Compliance:
        """What controls ask, and what the installation shows for them."""
        return Compliance(self._connection.run)

    @property
    def keys(self) -> Keys:
        """The encryption keys: which there are, and which one seals."""
        return Keys(self._connection.run)

    @property
    def clock(self) -> DatabaseClock:
        """PostgreSQL's clock, which decides about expiry."""
        return DatabaseClock(self._connection.run)

    @property
    def client_credentials(self) -> RemoteClientCredentials:
        """What clients show the token endpoint instead of a secret."""
        return RemoteClientCredentials(self._connection)

    @property
    def doctor(self) -> Doctor:
        """The examination of what the server depends on."""
        return Doctor(self._connection.run)

    @property
    def break_glass(self) -> RemoteBreakGlass:
        """Emergency access: ask for it, decide about it, end it."""
        return RemoteBreakGlass(self._connection)

    @property
    def notices(self) -> Notices:
        """What people are told: see it, see it coming, try it, settle what did not arrive."""
        return Notices(self._connection.run)

    @property
    def identities(self) -> RemoteIdentities:
        """Who may prove themselves to the server."""
        return RemoteIdentities(self._connection)

    @property
    def tokens(self) -> RemoteTokens:
        """The tokens that they do it with."""
        return RemoteTokens(self._connection)

    async def __aenter__(self) -> Self:
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, trace)


def connect(settings: ClientSettings | None = None) -> RemoteService:
    """Return the server of the settings, by default the environment's, not yet connected: use ``async with``.

    Raises:
        ConfigurationError: no address, or no token for it.
    """
    settings = settings or ClientSettings.from_environ()
    if settings.address is None:
        raise ConfigurationError(["HOLDFAST_ADDR is missing: name the server, as https://host[:port]"])
    if settings.token is None:
        raise ConfigurationError(
            [f"No token for {settings.address}: log in with `holdfast login`, or set HOLDFAST_TOKEN"]
        )
    return RemoteService(Connection(settings.address, settings.token, ca_file=settings.ca_file))
