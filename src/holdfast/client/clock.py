"""PostgreSQL's clock over the API."""

from holdfast.client.connection import Connection
from holdfast.service.installation.clock import AcceptedClock
from holdfast.v1_wire.clock import AcceptedClockDocument


class RemoteClock:
    """What ``service.clock`` is for a server. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def accept(self, *, context: object = None) -> AcceptedClock:
        """Take PostgreSQL's clock for right although it went back."""
        return (await self._connection.call("POST", "/v1/clock:accept", AcceptedClockDocument)).to(AcceptedClock)
