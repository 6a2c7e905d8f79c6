"""Compliance reports."""

from typing import Final

from holdfast.v1_wire.compliance import ReportDocument, WhichReport
from holdfast.web.v1.operation import Answer, Call, Operation


async def report(call: Call) -> Answer:
    """What controls ask, and what is shown for them."""
    query: WhichReport = call.query
    chosen = query.framework.split(",") if query.framework else []
    return Answer(ReportDocument.of(await call.service.compliance.report(chosen, days=query.days, context=call.caller)))


OPERATIONS: Final = (
    Operation(
        id="getComplianceReport",
        method="GET",
        path="/v1/compliance",
        summary="See what controls of SOC 2, ISO 27001, HIPAA, PCI DSS and GDPR ask, and what is shown for them now",
        needs="`audit` on `*`",
        tag="Audit",
        handle=report,
        query=WhichReport,
        cost=lambda _: 100,
        answer=ReportDocument,
    ),
)
