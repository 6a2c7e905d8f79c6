"""Completion for shells."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from holdfast.cli import inputs
from holdfast.cli.grammar import Command
from holdfast.cli.streams import write_text

SHELLS: Final = ("bash", "zsh", "fish")

_SPLIT: Final = "string split"
"""Of click's script for fish, which cuts descriptions at their first comma."""

_REGISTER: Final = "    compdef "
"""Of click's script for zsh, which takes for granted that the completion system was started."""

_START: Final = "    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"

_VARIABLE: Final = "_HOLDFAST_COMPLETE"


@click.command(cls=Command)
@click.argument("shell", type=inputs.one_of(*SHELLS), metavar="|".join(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what a shell has to load to complete commands and options.

    For bash: eval "$(holdfast completion bash)"
    """
    made = get_completion_class(shell)
    root = ctx.find_root()
    if made is not None:
        source = made(root.command, {}, root.info_name or "holdfast", _VARIABLE).source()
        source = source.replace(_SPLIT, f"{_SPLIT} --max 1")
        write_text(source.replace(_REGISTER, f"{_START}{_REGISTER}") + "\n")
