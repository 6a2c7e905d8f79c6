"""Compliance reports."""

from collections.abc import Sequence
from typing import Annotated, Final, Self

from msgspec import Meta
from msgspec.structs import replace

from holdfast.contract.row import Asked, Context, Facade, Http, Row
from holdfast.domain.compliance import FrameworkId, Report
from holdfast.domain.policy import Permission
from holdfast.domain.validation import valid_choice, valid_number
from holdfast.errors import InvalidInput

MAX_DAYS: Final = 366
MAX_LENGTH: Final = 100
_CHOICE: Final = f"(?:{'|'.join(FrameworkId)})"


class WhichReport(Asked):
    """For which frameworks, and how far back the audit trail is looked at."""

    framework: (
        Annotated[
            str,
            Meta(
                description=f"Some of {', '.join(FrameworkId)}, comma-separated; without it, all of them.",
                extra_json_schema={"pattern": f"^{_CHOICE}(?:,{_CHOICE})*$", "maxLength": MAX_LENGTH},
            ),
        ]
        | None
    ) = None
    days: Annotated[
        int, Meta(description="How many days back.", extra_json_schema={"minimum": 1, "maximum": MAX_DAYS})
    ] = 90

    @property
    def frameworks(self) -> tuple[FrameworkId, ...]:
        """Those that are named, or all of them.

        Raises:
            InvalidInput: one is none.
        """
        if self.framework is not None and len(self.framework) > MAX_LENGTH:
            raise InvalidInput(f"framework must be at most {MAX_LENGTH} characters.", field="framework")
        named = FrameworkId if self.framework is None else self.framework.split(",")
        return tuple(valid_choice("framework", FrameworkId, each) for each in named)

    def checked(self) -> Self:
        """See that the frameworks are some, and the days too."""
        return replace(self, framework=",".join(self.frameworks), days=valid_number("days", self.days, 1, MAX_DAYS))


REPORT: Final[Row[WhichReport, Report]] = Row(
    record="report",
    needs=(Permission.AUDIT,),
    request=WhichReport,
    answer=Report,
    http=Http(
        id="getComplianceReport",
        method="GET",
        path="/v1/compliance",
        tag="Audit",
        summary="See what controls of SOC 2, ISO 27001, HIPAA, PCI DSS and GDPR ask, and what is shown for them now",
        cost=100,
    ),
)
ROWS: Final = (REPORT,)


class Compliance(Facade):
    """What controls ask, and what an installation shows for them. It takes ``audit`` on '*': secrets are named."""

    async def report(self, frameworks: Sequence[str] = (), *, days: int = 90, context: Context = None) -> Report:
        """Return what each control asks and what this installation shows for it now.

        Args:
            frameworks: ``soc2``, ``iso27001``, ``hipaa``, ``pci-dss``, ``gdpr``; by default all of them.
            days: how far back the audit trail is looked at: 1 to 366.
        """
        chosen = ",".join(map(str, frameworks)) or None
        return await self._run(REPORT, WhichReport(framework=chosen, days=days), context)
