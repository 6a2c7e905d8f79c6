"""The command that starts a process with its secrets in the environment."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli import child, exits, output, views
from holdfast.cli.bindings import Binding, among, named, read_map, with_variables
from holdfast.cli.covering import covered
from holdfast.cli.grammar import Command
from holdfast.cli.session import server, with_service
from holdfast.config import own
from holdfast.domain.names import canonical_pattern
from holdfast.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdfast.domain.policy import Caller
    from holdfast.domain.secret import Secret
    from holdfast.service.manager import SecretsService


@click.command(cls=Command, context_settings={"allow_interspersed_args": False})
@click.option(
    "--map", "map_file", type=click.Path(path_type=Path), metavar="FILE", help="TOML: VARIABLE = 'secret-name'."
)
@click.option(
    "--secret",
    "asked",
    multiple=True,
    metavar="[VARIABLE=]NAME",
    help="db-password goes into DB_PASSWORD, and 'pay-*' is all under that prefix; repeatable.",
)
@click.option("--only", multiple=True, metavar="PATTERN", help="Of all these, just the secrets it covers; repeatable.")
@click.option("--keep", multiple=True, metavar="VARIABLE", help="Pass on a variable that Holdfast takes for its own.")
@click.option("--replace", is_flag=True, help="Let secrets take the place of variables that are set already.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    *,
    map_file: Path | None,
    asked: tuple[str, ...],
    only: tuple[str, ...],
    keep: tuple[str, ...],
    replace: bool,
    command: tuple[str, ...],
) -> int:
    """Start COMMAND with secrets in its environment.

    One that is missing or refused is an error, and nothing is started. COMMAND takes the place of this process, so
    that signals and its exit code are its own. Holdfast's settings, and credentials such as DATABASE_URL and
    AZURE_CLIENT_SECRET, are not passed on to it unless a secret is mapped to them or --keep names them.

    A pattern needs a prefix of your own, such as pay-*: else anyone who makes secrets would choose COMMAND's variables.
    """
    bindings, patterns = _asked(map_file, asked)
    only = tuple(canonical_pattern(each) for each in only)
    try:
        program = child.found(command[0])
    except PermissionError:
        return child.not_started("holdfast run", exits.COMMAND_FAILED, "it is there, and may not be executed")
    if program is None:
        return child.not_started("holdfast run", exits.COMMAND_NOT_FOUND, "there is no such command")
    environ = child.inherited(os.environ, keep)

    async def work(service: "SecretsService", caller: "Caller") -> "dict[str, Secret]":
        found = await covered(service, caller, patterns, field="secret")
        whole = [*bindings, *(Binding(name=name) for name in found)]
        chosen = with_variables(among(whole, only) if only else whole)
        if not replace:
            _check_unset(chosen, environ)
        return {variable: await _read(service, caller, each) for variable, each in chosen.items()}

    secrets = with_service(work)
    _say_what_is_left_out(environ, secrets)
    for warning in (text for secret in secrets.values() for text in views.warnings(secret)):
        output.say(warning)
    values = {variable: secret.value for variable, secret in secrets.items()}
    child.check_values(values)
    try:
        child.become(program, command, environ, values)
    except OSError as error:
        return child.not_started(
            "holdfast run", exits.COMMAND_FAILED, *child.why_not_started(error, program, environ, values)
        )


def _asked(map_file: Path | None, asked: "Iterable[str]") -> tuple[list[Binding], list[str]]:
    """What is asked for: bindings, and patterns whose secrets have yet to be found."""
    found = [named(each) for each in asked]
    bindings = [*(read_map(map_file) if map_file else ()), *(each for each in found if isinstance(each, Binding))]
    patterns = [each for each in found if isinstance(each, str)]
    if not bindings and not patterns:
        raise click.UsageError("run needs to know which secrets: --map FILE, or --secret NAME.")
    return bindings, patterns


async def _read(service: "SecretsService", caller: "Caller", binding: Binding) -> "Secret":
    if binding.version is not None:
        return await service.get_secret_version(binding.name, binding.version, context=caller)
    return await service.get_secret(binding.name, stage=binding.stage, context=caller)


def _check_unset(bindings: "Mapping[str, Binding]", environ: "Mapping[str, str]") -> None:
    for variable, binding in bindings.items():
        if variable in environ:
            raise InvalidInput(
                f"{binding.name} would replace {variable}, which is set already: unset it, or say --replace.",
                field="replace",
            )


def _say_what_is_left_out(environ: "Mapping[str, str]", secrets: "Mapping[str, Secret]") -> None:
    """Next to a server, DATABASE_URL is likelier the command's than ours; all the same it goes on only when told."""
    left_out = os.environ.keys() - environ.keys() - own().keys() - secrets.keys()
    if left_out and server().address is not None:
        output.say(f"Not passed on, as settings of Holdfast: {', '.join(sorted(left_out))}. --keep passes one on.")
