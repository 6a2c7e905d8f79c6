"""``holdfast doctor``: what is wrong with an installation, why it matters, and how to mend it."""

import asyncio
import logging
import shutil
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import exits, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import server, with_service
from holdfast.config import read_draft
from holdfast.domain.diagnosis import Level

if TYPE_CHECKING:
    from holdfast.domain.diagnosis import Diagnosis, Finding

_MARKS: Final = {Level.OK: "✓ ok", Level.SKIPPED: "- skipped", Level.WARNING: "! warning", Level.FAILURE: "✗ FAILURE"}
_MARK_COLUMNS: Final = 9
_NARROWEST: Final = 40
_COLOURS: Final = {Level.WARNING: "yellow", Level.FAILURE: "red"}


@click.command(cls=Command)
@click.option("--write", is_flag=True, help="Try at Key Vault what changes something, too, on a secret of its own.")
def doctor(write: bool) -> int:
    """Examine settings, keys, files, certificates, clocks, PostgreSQL, Redis, Key Vault and all that is kept.

    No node has to run: it is for one that does not start as well. With HOLDFAST_ADDR set, the server examines itself
    and all it depends on. Nothing is written, but with --write the secret holdfast-doctor-probe in Key Vault, which is
    removed again as far as the permissions there allow.

    Exit code 0 when nothing fails, 1 when something does; warnings alone do not count.
    """
    diagnosis = _examined(write)
    if output.wants_json():
        output.write_document({"healthy": diagnosis.healthy, "findings": list(diagnosis.findings)})
    else:
        output.write_lines(_lines(diagnosis))
    return exits.OK if diagnosis.healthy else exits.UNEXPECTED


def _examined(write: bool) -> "Diagnosis":
    draft = read_draft()
    if draft.server is not None or (not draft.faults and server().address is not None):
        return with_service(lambda service, caller: service.doctor.diagnose(write=write, context=caller))
    from holdfast.bootstrap.doctor import diagnose  # noqa: PLC0415 - takes long to import

    # What goes wrong is among the findings; what libraries think of it is for those who debug.
    debugging = draft.settings.log_level == "debug"
    logging.basicConfig(level=logging.DEBUG if debugging else logging.CRITICAL)
    return asyncio.run(diagnose(draft, write=write))


def _lines(diagnosis: "Diagnosis") -> Iterator[str]:
    wide = max(len(finding.check) for finding in diagnosis.findings)
    for finding in diagnosis.findings:
        yield from _finding(finding, wide)
    failures, warnings = diagnosis.count(Level.FAILURE), diagnosis.count(Level.WARNING)
    verdict = "Nothing fails" if diagnosis.healthy else f"FAILURES: {failures}"
    yield ""
    yield f"{verdict}; warnings: {warnings}."


def _finding(finding: "Finding", wide: int) -> Iterator[str]:
    mark = f"{_MARKS[finding.level]:<{_MARK_COLUMNS}}"
    if finding.level in _COLOURS and sys.stdout.isatty():
        mark = click.style(mark, fg=_COLOURS[finding.level], bold=True)
    indent = " " * (_MARK_COLUMNS + 2 + wide + 2)
    first, *more = _wrapped(finding.found, indent)
    yield f"{mark}  {finding.check:<{wide}}  {first}"
    yield from (indent + line for line in more)
    for label, text in (("Why: ", finding.why), ("Fix: ", finding.fix)):
        yield from (indent + line for line in (_wrapped(label + text, indent) if text else []))


def _wrapped(text: str, indent: str) -> list[str]:
    """Lines as wide as the terminal, where there is one; what a program reads is not broken."""
    line = output.one_line(text)
    if not sys.stdout.isatty():
        return [line]
    columns = max(_NARROWEST, shutil.get_terminal_size().columns - len(indent))
    return textwrap.wrap(line, columns, break_long_words=False, break_on_hyphens=False) or [line]
