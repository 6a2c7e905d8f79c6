"""The examination of an installation."""

from typing import Final, Self

from msgspec.structs import replace

from holdfast.contract.row import Asked, Context, Facade, Http, Row
from holdfast.domain.diagnosis import Diagnosis, Finding
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_flag
from holdfast.v1_wire.documents import Document


class Examination(Asked):
    """How thoroughly. ``write``: try at Key Vault what changes something, too, on a secret with a reserved name."""

    write: bool = False

    def checked(self) -> Self:
        """See that the flag is one."""
        return replace(self, write=valid_flag("write", self.write))


class DiagnosisDocument(Document):
    """All findings, in the order of the checks. ``healthy``: none is a failure."""

    healthy: bool
    findings: list[Finding]


DIAGNOSE: Final[Row[Examination, Diagnosis]] = Row(
    record="diagnose",
    needs=(Permission.OPERATE,),
    request=Examination,
    answer=Diagnosis,
    http=Http(
        id="diagnose",
        method="POST",
        path="/v1/diagnosis",
        tag="Installation",
        summary="Examine everything that this node depends on, and say why each fault matters and how to fix it",
        document=DiagnosisDocument,
    ),
)
ROWS: Final = (DIAGNOSE,)


class Doctor(Facade):
    """The examination of everything that a node depends on."""

    async def diagnose(self, *, write: bool = False, context: Context = None) -> Diagnosis:
        """Examine the installation as the answering node sees it, for those who may operate it.

        ``write``: try at Key Vault what changes something, too, on a secret with a reserved name.
        """
        return await self._run(DIAGNOSE, Examination(write=write), context)
