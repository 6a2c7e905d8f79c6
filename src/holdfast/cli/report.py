"""``holdfast report``: what controls ask, and what this installation shows for them."""

from typing import Final

import click

from holdfast.cli import inputs, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service
from holdfast.cli.streams import write
from holdfast.domain.compliance import FrameworkId

_FORMATS: Final = ("markdown", "html", "json")


@click.command(cls=Command)
@click.option(
    "--framework",
    "frameworks",
    type=inputs.one_of(*FrameworkId),
    multiple=True,
    metavar="|".join(FrameworkId),
    help="Repeatable; default: all of them.",
)
@click.option(
    "--format", "form", type=inputs.one_of(*_FORMATS), default="markdown", show_default=True, metavar="|".join(_FORMATS)
)
@click.option(
    "--days",
    type=inputs.whole(1, 366),
    default="90",
    show_default=True,
    metavar="N",
    help="How far back the audit trail is looked at.",
)
def report(frameworks: tuple[str, ...], form: str, days: int) -> None:
    """Write what SOC 2, ISO 27001, HIPAA, PCI DSS and GDPR ask, and what this installation shows for it now.

    Every statement has a query behind it. What no system can show is named as yours to show.
    """
    made = with_service(lambda service, caller: service.compliance.report(list(frameworks), days=days, context=caller))
    if form == "json" or output.wants_json():
        import msgspec  # noqa: PLC0415 - only here

        write(msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n")
    elif form == "html":
        from holdfast.reports.html import html  # noqa: PLC0415 - takes long to import

        write(html(made).encode())
    else:
        from holdfast.reports.markdown import markdown  # noqa: PLC0415 - takes long to import

        write(markdown(made).encode())
