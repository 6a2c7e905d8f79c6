"""Commands on the servers that were logged in to."""

import click

from holdfast.cli import output
from holdfast.cli.grammar import Command, Group
from holdfast.config import Contexts

_COLUMNS = ("CURRENT", "NAME", "ADDRESS", "CA FILE")


@click.group("context", cls=Group)
def context() -> None:
    """See the servers that you logged in to, and choose the one that commands talk to.

    HOLDFAST_ADDR, and a DATABASE_URL with its key or a HOLDFAST_DATA_DIR, come before the current context; --context
    comes before them.
    """


@context.command("list", cls=Command)
def list_() -> None:
    """Show every context, without its token."""
    contexts = Contexts()
    current, found = contexts.current(), contexts.all()
    if output.wants_json():
        output.write_document(
            [
                {
                    "current": each == current,
                    "name": each.name,
                    "address": each.address,
                    "ca_file": each.ca_file and str(each.ca_file),
                }
                for each in found
            ]
        )
    else:
        rows = [("*" if each == current else "", each.name, each.address, each.ca_file or "") for each in found]
        output.write_table(_COLUMNS, rows)


@context.command("use", cls=Command)
@click.argument("name")
def use(name: str) -> None:
    """Let commands talk to the server of NAME."""
    chosen = Contexts().use(name)
    output.say(f"Commands talk to {chosen.address} now.")


@context.command("remove", cls=Command)
@click.argument("name")
def remove(name: str) -> None:
    """Forget a context and its token. The token itself stays valid: `holdfast token revoke` ends it."""
    Contexts().forget(name)
    output.say("Removed.")
