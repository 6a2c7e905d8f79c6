"""What ``--help`` says is so, and is said of everything."""

import re
from collections.abc import Iterator

import click
import pytest

from holdfast.cli.main import cli
from holdfast.domain.policy import Permission
from tests.cli.runner import holdfast


def _commands(group: click.Group, *path: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, *path, name)
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"), list(_commands(cli)), ids=lambda each: " ".join(each) if isinstance(each, tuple) else ""
)
def test_every_option_says_what_it_does(path: tuple[str, ...], command: click.Command) -> None:
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.show_default, f"{' '.join(path)}: {option.opts}"


def test_every_permission_is_named_where_one_is_given() -> None:
    said = holdfast("grant", "--help").stdout
    named = re.search(r"PERMISSION: ([a-z,\s]+)\. None", said)
    assert named is not None, said
    assert re.split(r",\s+", named[1]) == [str(each) for each in Permission]
