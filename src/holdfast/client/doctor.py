"""The examination of a server, over the API."""

from holdfast.client.connection import Connection
from holdfast.domain.diagnosis import Diagnosis, Finding
from holdfast.v1_wire.doctor import DiagnosisDocument, Examination


class RemoteDoctor:
    """What ``service.doctor`` is for a server. ``context`` is accepted and ignored: the token says who asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def diagnose(self, *, write: bool = False, context: object = None) -> Diagnosis:
        """Examine the installation as the server sees it."""
        found = await self._connection.call("POST", "/v1/diagnosis", DiagnosisDocument, body=Examination(write=write))
        return Diagnosis(findings=[each.to(Finding) for each in found.findings])
