"""The examination of an installation, as the node that answers sees it."""

from typing import Final

from holdfast.v1_wire.doctor import DiagnosisDocument, Examination
from holdfast.web.v1.operation import Answer, Call, Operation


async def diagnose(call: Call) -> Answer:
    """What was found."""
    body: Examination = call.body
    found = await call.service.doctor.diagnose(write=body.write, context=call.caller)
    return Answer(DiagnosisDocument.of(found))


OPERATIONS: Final = (
    Operation(
        id="diagnose",
        method="POST",
        path="/v1/diagnosis",
        summary="Examine everything that this node depends on, and say why each fault matters and how to mend it",
        needs="`operate` on `*`",
        tag="Installation",
        handle=diagnose,
        body=Examination,
        answer=DiagnosisDocument,
    ),
)
