"""What ``--help`` has no room for: every command in a sentence, the settings, the exit codes."""

from collections.abc import Iterable, Mapping
from typing import Final

import click

from holdfast.cli.exits import MEANINGS
from holdfast.cli.grammar import Command, Root, first_sentence
from holdfast.cli.streams import write_text
from holdfast.config import Variable, client_variables, variables

TOPICS: Final = ("commands", "settings", "exit-codes")
_WIDTH: Final = 110

_Table = Mapping[str, Iterable[tuple[str, str]]]


@click.command("help", cls=Command)
@click.argument("topic", nargs=-1, metavar=f"{'|'.join(TOPICS)}|COMMAND")
@click.pass_context
def help_(ctx: click.Context, topic: tuple[str, ...]) -> None:
    """Show all commands, all settings, the exit codes, or the help of a command."""
    root = ctx.find_root()
    if not isinstance(root.command, Root) or not topic:
        write_text(root.get_help() + "\n")
    elif topic[0] in TOPICS:
        write_text(_written(_tables(root.command)[topic[0]]))
    else:
        write_text(_help_of(root, topic) + "\n")


def _tables(root: Root) -> dict[str, _Table]:
    return {
        "commands": {
            title: [(name, first_sentence(root.commands[name])) for name in names]
            for title, names in root.sections.items()
        },
        "settings": {
            "Settings, from the environment": map(_setting, variables()),
            "Settings of commands that talk to a server": map(_setting, client_variables()),
        },
        "exit-codes": {"Exit codes": [(str(code), meaning) for code, meaning in MEANINGS.items()]},
    }


def _written(tables: _Table) -> str:
    formatter = click.HelpFormatter(width=_WIDTH)
    for title, rows in tables.items():
        with formatter.section(title):
            formatter.write_dl(list(rows))
    return formatter.getvalue().lstrip("\n")


def _setting(each: Variable) -> tuple[str, str]:
    return each.name, f"{each.meaning} [{each.default}]" if each.default else each.meaning


def _help_of(root: click.Context, path: tuple[str, ...]) -> str:
    context, command = root, root.command
    for name in path:
        if not isinstance(command, click.Group):
            raise click.UsageError("There are more arguments than the command takes.", context)
        _, found, _ = command.resolve_command(context, [name])
        if found is None:
            raise click.UsageError("There is no such command.", context)
        command, context = found, click.Context(found, info_name=name, parent=context)
    return command.get_help(context)
