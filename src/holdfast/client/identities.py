"""Identities and their tokens over the API."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from holdfast.client.connection import Connection, path
from holdfast.client.listings import MAX_PAGE
from holdfast.domain.identities import DEFAULT_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME, IdentityKind
from holdfast.domain.policy import canonical_identity
from holdfast.errors import InvalidInput
from holdfast.ports import IdentityRecord, TokenRecord
from holdfast.service.access.secondfactor import Enrolment
from holdfast.service.access.tokens import NewToken
from holdfast.v1_wire import identities as wire
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.totp import EnrolmentDocument, EnrolTotp, TotpCode


class RemoteSecondFactors:
    """What ``service.identities.totp`` is for a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def enrol(self, identity: str | None = None, *, context: object = None) -> Enrolment:
        """Make a secret for an app; it is in the answer, this once."""
        body = EnrolTotp(identity=identity)
        made = await self._connection.call("POST", "/v1/totp:enrol", EnrolmentDocument, body=body)
        return Enrolment(made.identity, made.uri)

    async def confirm(self, code: str, *, context: object = None) -> None:
        """Show by a first code that the app has the secret."""
        await self._connection.send("POST", "/v1/totp:confirm", body=TotpCode(code=code))

    async def verify(self, code: str, *, context: object = None) -> None:
        """Show that the second factor is at hand."""
        await self._connection.send("POST", "/v1/totp:verify", body=TotpCode(code=code))

    async def remove(self, identity: str, *, context: object = None) -> bool:
        """Forget the second factor of an identity; False if there was none."""
        return (await self._connection.call("DELETE", _of(identity, "/totp"), Removed)).removed


class RemoteIdentities:
    """What ``service.identities`` is for a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.totp = RemoteSecondFactors(connection)

    async def add(self, name: str, kind: str = IdentityKind.APPLICATION, *, context: object = None) -> None:
        """Make an identity."""
        body = wire.AddIdentity(name=canonical_identity(name), kind=_kind(kind))
        await self._connection.call("POST", "/v1/identities", wire.NewIdentity, body=body)

    async def list(self, *, context: object = None) -> list[IdentityRecord]:
        """Return all identities."""
        listed = self._connection.items("/v1/identities", wire.IdentityDocument, limit=MAX_PAGE)
        return [each.to(IdentityRecord) async for each in listed]

    async def disable(self, name: str, *, context: object = None) -> None:
        """Let an identity's proofs prove nothing."""
        await self._connection.send("POST", _of(name, "/disable"))

    async def enable(self, name: str, *, context: object = None) -> None:
        """Undo that."""
        await self._connection.send("POST", _of(name, "/enable"))

    async def remove(self, name: str, *, context: object = None) -> bool:
        """Remove an identity with all its proofs; False if there is none."""
        return (await self._connection.call("DELETE", _of(name), Removed)).removed

    async def set_groups(
        self,
        name: str,
        groups: Iterable[str],
        *,
        accept_existing_credentials: bool = False,
        context: object = None,
    ) -> frozenset[str]:
        """Make an identity a member of exactly these groups."""
        body = wire.SetGroups(groups=[*groups], accept_existing_credentials=accept_existing_credentials)
        return frozenset(
            (await self._connection.call("PUT", _of(name, "/groups"), wire.GroupsDocument, body=body)).groups
        )


class RemoteTokens:
    """What ``service.tokens`` is for a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(
        self,
        identity: str,
        *,
        lifetime: timedelta = DEFAULT_TOKEN_LIFETIME,
        max_lifetime: timedelta = MAX_TOKEN_LIFETIME,
        networks: Iterable[str] = (),
        description: str | None = None,
        context: object = None,
    ) -> NewToken:
        """Make a token of an identity. It is in the answer, this once."""
        body = wire.CreateToken(
            identity=canonical_identity(identity),
            lifetime_s=int(lifetime.total_seconds()),
            max_lifetime_s=int(max_lifetime.total_seconds()),
            networks=[*networks],
            description=description,
        )
        made = await self._connection.call("POST", "/v1/tokens", wire.NewToken, body=body)
        return NewToken(made.token, TokenRecord(**made.record.members()))

    async def list(self, identity: str | None = None, *, context: object = None) -> list[TokenRecord]:
        """Return the tokens of an identity, or of all, newest first."""
        query = {"identity": identity}
        listed = self._connection.items("/v1/tokens", wire.TokenDocument, limit=MAX_PAGE, query=query)
        return [TokenRecord(**each.members()) async for each in listed][::-1]  # the API has the oldest first

    async def renew(self, token_id: UUID, *, context: object = None) -> TokenRecord:
        """Put the end of the very token that asks off."""
        renewed = await self._connection.call("POST", _token(token_id, "/renew"), wire.TokenDocument)
        return TokenRecord(**renewed.members())

    async def revoke(self, token_id: UUID, *, context: object = None) -> bool:
        """End a token; False if it has ended already."""
        return (await self._connection.call("DELETE", _token(token_id), Removed)).removed


def _of(name: str, end: str = "") -> str:
    return path("/v1/identities/{name}", name=canonical_identity(name)) + end


def _token(token_id: object, end: str = "") -> str:
    return path("/v1/tokens/{token_id}", token_id=token_id) + end


def _kind(kind: str) -> IdentityKind:
    if kind not in set(IdentityKind):
        raise InvalidInput(f"kind must be one of {', '.join(IdentityKind)}.", field="kind")
    return IdentityKind(kind)
