"""Rotations over the API."""

from holdfast.client.connection import Connection, path
from holdfast.domain.names import canonical_name
from holdfast.domain.rotation import RotationResult
from holdfast.domain.secret import RotationPolicy
from holdfast.errors import InvalidInput
from holdfast.v1_wire.rotation import (
    RotationResultDocument,
    RotationResults,
    RotationRunDocument,
    RotationRuns,
    RotationStatusDocument,
    ScheduleRotation,
)
from holdfast.v1_wire.secrets import RotationPolicyDocument


class RemoteRotations:
    """What ``service.rotations`` is for a server. Runs and states come as documents, with the same names."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def status(self, name: str, *, context: object = None) -> RotationStatusDocument:
        """Return schedule, last or present rotation, and who still uses the credential before."""
        return await self._connection.call("GET", _of(name, "rotation"), RotationStatusDocument)

    async def runs(
        self, *, open_only: bool = False, limit: int = 100, context: object = None
    ) -> list[RotationRunDocument]:
        """Return rotations, newest first."""
        query = {"open_only": open_only, "limit": limit}
        return (await self._connection.call("GET", "/v1/rotations", RotationRuns, query=query)).items

    async def approve(self, name: str, *, context: object = None) -> None:
        """Let a due rotation go ahead whose policy asks a person first."""
        await self._connection.send("POST", _of(name, "rotation:approve"))

    async def cancel(self, name: str, *, context: object = None) -> RotationRunDocument:
        """Give up a rotation, where the target cannot have lost the current credential."""
        return await self._connection.call("POST", _of(name, "rotation:cancel"), RotationRunDocument)

    async def resume(self, name: str, *, context: object = None) -> RotationResult:
        """Go on with a rotation now."""
        return _result(await self._connection.call("POST", _of(name, "rotation:resume"), RotationResultDocument))

    async def retire(self, name: str, *, context: object = None) -> RotationResult:
        """Revoke the credential that a rotation replaced, although somebody may still use it."""
        return _result(await self._connection.call("POST", _of(name, "rotation:retire"), RotationResultDocument))


class RemoteRotating:
    """The rotation methods of the service itself. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def rotations(self) -> RemoteRotations:
        """Approve, cancel, resume and look at rotations."""
        return RemoteRotations(self._connection)

    async def rotate_secret(self, name: str, generate: object = None, *, context: object = None) -> RotationResult:
        """Rotate a secret now, with the handler that the server has for it.

        Raises:
            InvalidInput: a function was given; it cannot be sent.
        """
        if generate is not None:
            raise InvalidInput("A function cannot be sent to a server: register a handler there.", field="generate")
        return _result(await self._connection.call("POST", _of(name, "rotate"), RotationResultDocument))

    async def schedule_rotation(
        self, name: str, interval_days: int, *, auto_rotate: bool = True, context: object = None
    ) -> RotationPolicy:
        """Rotate a secret every so many days from now on."""
        body = ScheduleRotation(interval_days=interval_days, auto_rotate=auto_rotate)
        given = await self._connection.call("PUT", _of(name, "rotation"), RotationPolicyDocument, body=body)
        return given.policy()

    async def execute_scheduled_rotations(self, *, context: object = None) -> list[RotationResult]:
        """Rotate all that is due and may go ahead; one result per secret."""
        done = await self._connection.call("POST", "/v1/rotations:execute", RotationResults)
        return [_result(each) for each in done.items]


def _of(name: str, end: str) -> str:
    return path("/v1/secrets/{name}/", name=canonical_name(name)) + end


def _result(document: RotationResultDocument) -> RotationResult:
    return document.to(RotationResult)
