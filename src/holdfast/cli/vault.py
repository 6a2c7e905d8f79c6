"""Commands on the vault behind the mirror."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TypeAlias

import click

from holdfast.cli import output, reports
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service

Progress: TypeAlias = Callable[[int, int, int], None]
"""Told (secrets compared, secrets seen so far, changes taken over)."""


@click.command(cls=Command)
def sync() -> None:
    """Compare the whole vault with the mirror now, and fetch what changed."""
    with _progress() as progress:
        report = with_service(lambda service, caller: service.sync(progress=progress, context=caller))
    output.write_report(report)


@click.command(cls=Command)
@click.option("--retry", is_flag=True, help="Replay now what waits, parked changes included.")
@click.option("--discard", metavar="NAME", help="Give up the parked changes of a secret: the vault's state stands.")
def reconcile(retry: bool, discard: str | None) -> None:
    """Show what waits for Key Vault or for a decision.

    That is, changes not replayed yet, parked ones, and differences between the vault and the mirror.
    """
    report = with_service(
        lambda service, caller: service.reconcile(retry=retry, discard=discard, context=caller),
    )
    if output.wants_json():
        output.write_document(reports.reconcile_document(report))
    else:
        output.write_lines(reports.reconcile_lines(report))


@contextlib.contextmanager
def _progress() -> Iterator[Progress | None]:
    """A line on stderr that says how far it is; nothing where nobody watches. How many there are, nobody knows yet."""
    if not sys.stderr.isatty() or output.wants_json():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - slow to import, and seldom needed

    with Console(stderr=True).status("Asking Key Vault for its secrets") as status:
        yield lambda compared, _seen, taken_over: status.update(
            f"Compared {compared:,} secrets with Key Vault, took over {taken_over:,} changes"
        )
