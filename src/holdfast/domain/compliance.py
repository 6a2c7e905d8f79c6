"""What a compliance report is made of: controls, what each asks, and what a running system shows for it."""

import enum
from typing import Final

import msgspec

from holdfast.domain.moments import Moment

MAX_ROWS: Final = 50
"""Rows that an item of evidence names; how many more there are is told."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a query has shown.

    ``source``: the query, or what else was looked at. ``statement``: what it showed, in figures. ``attention``: what
    of it somebody should look into, or nothing. ``rows`` under ``columns`` name what the figures count, ``more`` how
    many there are beyond those.
    """

    id: str
    title: str
    source: str
    statement: str
    attention: str = ""
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    more: int = 0


class Control(msgspec.Struct, frozen=True, kw_only=True):
    """A requirement. ``asks``: in our words. ``evidence``: by id. ``yours``: what no system can show for you."""

    number: str
    title: str
    asks: str
    evidence: tuple[str, ...] = ()
    yours: str = ""


class Framework(msgspec.Struct, frozen=True, kw_only=True):
    """A set of controls, as far as secrets have to do with them."""

    id: str
    title: str
    edition: str
    controls: tuple[Control, ...]


class FrameworkId(enum.StrEnum):
    """Which frameworks there are."""

    SOC2 = "soc2"
    ISO27001 = "iso27001"
    HIPAA = "hipaa"
    PCI_DSS = "pci-dss"
    GDPR = "gdpr"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Controls and evidence of one moment. The audit trail was looked at back to ``since`` at most."""

    made_at: Moment
    since: Moment
    installation: str
    release: str
    frameworks: tuple[Framework, ...]
    evidence: tuple[Evidence, ...]

    def of(self, control: Control) -> list[Evidence]:
        """The evidence for a control."""
        return [each for each in self.evidence if each.id in control.evidence]
