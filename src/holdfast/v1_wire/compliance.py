"""Compliance reports."""

from typing import Annotated, Final

from msgspec import Meta

from holdfast.domain.compliance import FrameworkId
from holdfast.v1_wire.documents import Document, Moment, Request

_CHOICE: Final = f"(?:{'|'.join(FrameworkId)})"


class WhichReport(Request):
    """For which frameworks, and how far back the audit trail is looked at."""

    framework: (
        Annotated[
            str,
            Meta(
                pattern=f"^{_CHOICE}(?:,{_CHOICE})*$",
                max_length=100,
                description=f"Some of {', '.join(FrameworkId)}, comma-separated; without it, all of them.",
            ),
        ]
        | None
    ) = None
    days: Annotated[int, Meta(ge=1, le=366, description="How many days back.")] = 90


class EvidenceDocument(Document):
    """Something that a query has shown. ``source``: the query; ``attention``: what somebody should look into."""

    id: str
    title: str
    source: str
    statement: str
    attention: str
    columns: list[str]
    rows: list[list[str]]
    more: int


class ControlDocument(Document):
    """A requirement. ``evidence``: by id. ``yours``: what no system can show for you."""

    number: str
    title: str
    asks: str
    evidence: list[str]
    yours: str


class FrameworkDocument(Document):
    """A set of controls, as far as secrets have to do with them."""

    id: str
    title: str
    edition: str
    controls: list[ControlDocument]


class ReportDocument(Document):
    """Controls and evidence of one moment. The audit trail was looked at back to ``since`` at most."""

    made_at: Moment
    since: Moment
    installation: str
    release: str
    frameworks: list[FrameworkDocument]
    evidence: list[EvidenceDocument]
