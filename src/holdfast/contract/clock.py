"""PostgreSQL's clock, which decides about expiry."""

from dataclasses import dataclass
from typing import Final

from holdfast.contract.row import Context, Facade, Http, Nothing, Row
from holdfast.domain.moments import Moment
from holdfast.domain.policy import Permission
from holdfast.errors import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedClock:
    """A clock that counts again. ``moment``: what it showed; ``believed``: what was the present until then."""

    moment: Moment
    believed: Moment


ACCEPT: Final[Row[Nothing, AcceptedClock]] = Row(
    record="clock.accept",
    needs=(Permission.OPERATE,),
    request=Nothing,
    answer=AcceptedClock,
    http=Http(
        id="acceptClock",
        method="POST",
        path="/v1/clock:accept",
        tag="Installation",
        summary="Take PostgreSQL's clock for right although it went back, on every node",
        errors=(Conflict,),
    ),
)
ROWS: Final = (ACCEPT,)


class DatabaseClock(Facade):
    """What a person decides about PostgreSQL's clock. It takes the permission ``operate`` on '*'."""

    async def accept(self, *, context: Context = None) -> AcceptedClock:
        """Take PostgreSQL's clock for right as it is although it went back, on every node within a second.

        What expired by the time that was believed until then, and has not by this clock, counts again.

        Raises:
            Conflict: the clock of the answering node's machine says something else.
        """
        return await self._run(ACCEPT, Nothing(), context)
