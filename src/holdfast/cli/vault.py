"""Commands on the vault behind the mirror."""

import click

from holdfast.cli import exits, installation, output
from holdfast.cli.grammar import Change, Command
from holdfast.cli.progress import line
from holdfast.cli.session import with_service


@click.command(cls=Change)
def sync() -> int:
    """Compare the whole vault with the mirror now, and fetch what changed.

    Exit code 0 when all of the vault was seen, 7 when not. Names that are kept out are tried again, too.
    """
    with line("Asking Key Vault for its secrets") as show:

        def progress(compared: int, _seen: int, taken_over: int) -> None:  # how many there are, nobody knows yet
            show(f"Compared {compared:,} secrets with Key Vault, took over {taken_over:,} changes")

        report = with_service(lambda service, caller: service.sync(progress=progress, context=caller))
    output.write_report(report)
    return exits.DEGRADED if report.incomplete else exits.OK


@click.command(cls=Command)
@click.option("--retry", is_flag=True, help="Replay now what waits, parked changes included.")
@click.option("--discard", metavar="NAME", help="Give up what waits of a secret: the vault's state stands.")
def reconcile(retry: bool, discard: str | None) -> None:
    """Show what waits for Key Vault or for a decision.

    That is, changes not replayed yet, parked ones, and differences between the vault and the mirror.
    """
    report = with_service(
        lambda service, caller: service.reconcile(retry=retry, discard=discard, context=caller),
    )
    if output.wants_json():
        output.write_document(installation.reconcile_document(report))
    else:
        output.write_lines(installation.reconcile_lines(report))
