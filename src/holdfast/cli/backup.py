"""Commands on the whole installation as one file."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import inputs, output
from holdfast.cli.exits import FileDamaged
from holdfast.cli.grammar import Command
from holdfast.cli.progress import bar
from holdfast.cli.session import on_this_machine, operator, with_local_service
from holdfast.errors import IntegrityFailure, InvalidInput

if TYPE_CHECKING:  # the service takes long to import
    from holdfast.ports import BackupSummary, Known, RestoreSummary

_FILE: Final = click.Path(path_type=Path)
_STDIN: Final = Path("/dev/stdin")
_LINES: Final = (
    "Backup        {backup}",
    "Installation  {installation}",
    "Made at       {made_at}",
    "By            Holdfast {release}, schema {schema}",
    "Takes keys    {keys}",
    "Holds         {rows} rows in {tables} tables, {size} bytes",
)
_UNKNOWN: Final = (
    "Revocations after {until}, and those in no trail that was given, are not known: what they took away counts "
    "again. Give what was kept of the audit trail elsewhere, with --trail."
)
_AFTERWARDS: Final = (
    "Next: start one node, look at `holdfast reconcile` (changes that were open in the backup and that Key Vault may "
    "have undone since wait there), and revoke again what was revoked after {until}."
)


@click.command(cls=Command)
@click.argument("file", type=_FILE, metavar="FILE")
@click.option(
    "--verify",
    "only_verify",
    is_flag=True,
    help="Read a backup from beginning to end, - from stdin; needs no database.",
)
def backup(file: Path, only_verify: bool) -> None:
    """Write the whole installation to FILE, sealed with the encryption key, and read it back.

    The server may go on meanwhile: the backup has everything as of one moment. Keep the encryption key elsewhere.
    """
    with bar("Verifying" if only_verify else "Backing up") as progress:
        if only_verify:
            from holdfast.bootstrap.backup import verify_backup  # noqa: PLC0415 - takes long to import

            named = _STDIN if str(file) == "-" else file
            with _of_a_file():
                summary = on_this_machine(lambda settings: verify_backup(settings, named, progress))
        else:
            summary = with_local_service(
                lambda service, caller: service.backups.make(file, progress=progress, context=caller)
            )
    _tell(summary)
    output.say("The backup is whole: every byte of it authenticates.")


@click.command(cls=Command)
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--trail", "trails", type=_FILE, multiple=True, metavar="EXPORT", help="Audit trail kept elsewhere.")
@click.option("--undo-revocations", "undo", is_flag=True, help="Let what was revoked after the backup count again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def restore(file: Path, trails: tuple[Path, ...], undo: bool, yes: bool) -> None:
    """Restore the whole installation from FILE into an empty database: all of it, or nothing.

    Stop every node of the former installation first. It takes the encryption key that the backup was made with.

    What was revoked after the backup is revoked again, as far as a trail tells: exports of the audit trail, or files
    that a stream of it wrote; and the local audit log in the data folder.
    """
    import asyncio  # noqa: PLC0415 - slow to import

    from holdfast.bootstrap.backup import known_revocations, restore_backup  # noqa: PLC0415 - takes long to import

    _check_is_on_disk(file)
    with _of_a_file():
        known = on_this_machine(lambda settings: known_revocations(settings, file, trails))
    _accept(known, yes=yes)
    restoring = partial(restore_backup, path=file, caller=operator(), known=known, undo_revocations=undo)
    with bar("Restoring") as progress:
        summary = on_this_machine(lambda settings: asyncio.run(restoring(settings, progress=progress)))
    _tell(summary)
    for what, revocations in (("Revoked again", summary.revoked), ("Counts again", summary.undone)):
        for each in revocations:
            output.say(f"{what}: {each}")
    output.say(_AFTERWARDS.format(until=output.moment(known.until)))


def _check_is_on_disk(file: Path) -> None:
    """See that a file can be read more than once. One that cannot be looked at cannot be read: that is told there."""
    with suppress(OSError):
        if not S_ISREG(file.stat().st_mode):
            text = "FILE must be a file on a disk, as it is read several times: store it there."
            raise InvalidInput(text, field="FILE")


@contextmanager
def _of_a_file() -> Iterator[None]:
    try:
        yield
    except IntegrityFailure as error:
        raise FileDamaged(str(error)) from error


def _accept(known: "Known", *, yes: bool) -> None:
    """State which revocations the restored installation cannot know of, and have a person accept that."""
    for gap in known.gaps:
        output.say(f"The trail lacks {gap}.")
    for record in known.unclear:
        output.say(f"Not revoked again, as its record does not say what: {record.operation} by {record.user_id}.")
    unknown = _UNKNOWN.format(until=output.moment(known.until))
    if yes:
        output.say(unknown)
    else:
        inputs.agreed(f"{unknown} Go on?")


def _tell(summary: "BackupSummary | RestoreSummary") -> None:
    if output.wants_json():
        output.write_document(summary)
        return
    header = summary.header
    facts = {
        "backup": header.backup,
        "installation": header.installation,
        "made_at": output.moment(header.made_at),
        "release": header.release,
        "schema": header.schema,
        "keys": ", ".join(header.keys),
        "rows": f"{sum(summary.rows.values()):,}",
        "tables": len(summary.rows),
        "size": f"{summary.size:,}",
    }
    output.write_lines(line.format(**facts) for line in _LINES)
