"""Emergency access over the API."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

from msgspec import UNSET

from holdfast.client.connection import Connection, path
from holdfast.domain.break_glass import CodeSet, EmergencyRequest
from holdfast.domain.policy import parse_permissions
from holdfast.service.break_glass.codes import NewCodes
from holdfast.v1_wire import break_glass as wire
from holdfast.v1_wire.access import Removed
from holdfast.v1_wire.documents import Request


class RemoteCodes:
    """What ``service.break_glass.codes`` is for a server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def create(self, name: str = "*", *, number: int = 5, threshold: int = 2, context: object = None) -> NewCodes:
        """Make recovery codes. They are in the answer, this once."""
        body = wire.MakeCodes(name=name, number=number, threshold=threshold)
        made = await self._connection.call("POST", "/v1/break-glass-codes", wire.NewCodesDocument, body=body)
        return NewCodes(set=made.set.codes(), codes=tuple(made.codes))

    async def list(self, *, context: object = None) -> list[CodeSet]:
        """Return all sets, with how many codes are left."""
        found = await self._connection.call("GET", "/v1/break-glass-codes", wire.CodeSets)
        return [each.codes() for each in found.items]

    async def remove(self, set_id: int, *, context: object = None) -> bool:
        """Make a set void; False if there is none of this number."""
        end = path("/v1/break-glass-codes/{set}", set=set_id)
        return (await self._connection.call("DELETE", end, Removed)).removed


class RemoteBreakGlass:
    """What ``service.break_glass`` is for a server. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.codes = RemoteCodes(connection)

    async def request(
        self,
        name: str,
        *,
        reason: str,
        permissions: Iterable[str] = ("get",),
        duration: timedelta | None = None,
        code: str | None = None,
        context: object = None,
    ) -> EmergencyRequest:
        """Ask for access for a time; all approvers are told."""
        body = wire.AskForAccess(
            name=name,
            reason=reason,
            permissions=cast("list[wire.Requestable]", sorted(parse_permissions(permissions))),  # the server checks
            duration_s=UNSET if duration is None else int(duration.total_seconds()),
            code=UNSET if code is None else code,
        )
        return (await self._connection.call("POST", "/v1/break-glass", wire.EmergencyDocument, body=body)).request()

    async def list(
        self, *, open_only: bool = False, limit: int = 100, context: object = None
    ) -> list[EmergencyRequest]:
        """Return requests that the caller may see, newest first."""
        query = {"open_only": open_only, "limit": limit}
        found = await self._connection.call("GET", "/v1/break-glass", wire.Emergencies, query=query)
        return [each.request() for each in found.items]

    async def get(self, request_id: int, *, context: object = None) -> EmergencyRequest:
        """Return a request as it stands now."""
        return (await self._connection.call("GET", _of(request_id), wire.EmergencyDocument)).request()

    async def approve(self, request_id: int, *, context: object = None) -> EmergencyRequest:
        """Agree to a request of somebody else."""
        return await self._step(request_id, "approve")

    async def deny(self, request_id: int, *, context: object = None) -> EmergencyRequest:
        """Refuse a request of somebody else."""
        return await self._step(request_id, "deny")

    async def withdraw(self, request_id: int, *, context: object = None) -> EmergencyRequest:
        """Take one's own request back, or give its grant back early."""
        return await self._step(request_id, "withdraw")

    async def revoke(self, request_id: int, *, context: object = None) -> EmergencyRequest:
        """End a grant before its time."""
        return await self._step(request_id, "revoke")

    async def redeem(self, request_id: int, codes: Sequence[str], *, context: object = None) -> EmergencyRequest:
        """Let recovery codes stand for the approvers of one's own request."""
        return await self._step(request_id, "redeem", wire.Redeem(codes=list(codes)))

    async def _step(self, request_id: int, verb: str, body: Request | None = None) -> EmergencyRequest:
        answered = await self._connection.call("POST", f"{_of(request_id)}/{verb}", wire.EmergencyDocument, body=body)
        return answered.request()


def _of(request_id: int) -> str:
    return path("/v1/break-glass/{request}", request=request_id)
