"""A compliance report as one HTML file: no scripts, nothing loaded from elsewhere, every value escaped."""

from functools import cache
from typing import TYPE_CHECKING

from holdfast.domain.compliance import Report
from holdfast.reports.markdown import ATTENTION, NOT_SHOWN, PREFACE, moment

if TYPE_CHECKING:
    from jinja2 import Template


def html(report: Report) -> str:
    """Return the report as a page that stands for itself."""
    attention = [each for each in report.evidence if each.attention]
    return _template().render(
        report=report, attention=attention, moment=moment, preface=PREFACE, look=ATTENTION, not_shown=NOT_SHOWN
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - seldom needed

    environment = Environment(
        loader=PackageLoader("holdfast.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja")
