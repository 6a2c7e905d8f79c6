"""Commands on the whole installation as one file."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import output
from holdfast.cli.grammar import Command
from holdfast.cli.progress import bar
from holdfast.cli.session import on_this_machine, operator, with_local_service

if TYPE_CHECKING:  # the service takes long to import
    from holdfast.ports import BackupSummary

_FILE: Final = click.Path(path_type=Path)
_LINES: Final = (
    "Backup        {backup}",
    "Installation  {installation}",
    "Made at       {made_at}",
    "By            Holdfast {release}, schema {schema}",
    "Takes keys    {keys}",
    "Holds         {rows} rows in {tables} tables, {size} bytes",
)
_AFTERWARDS: Final = (
    "Next: start one node, look at `holdfast reconcile` (changes that were open in the backup and that Key Vault may "
    "have undone since wait there), and revoke again what was revoked after the backup."
)


@click.command(cls=Command)
@click.argument("file", type=_FILE, metavar="FILE")
@click.option("--verify", "only_verify", is_flag=True, help="Read a backup from beginning to end; needs no database.")
def backup(file: Path, only_verify: bool) -> None:
    """Write the whole installation to FILE, sealed with the encryption key, and read it back.

    The server may go on meanwhile: the backup has everything as of one moment. Keep the encryption key elsewhere.
    """
    with bar("Verifying" if only_verify else "Backing up") as progress:
        if only_verify:
            from holdfast.bootstrap.backup import verify_backup  # noqa: PLC0415 - takes long to import

            summary = on_this_machine(lambda settings: verify_backup(settings, file, progress))
        else:
            summary = with_local_service(
                lambda service, caller: service.backups.make(file, progress=progress, context=caller)
            )
    _tell(summary)
    output.say("The backup is whole: every byte of it authenticates.")


@click.command(cls=Command)
@click.argument("file", type=_FILE, metavar="FILE")
def restore(file: Path) -> None:
    """Restore the whole installation from FILE into an empty database: all of it, or nothing.

    Stop every node of the former installation first. It takes the encryption key that the backup was made with.
    """
    import asyncio  # noqa: PLC0415 - slow to import

    from holdfast.bootstrap.backup import restore_backup  # noqa: PLC0415 - takes long to import

    with bar("Restoring") as progress:
        summary = on_this_machine(
            lambda settings: asyncio.run(restore_backup(settings, file, caller=operator(), progress=progress))
        )
    _tell(summary)
    output.say(_AFTERWARDS)


def _tell(summary: "BackupSummary") -> None:
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
