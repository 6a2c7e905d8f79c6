"""Commands on the audit trail: look into it, take it away, check it."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import click
import msgspec

from holdfast.cli import audit_lines, exits, inputs, output, streams
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.checkpoint import parse_gap
from holdfast.domain.policy import Caller
from holdfast.domain.verification import Verdict, verify
from holdfast.errors import InvalidInput
from holdfast.resilience.ownership import new_file

if TYPE_CHECKING:  # importing the service takes most of a second, which `--help` does not have to spend
    from holdfast.ports import Unshipped
    from holdfast.service.manager import SecretsService

_COLUMNS: Final = ("TIME", "WHO", "OPERATION", "NAME", "VERSION", "SOURCE", "RESULT", "ADDRESS", "RULE")
_STREAMS: Final = ("STREAM", "DELIVERED", "WAITING", "LAST", "FAILED", "ERROR")
_GAPS: Final = ("GAP", "RECORDS")
_UNSHIPPED: Final = ("NODE", "HEARD OF", "RECORDS")
_FILE: Final = click.Path(path_type=Path)

_EARLY: Final = (
    "Up to checkpoint {last} nothing is wrong. Checkpoint {next}, of {at}, covers records that are not here: if the "
    "export was made before that, give --up-to {last}; else it was cut. `holdfast audit bundle` takes all in the right "
    "order."
)

since_option = click.option("--since", type=inputs.past, metavar="WHEN", help="2027-01-31T00:00Z, or 7d ago as 7d.")
until_option = click.option("--until", type=inputs.past, metavar="WHEN", help="The same; not included.")


@click.group(cls=Group)
def audit() -> None:
    """Look into the audit trail, export it, and check an export without trusting anybody."""


@audit.command(cls=Command)
@click.option("--secret", "--name", "name", metavar="NAME", help="About this secret.")
@click.option("--identity", "user_id", metavar="USER", help="By this identity.")
@click.option("--operation", metavar="OPERATION", help="Such as get, set or login.")
@click.option("--outcome", type=click.Choice(["ok", "failed"]), help="Done, or refused or failed.")
@since_option
@until_option
@click.option("--limit", type=inputs.whole(1, 1000), default="50", show_default=True, metavar="N")
@click.option("--cursor", metavar="CURSOR", help="Go on where an earlier page ended.")
def search(
    name: str | None,
    user_id: str | None,
    operation: str | None,
    outcome: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    cursor: str | None,
) -> None:
    """Show who did what, newest first, refusals included."""
    page = with_service(
        lambda service, caller: service.audit.search(
            name=name,
            user_id=user_id,
            operation=operation,
            success=None if outcome is None else outcome == "ok",
            since=since,
            until=until,
            limit=limit,
            cursor=cursor,
            context=caller,
        )
    )
    if output.wants_json():
        output.write_document(page)
        return
    rows = [
        (r.timestamp, r.user_id, r.operation, r.name, r.version, r.source, r.error_code or "ok", r.ip_address, r.rule)
        for r in page.records
    ]
    output.write_table(_COLUMNS, rows)
    if page.next_cursor:
        output.say(f"There is more: --cursor {page.next_cursor}")


@audit.command(cls=Command)
@since_option
@until_option
@click.option("--csv", "as_csv", is_flag=True, help="For a spreadsheet; cannot be verified.")
def export(since: datetime | None, until: datetime | None, as_csv: bool) -> None:
    """Write every record to stdout, a line of JSON each, to be checked with `holdfast audit verify`.

    With --since or --until, of every chain the stretch that holds all records of that time.
    """

    async def write(records: AsyncIterator[bytes]) -> None:
        async for lines in records:
            streams.write(lines)

    form = audit_lines.csv_lines if as_csv else audit_lines.json_lines

    async def work(service: "SecretsService", caller: Caller) -> "list[Unshipped]":
        await write(form(service.audit.export(since=since, until=until, context=caller)))
        return await service.audit.unshipped(context=caller)

    _tell_of_missing(with_service(work))


@audit.command(cls=Command)
def unshipped() -> int:
    """List the nodes that have, or may have, records in their data folders that no export has yet.

    Known of nodes that run, and of those that vanished within the hour. Exit code 7 when there are any.
    """
    found = with_service(lambda service, caller: service.audit.unshipped(context=caller))
    if output.wants_json():
        output.write_document(found)
    else:
        output.write_table(_UNSHIPPED, [(each.node, each.seen_at, each.found) for each in found])
    return exits.DEGRADED if found else exits.OK


@audit.command(cls=Command)
def checkpoints() -> None:
    """Write all checkpoints to stdout, a line each."""

    async def write(lines: AsyncIterator[bytes]) -> None:
        async for line in lines:
            streams.write(line + b"\n")

    with_service(lambda service, caller: write(service.audit.checkpoints(context=caller)))


@audit.command(cls=Command)
@click.argument("folder", type=_FILE, metavar="FOLDER")
def bundle(folder: Path) -> None:
    """Write all that `holdfast audit verify` needs into a new FOLDER: checkpoints, then the export, then the key.

    In this order, no checkpoint covers a record that the export cannot have. Compare the key with the one that you
    keep elsewhere: who exchanges all three files exchanges it as well.
    """
    from holdfast.crypto.signing import key_line  # noqa: PLC0415 - takes long to import

    async def work(service: "SecretsService", caller: Caller) -> "list[Unshipped]":
        with new_file(folder / "checkpoints.txt") as file:
            async for line in service.audit.checkpoints(context=caller):
                file.write(line + b"\n")
        with new_file(folder / "export.jsonl") as file:
            async for lines in audit_lines.json_lines(service.audit.export(context=caller)):
                file.write(lines)
        with new_file(folder / "key.txt") as file:
            keys = await service.audit.public_keys(context=caller)
            file.write("".join(f"{key_line(each)}\n" for each in keys).encode())
        return await service.audit.unshipped(context=caller)

    try:
        folder.mkdir(mode=0o700)
        missing = with_service(work)
    except OSError as error:
        raise InvalidInput(f"FOLDER cannot be written: {error.strerror}. Name one that is not there yet.") from None
    _tell_of_missing(missing)
    output.say("Check it there: holdfast audit verify export.jsonl --checkpoints checkpoints.txt --key key.txt")
    if output.wants_json():
        output.write_document({"folder": str(folder)})


@audit.command(cls=Command)
def key() -> None:
    """Write the public key that checkpoints are signed with. Keep it where nobody can exchange it."""
    from holdfast.crypto.signing import key_line  # noqa: PLC0415 - takes long to import

    found = with_service(lambda service, caller: service.audit.public_keys(context=caller))
    output.write_lines(map(key_line, found))


@audit.command(cls=Command)
def stream() -> int:
    """Show where records and checkpoints are sent to, and how that goes.

    Exit code 7 when any of it fails.
    """
    found = with_service(lambda service, caller: service.audit.streams(context=caller))
    if output.wants_json():
        output.write_document(found)
    else:
        rows = [(s.name, s.delivered, s.waiting, s.delivered_at, s.failed_at, s.last_error) for s in found]
        output.write_table(_STREAMS, rows)
    return exits.DEGRADED if any(each.failed_at for each in found) else exits.OK


@audit.command(cls=Command)
def gaps() -> int:
    """List records that are missing above the last checkpoint of their chain: no checkpoint covers what came after.

    They wait in the local log of a node that is down, or were removed. Exit code 8 when there are any.
    """
    found = with_service(lambda service, caller: service.audit.gaps(context=caller))
    if output.wants_json():
        output.write_document([{"name": each.name, **msgspec.structs.asdict(each)} for each in found])
    else:
        output.write_table(_GAPS, [(each.name, each.last - each.first + 1) for each in found])
    return exits.INTEGRITY if found else exits.OK


@audit.command(cls=Change)
@click.argument("gap")
@click.option("--yes", is_flag=True, help="Do not ask.")
def acknowledge(gap: str, yes: bool) -> None:
    """Take note that the records of GAP are lost, so that checkpoints and streams go on after them.

    Start every node first that was down during an outage: its local log may have them. The next checkpoint names the
    gap and you; `holdfast audit verify` goes on telling that the records are missing.
    """
    parse_gap(gap)  # before somebody is asked about it
    if not yes:
        inputs.agreed("Records that turn up later reach no stream any more. Go on?")
    with_service(lambda service, caller: service.audit.acknowledge(gap, context=caller))
    output.say("Noted. Checkpoints and streams go on after the gap; the records stay missing.")
    if output.wants_json():
        output.write_document({"acknowledged": gap})


@audit.command("verify", cls=Command)
@click.argument("export_file", type=_FILE, metavar="EXPORT")
@click.option("--checkpoints", "checkpoint_file", type=_FILE, required=True, metavar="FILE", help="All of them.")
@click.option("--key", "key_file", type=_FILE, required=True, metavar="FILE", help="From `holdfast audit key`.")
@click.option("--up-to", type=inputs.whole(0, 10**12), metavar="N", help="Leave checkpoints after N aside.")
@click.option("--partial", is_flag=True, help="The export was made with --since or --until.")
def verify_(export_file: Path, checkpoint_file: Path, key_file: Path, up_to: int | None, partial: bool) -> int:
    """Check an export by checkpoints and a public key. Needs nothing else: no database, no settings, no network.

    Checkpoints made after the export also cover records that it cannot have: take them before it, or give --up-to.

    Exit code 8 when anything is wrong; the first line then names the first bad record.
    """
    from holdfast.crypto.signing import KeyFile  # noqa: PLC0415 - takes long to import

    with _opened(key_file, "--key") as file:
        keys = KeyFile.parse(file.read(1_000_000).decode("ascii", "replace"))
    with _opened(export_file, "EXPORT") as records, _opened(checkpoint_file, "--checkpoints") as lines:
        verdict = verify(records, lines, keys.signed, partial=partial, up_to=up_to)
    _tell(verdict)
    return exits.OK if verdict.intact else exits.INTEGRITY


def _tell(verdict: Verdict) -> None:
    if output.wants_json():
        output.write_document(verdict)
        return
    lines = [str(problem) for problem in verdict.problems]
    if verdict.problem_count > len(lines):
        lines.append(f"… and {verdict.problem_count - len(lines)} more")
    ending = "Intact" if verdict.intact else f"NOT INTACT, {verdict.problem_count} problems"
    if verdict.only_early and verdict.whole_to and verdict.next_at:
        lines.append(_EARLY.format(last=verdict.whole_to, next=verdict.whole_to + 1, at=output.moment(verdict.next_at)))
        ending = f"INTACT UP TO CHECKPOINT {verdict.whole_to}, and ends there"
    counts = f"{verdict.records} records in {verdict.chains} chains, {verdict.proven} of them under"
    output.write_lines([*lines, f"{ending}: {counts} {verdict.checkpoints} checkpoints."])


def _tell_of_missing(missing: "list[Unshipped]") -> None:
    for each in missing:
        output.say(f"Not in the export: records of {each.node} ({each.found}).")


def _opened(path: Path, what: str) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InvalidInput(f"{what} cannot be read: {error.strerror}. Name a readable file.", field=what) from None
