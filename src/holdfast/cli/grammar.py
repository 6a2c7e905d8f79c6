"""The grammar that all commands share: ``--json`` everywhere, and no argument ever repeated in an error."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

from holdfast.cli.inputs import NOT_IN_ARGUMENTS
from holdfast.cli.output import say
from holdfast.cli.session import CONTEXT, CREATE, place
from holdfast.cli.suggestions import commands_for, question

F = TypeVar("F", bound=Callable[..., Any])

_FEW = 12
"""Names that a person reads in an error; more are in the help."""

_WITH_VALUE = frozenset({"set", "update"})


class Command(click.Command):
    """A command that takes ``--json`` and does not repeat surplus arguments: one of them may be a secret."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += (json_option(), *places())
        self.context_settings = {"allow_extra_args": True, "max_content_width": 110, **self.context_settings}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and refuse what is left over."""
        rest = super().parse_args(ctx, args)
        if ctx.args and self.name in _WITH_VALUE:
            raise click.UsageError(f"{self.name} {NOT_IN_ARGUMENTS}", ctx)
        if ctx.args:
            raise click.UsageError("There are more arguments than the command takes.", ctx)
        return rest


class Change(Command):
    """A command that changes something, and says on stderr which installation took it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        result = super().invoke(ctx)
        if not ctx.params.get("dry_run"):
            tell_place()
        return result


class Group(click.Group):
    """Commands by name, with a suggestion for a misspelt one."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that ``args`` begin with."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            names = f"Choose from {', '.join(sorted(self.commands))}." if len(self.commands) <= _FEW else ""
            hint = question(commands_for(name, ctx)) or names
            raise click.UsageError(f"There is no such command. {hint}".rstrip(), ctx)
        return super().resolve_command(ctx, args)


class Root(Group):
    """The whole command; its help fits on two screens and names the commands.

    ``sections`` are the commands, under the headings that the help shows them.
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[click.Command]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += (json_option(), *places(hidden=False))
        self.sections = {title: [str(each.name) for each in commands] for title, commands in sections.items()}
        for command in (each for commands in sections.values() for each in commands):
            self.add_command(command)

    group_class = Group

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the names of the commands by what they are about."""
        with formatter.section("Commands"):
            formatter.write_dl([(title, ", ".join(names)) for title, names in self.sections.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write where the rest is said."""
        with formatter.section("More"):
            formatter.write_dl(
                [
                    ("holdfast COMMAND --help", "A command and its options."),
                    ("holdfast help commands", "Every command in a sentence."),
                    ("holdfast help settings", "The settings, from the environment."),
                    ("holdfast help exit-codes", "What an exit code means."),
                ]
            )


def tell_place() -> None:
    """Say which installation took what was changed, if it came to one."""
    if place() is not None:
        say(f"Taken by {place()}.")


def json_option() -> click.Option:
    """``--json``, remembered for the whole command."""

    def remember(ctx: click.Context, _param: click.Parameter, value: object) -> None:
        root = ctx.find_root()
        root.obj = root.obj or bool(value)

    return click.Option(
        ["--json"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=remember,
        help="Write one JSON document; errors too, to stderr.",
    )


def places(*, hidden: bool = True) -> tuple[click.Option, ...]:
    """``--context`` and ``--create``, before a command's name or behind it; remembered for the whole command."""

    def remember(key: str) -> Callable[[click.Context, click.Parameter, object], None]:
        def keep(ctx: click.Context, _param: click.Parameter, value: object) -> None:
            if value:
                ctx.meta[key] = value

        return keep

    return (
        click.Option(
            ["--context"],
            metavar="NAME",
            expose_value=False,
            hidden=hidden,
            callback=remember(CONTEXT),
            help="The server to talk to; `holdfast context list` names them.",
        ),
        click.Option(
            ["--create"],
            is_flag=True,
            expose_value=False,
            hidden=hidden,
            callback=remember(CREATE),
            help="Make an installation on this machine if there is none.",
        ),
    )


def first_sentence(command: click.Command) -> str:
    """Return what the help of a command begins with."""
    return (command.help or "").split("\n\n")[0].replace("\n", " ")
