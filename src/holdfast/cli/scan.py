"""The command that looks for hardcoded secrets, and takes them over."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import exits, output
from holdfast.cli.grammar import Change
from holdfast.cli.moving import carry_over, importing
from holdfast.cli.progress import bar
from holdfast.domain.audit import printable
from holdfast.errors import InvalidInput

if TYPE_CHECKING:  # takes long to import
    from collections.abc import AsyncIterator

    from holdfast.importing.items import Item
    from holdfast.scanning.findings import Finding, Skipped

_COLUMNS: Final = ("ID", "PLACE", "KIND", "SURE", "NAME", "INSTEAD")


def _scanned(_context: click.Context, _parameter: click.Parameter, raw: str) -> Path:
    if not raw:  # an empty variable, more often than a wish to scan all there is here
        raise click.BadParameter("it is empty; a dot is this folder.")
    return Path(raw)


@click.command(cls=Change)
@click.argument("path", callback=_scanned)
@click.option(
    "--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Findings that it accepts are not reported."
)
@click.option("--accept", is_flag=True, help="Write the baseline anew: everything found now is accepted.")
@click.option("--import", "ask", is_flag=True, help="Ask of each finding whether to take it over.")
@click.option("--take", multiple=True, metavar="ID", help="Take over this finding, or 'all'; repeatable.")
@importing
def scan(*, path: Path, baseline: Path | None, accept: bool, ask: bool, take: tuple[str, ...], **given: Any) -> int:
    """Look for hardcoded secrets in a file or folder; values are never shown.

    Exit code 1 when something is found that no baseline accepts, or a file cannot be read to its end. What .gitignore
    names is left out; binary files and those above 5 MB are listed as skipped. The other options are those of
    `holdfast import`.
    """
    if accept and baseline is None:
        raise click.UsageError("--accept needs --baseline FILE.")
    found, skipped = _found(path)
    if accept and baseline is not None:
        return _accept(baseline, found)
    known = _accepted(baseline)
    fresh = [each for each in found if each.id not in known]
    wanted = list(_wanted(fresh, take, ask=ask)) if ask or take else []
    if not (ask or take):
        _report(path, fresh, skipped, accepted=len(found) - len(fresh))
        return exits.UNEXPECTED if fresh or any(each.failed for each in skipped) else exits.OK
    if wanted:
        _take_over(path, wanted, given)
    return exits.OK


def _found(path: Path) -> "tuple[list[Finding], list[Skipped]]":
    from holdfast.scanning.engine import scan as scan_files  # noqa: PLC0415 - an extra, and slow to import
    from holdfast.scanning.findings import Finding, Skipped, named  # noqa: PLC0415

    with bar("Scanning"):
        everything = list(scan_files(path))
    findings = named(each for each in everything if isinstance(each, Finding))
    return findings, [each for each in everything if isinstance(each, Skipped)]


def _accepted(baseline: Path | None) -> frozenset[str]:
    from holdfast.scanning.baseline import read_baseline  # noqa: PLC0415 - see above

    return read_baseline(baseline) if baseline is not None else frozenset()


def _accept(baseline: Path, found: "list[Finding]") -> int:
    from holdfast.scanning.baseline import write_baseline  # noqa: PLC0415 - see above

    write_baseline(baseline, found)
    output.say(f"{baseline} accepts {len(found)} findings.")
    if output.wants_json():
        output.write_document({"accepted": len(found)})
    return exits.OK


def _wanted(fresh: "list[Finding]", take: tuple[str, ...], *, ask: bool) -> "Iterable[Finding]":
    unknown = set(take) - {each.id for each in fresh} - {"all"}
    if unknown:
        raise InvalidInput("--take names an id that is not found; without it, all are listed.", field="take")
    for each in fresh:
        if each.escaped:
            output.say(f"{_place(each)} is written with escapes: store it by hand, with `holdfast set {each.name}`.")
        elif each.id in take or "all" in take or (ask and _confirmed(each)):
            yield each


def _confirmed(finding: "Finding") -> bool:
    question = f"{_place(finding)}, {finding.kind}: take it over as {finding.name}?"
    return click.confirm(printable(question, len(question)) or "", err=True)


def _take_over(path: Path, wanted: "Iterable[Finding]", given: Mapping[str, Any]) -> None:
    from holdfast.importing.items import Content, Item  # noqa: PLC0415 - see above

    once = {each.name: each for each in reversed(list(wanted))}
    items = [
        Item(source=str(name), origin=_place(each), versions=(Content(value=each.value),))
        for name, each in reversed(once.items())
    ]

    async def gather() -> "AsyncIterator[Item]":
        for item in items:
            yield item

    carry_over(gather, f"scan {path.resolve()}", given)
    output.say("Now write what INSTEAD says in the files, and rotate what others have seen.")


def _report(path: Path, fresh: "list[Finding]", skipped: "list[Skipped]", *, accepted: int) -> None:
    if output.wants_json():
        findings = [_document(each) for each in fresh]
        left = [{"path": each.path, "reason": each.reason} for each in skipped]
        output.write_document({"findings": findings, "skipped": left, "accepted": accepted})
        return
    if fresh:
        output.write_table(_COLUMNS, [_row(each) for each in fresh])
    for each in skipped:
        output.say(f"Skipped {each.path}: {each.reason}.")
    more = f", {accepted} accepted" if accepted else ""
    output.say(f"Findings in {path}: {len(fresh)}{more}.")
    if fresh:
        output.say(f"`holdfast scan {path} --import` takes them over; `holdfast run` fills environment variables.")


def _place(finding: "Finding") -> str:
    return f"{finding.path}:{finding.line}"


def _row(finding: "Finding") -> tuple[object, ...]:
    return (
        *(finding.id, _place(finding), finding.kind.partition(".")[2], finding.confidence, finding.name),
        _instead(finding),
    )


def _document(finding: "Finding") -> dict[str, object]:
    return {
        "id": finding.id,
        "path": finding.path,
        "line": finding.line,
        "kind": finding.kind,
        "meaning": finding.meaning,
        "confidence": finding.confidence,
        "variable": finding.variable,
        "name": finding.name,
        "instead": _instead(finding),
    }


def _instead(finding: "Finding") -> str:
    from holdfast.scanning.context import replacement  # noqa: PLC0415 - see above

    return replacement(finding.path, finding.variable, finding.name) if finding.name else ""
