"""A compliance report in Markdown."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from html import escape
from typing import Final

from holdfast.domain.compliance import Control, Evidence, Framework, Report

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]#|~!])")

NOT_SHOWN: Final = "Not shown by this system"
ATTENTION: Final = "Look into this"

PREFACE: Final = (
    "What each control asks is told in words of our own, and only as far as secrets have to do with it. What is shown "
    "for it was asked of the running system when this report was made; it is no audit and no certificate."
)


def markdown(report: Report) -> str:
    """Return the report as text in Markdown (CommonMark with tables)."""
    return "\n".join(_lines(report)) + "\n"


def moment(value: datetime) -> str:
    """A moment, to the second."""
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _lines(report: Report) -> Iterator[str]:
    yield "# Compliance report"
    yield ""
    yield PREFACE
    yield ""
    yield f"- Made: {moment(report.made_at)}, by Holdfast {report.release}"
    yield f"- Installation: {report.installation}"
    yield f"- Audit trail looked at since: {moment(report.since)}"
    attention = [each for each in report.evidence if each.attention]
    if attention:
        yield from ("", f"## {ATTENTION}", "")
        yield from (f"- {_plain(each.title)}: {_plain(each.attention)}" for each in attention)
    for framework in report.frameworks:
        yield from _framework(report, framework)
    yield from ("", "## Evidence")
    for each in report.evidence:
        yield from _evidence(each)


def _framework(report: Report, framework: Framework) -> Iterator[str]:
    yield from ("", f"## {framework.title} ({framework.edition})")
    for control in framework.controls:
        yield from _control(report, control)


def _control(report: Report, control: Control) -> Iterator[str]:
    yield from ("", f"### {control.number} {control.title}", "", f"Asks: {control.asks}", "")
    for each in report.of(control):
        yield f"- **{_plain(each.title)}**: {_plain(each.statement)}"
        if each.attention:
            yield f"  {ATTENTION}: {_plain(each.attention)}"
    if control.yours:
        yield f"- **{NOT_SHOWN}**: {control.yours}"


def _evidence(evidence: Evidence) -> Iterator[str]:
    yield from ("", f"### {_plain(evidence.title)}", "", _plain(evidence.statement))
    if evidence.attention:
        yield from ("", f"{ATTENTION}: {_plain(evidence.attention)}")
    if evidence.rows:
        yield from ("", _row(evidence.columns), _row("---" for _ in evidence.columns))
        yield from (_row(map(_plain, row)) for row in evidence.rows)
    if evidence.more:
        yield from ("", f"… and {evidence.more:,} more.")
    yield from ("", f"Source: {_plain(evidence.source)}")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text that is nothing but text: names and reasons come from others."""
    return _SPECIAL.sub(r"\\\1", " ".join(escape(text, quote=False).split()))
