"""The part of the facade that steers rotations and shows where they stand."""

from holdfast.domain.names import canonical_name
from holdfast.domain.rotation import RotationResult, RotationRun
from holdfast.domain.validation import valid_flag, valid_number
from holdfast.service.callers import Context, authenticated
from holdfast.service.rotation.rotations import Rotations, RotationStatus


class RotationControl:
    """``service.rotations``. Every method takes ``context``, as those of the service do."""

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations

    async def status(self, name: str, *, context: Context = None) -> RotationStatus:
        """Return schedule, last or present rotation, and who still uses the credential before."""
        return await self._rotations.status(authenticated(context), canonical_name(name))

    async def runs(self, *, open_only: bool = False, limit: int = 100, context: Context = None) -> list[RotationRun]:
        """Return rotations, newest first; with ``open_only``, those that are not over."""
        size = valid_number("limit", limit, 1, 1000)
        return await self._rotations.runs(
            authenticated(context), open_only=valid_flag("open_only", open_only), limit=size
        )

    async def approve(self, name: str, *, context: Context = None) -> None:
        """Let a due rotation go ahead whose policy asks a person first.

        Raises:
            Conflict: nobody was asked.
        """
        await self._rotations.approve(authenticated(context), canonical_name(name))

    async def cancel(self, name: str, *, context: Context = None) -> RotationRun:
        """Give up a rotation, where the target cannot have lost the current credential to its candidate.

        Raises:
            Conflict: there is none, or it can only go on.
        """
        return await self._rotations.cancel(authenticated(context), canonical_name(name))

    async def resume(self, name: str, *, context: Context = None) -> RotationResult:
        """Go on with a rotation now.

        Raises:
            RotationFailed: a step failed again.
        """
        return await self._rotations.resume(authenticated(context), canonical_name(name))

    async def retire(self, name: str, *, context: Context = None) -> RotationResult:
        """Revoke the credential that a rotation replaced, although somebody may still use it.

        Raises:
            Conflict: there is none to revoke.
        """
        return await self._rotations.retire(authenticated(context), canonical_name(name))
