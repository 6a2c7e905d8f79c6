"""The command that shows what a change of the rules would break."""

from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service
from holdfast.domain.simulation import RuleChange

if TYPE_CHECKING:
    from collections.abc import Iterable

    from holdfast.domain.simulation import Affected, SimulationReport

_AFFECTED: Final = ("IDENTITY", "OPERATION", "SECRET", "TIMES", "LAST SEEN", "RULE")


@click.command(cls=Command)
@click.option("--days", type=inputs.whole(1, 90), default="7", show_default=True, metavar="N", help="Days to replay.")
@click.option(
    "--grant", "grants", nargs=3, multiple=True, metavar="PATTERN USER PERMISSIONS", help="With commas: get,list."
)
@click.option("--revoke", "revocations", nargs=2, multiple=True, metavar="PATTERN USER", help="As `revoke` does.")
@click.option(
    "--assign", "assignments", nargs=3, multiple=True, metavar="SUBJECT ROLE PATTERN", help="As `role assign` does."
)
@click.option(
    "--unassign", "removals", nargs=3, multiple=True, metavar="SUBJECT ROLE PATTERN", help="As `role unassign` does."
)
def simulate(
    days: int,
    grants: tuple[tuple[str, str, str], ...],
    revocations: tuple[tuple[str, str], ...],
    assignments: tuple[tuple[str, str, str], ...],
    removals: tuple[tuple[str, str, str], ...],
) -> int:
    """Show which recorded requests would fail under other rules. Nothing is changed.

    What is revoked and unassigned is taken away first, then what is granted and assigned is added. Exit code 0 if
    nothing would break, 4 if something would.
    """
    changes = [
        *(RuleChange.revoke(*each) for each in revocations),
        *(RuleChange.unassign(*each) for each in removals),
        *(RuleChange.grant(pattern, user, permissions.split(",")) for pattern, user, permissions in grants),
        *(RuleChange.assign(*each) for each in assignments),
    ]
    if not changes:
        raise click.UsageError("simulate needs a change: --grant, --revoke, --assign or --unassign.")
    report = with_service(lambda service, caller: service.access.simulate(changes, days=days, context=caller))
    if output.wants_json():
        output.write_document(report)
    else:
        _show(report)
    return exits.DENIED if report.breaks else exits.OK


def _show(report: "SimulationReport") -> None:
    click.echo(f"Replayed {report.requests} request(s) of {report.days} day(s).")
    for change in report.without_effect:
        click.echo(f"This changes nothing: {change}")
    _section("Would break", report.breaks)
    _section("Would be allowed and was refused", report.opens)
    _section("Was allowed and is refused today already", report.refused_already)
    if report.truncated:
        click.echo("There were more kinds of requests than can be replayed; these are the newest.")


def _section(title: str, found: "Iterable[Affected]") -> None:
    rows = [(each.identity, each.operation, each.secret, each.count, each.last_seen, each.rule) for each in found]
    click.echo(f"{title}: {len(rows) or 'nothing'}")
    if rows:
        output.write_table(_AFFECTED, rows)
