"""Commands on this node: make it ready, run it, see how it is."""

import click

from holdfast.cli import exits, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service


@click.command(cls=Command)
def health() -> int:
    """Show how this node and its backends are.

    Exit code 0 when all is well, 7 when a backend is down or something waits for a person.
    """
    report = with_service(lambda service, caller: service.get_secret_health(context=caller))
    output.write_report(report)
    return exits.OK if report.healthy else exits.DEGRADED


@click.command(cls=Command)
def serve() -> None:
    """Run the server until Ctrl-C or SIGTERM."""


@click.command(cls=Command)
def init() -> None:
    """Make the data folder."""
