"""The part of the facade that is about emergency access: ``service.break_glass``."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from holdfast.domain.break_glass import FEWEST_CODES, MOST_CODES, CodeSet, EmergencyRequest
from holdfast.domain.names import canonical_pattern
from holdfast.domain.validation import MAX_GENERATION, valid_flag, valid_number
from holdfast.errors import InvalidInput
from holdfast.service.break_glass.codes import NewCodes, RecoveryCodes
from holdfast.service.break_glass.requests import EmergencyRequests, valid_reason
from holdfast.service.callers import Context, authenticated


class BreakGlass:
    """Emergency access. Every method takes ``context``: who asks, or who decides. ``codes``: recovery codes."""

    def __init__(self, requests: EmergencyRequests, codes: RecoveryCodes) -> None:
        self._requests, self._codes = requests, codes
        self.codes = CodeControl(codes)

    async def request(
        self,
        name: str,
        *,
        reason: str,
        permissions: Iterable[str] = ("get",),
        duration: timedelta | None = None,
        code: str | None = None,
        context: Context = None,
    ) -> EmergencyRequest:
        """Ask for ``permissions`` on a secret, or on all that a glob covers, for a time: the policy's longest by
        default. ``code``: of the caller's second factor, where the policy asks for it. All approvers are told.

        Nothing is said of whether the secret exists.
        """
        return await self._requests.request(
            authenticated(context), canonical_pattern(name), permissions, valid_reason(reason), duration, code
        )

    async def approve(self, request_id: int, *, context: Context = None) -> EmergencyRequest:
        """Agree to a request of somebody else. It is granted when as many as the policy says have agreed, and still
        may, all of them different people.
        """
        return await self._requests.approve(authenticated(context), _number(request_id))

    async def deny(self, request_id: int, *, context: Context = None) -> EmergencyRequest:
        """Refuse a request of somebody else: one no is enough."""
        return await self._requests.deny(authenticated(context), _number(request_id))

    async def withdraw(self, request_id: int, *, context: Context = None) -> EmergencyRequest:
        """Take one's own request back, or give its grant back early."""
        return await self._requests.withdraw(authenticated(context), _number(request_id))

    async def revoke(self, request_id: int, *, context: Context = None) -> EmergencyRequest:
        """End a grant before its time."""
        return await self._requests.revoke(authenticated(context), _number(request_id))

    async def redeem(self, request_id: int, codes: Sequence[str], *, context: Context = None) -> EmergencyRequest:
        """Let recovery codes stand for the approvers of one's own request. Each is good once."""
        if isinstance(codes, str) or not isinstance(codes, Sequence) or not 1 <= len(codes) <= MOST_CODES:
            raise InvalidInput(f"codes must be a list of 1 to {MOST_CODES} recovery codes.", field="codes")
        return await self._codes.redeem(authenticated(context), _number(request_id), codes)

    async def get(self, request_id: int, *, context: Context = None) -> EmergencyRequest:
        """Return a request as it stands now."""
        return await self._requests.show(authenticated(context), _number(request_id))

    async def list(
        self, *, open_only: bool = False, limit: int = 100, context: Context = None
    ) -> list[EmergencyRequest]:
        """Return requests that the caller may see, newest first; with ``open_only``, those that wait or are granted."""
        size = valid_number("limit", limit, 1, 1000)
        return await self._requests.list(
            authenticated(context), open_only=valid_flag("open_only", open_only), limit=size
        )


class CodeControl:
    """Recovery codes, for administrators."""

    def __init__(self, codes: RecoveryCodes) -> None:
        self._codes = codes

    async def create(
        self, name: str = "*", *, number: int = 5, threshold: int = 2, context: Context = None
    ) -> NewCodes:
        """Make ``number`` codes of which ``threshold`` together stand for the approvers of a request for a secret or
        for what a glob covers. They are returned this once, and do not work for who made them.
        """
        needed = valid_number("threshold", threshold, FEWEST_CODES, MOST_CODES)
        size = valid_number("number", number, needed, MOST_CODES)
        return await self._codes.create(authenticated(context), canonical_pattern(name), size, needed)

    async def list(self, *, context: Context = None) -> list[CodeSet]:
        """Return all sets, with how many codes are left."""
        return await self._codes.list(authenticated(context))

    async def remove(self, set_id: int, *, context: Context = None) -> bool:
        """Make a set void; False if there is none of this number."""
        return await self._codes.remove(authenticated(context), _number(set_id))


def _number(raw: object) -> int:
    return valid_number("request_id", raw, 1, MAX_GENERATION)
