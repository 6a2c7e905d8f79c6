"""PostgreSQL's clock, when it went back and is right all the same."""

import click

from holdfast.cli import inputs, output
from holdfast.cli.grammar import Change, Group
from holdfast.cli.session import with_service


@click.group(cls=Group)
def clock() -> None:
    """Say that PostgreSQL's clock is right although it went back."""


@clock.command("accept", cls=Change)
@click.option("--yes", is_flag=True, help="Do not ask.")
def accept(yes: bool) -> None:
    """Take PostgreSQL's clock for right as it is, on every node within a second.

    For a clock that was ahead and has been set right. What expired by the time that was known until then, and has not
    by this clock, counts again. Refused where the machine's clock says something else. This is on record.
    """
    if not yes:
        inputs.agreed("What has expired may count again, as PostgreSQL's clock went back. Is that clock right now?")
    accepted = with_service(lambda service, caller: service.clock.accept(context=caller), any_clock=True)
    output.say(
        f"PostgreSQL's clock counts as it is, {output.moment(accepted.moment)}; "
        f"until now it was taken to be {output.moment(accepted.believed)}."
    )
    if output.wants_json():
        output.write_document(accepted)
