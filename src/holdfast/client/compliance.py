"""Compliance reports over the API."""

from collections.abc import Sequence

from holdfast.client.connection import Connection
from holdfast.domain.compliance import Report
from holdfast.v1_wire.compliance import ReportDocument


class RemoteCompliance:
    """Reports. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def report(self, frameworks: Sequence[str] = (), *, days: int = 90, context: object = None) -> Report:
        """Return what each control asks and what the installation shows for it now."""
        query = {"framework": ",".join(frameworks) or None, "days": days}
        return (await self._connection.call("GET", "/v1/compliance", ReportDocument, query=query)).to(Report)
