"""The command that starts a process with its secrets in the environment."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import child, exits, output
from holdfast.cli.bindings import Binding, among, read_map, variable_of
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service
from holdfast.config import ClientSettings
from holdfast.domain.names import SecretName, canonical_pattern, is_glob, matches
from holdfast.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService

_PAGE: Final = 1000


@click.command(cls=Command, context_settings={"allow_interspersed_args": False})
@click.option(
    "--map", "map_file", type=click.Path(path_type=Path), metavar="FILE", help="TOML: VARIABLE = 'secret-name'."
)
@click.option("--only", "only", multiple=True, metavar="PATTERN", help="Just the secrets that it covers; repeatable.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(map_file: Path | None, only: tuple[str, ...], command: tuple[str, ...]) -> int:
    """Start COMMAND with secrets in its environment.

    --map says which variable holds which secret; --only alone takes secrets by name or pattern, db-password as
    DB_PASSWORD. One that is missing or refused is an error, and nothing is started. COMMAND takes the place of this
    process, so signals and its exit code are its own, and finds no setting of Holdfast in its environment.
    """
    patterns = [canonical_pattern(each) for each in only]
    bindings = _bindings(map_file, patterns)
    program = shutil.which(command[0])
    if program is None:
        return _not_started(exits.COMMAND_NOT_FOUND, "there is no such command, or it is not executable")
    values = with_service(lambda service, caller: _values(service, caller, bindings, patterns))
    remote = ClientSettings.from_environ().address is not None
    environ = child.environment_for(os.environ, values, remote=remote)
    try:
        child.become(program, command, environ)
    except OSError as error:
        return _not_started(exits.COMMAND_FAILED, error.strerror or "the system does not start it")


def _bindings(map_file: Path | None, patterns: "Sequence[str]") -> list[Binding] | None:
    if map_file is None and not patterns:
        raise click.UsageError("run needs to know which secrets: --map FILE, or --only PATTERN.")
    if map_file is None:
        return None
    bindings = read_map(map_file)
    return among(bindings, patterns) if patterns else bindings


async def _values(
    service: "SecretsService", caller: "Caller", bindings: "list[Binding] | None", patterns: "Sequence[str]"
) -> dict[str, str]:
    if bindings is None:
        names = await _covered(service, caller, patterns)
        bindings = [Binding(variable=variable_of(name), name=name) for name in names]
        _check_new(bindings)
    return {each.variable: await _value(service, caller, each) for each in bindings}


async def _value(service: "SecretsService", caller: "Caller", binding: Binding) -> str:
    if binding.version is not None:
        return (await service.get_secret_version(binding.name, binding.version, context=caller)).value
    return (await service.get_secret(binding.name, stage=binding.stage, context=caller)).value


async def _covered(service: "SecretsService", caller: "Caller", patterns: "Sequence[str]") -> list[SecretName]:
    """The secrets that the patterns cover. Whoever names them all needs no permission to list."""
    names = {SecretName(each) for each in patterns if not is_glob(each)}
    globs = [each for each in patterns if is_glob(each)]
    listed = await _listed(service, caller) if globs else []
    for pattern in globs:
        covered = {name for name in listed if matches(pattern, name)}
        if not covered:
            raise InvalidInput(f"--only {pattern} covers no secret that may be listed here.", field="only")
        names |= covered
    return sorted(names)


async def _listed(service: "SecretsService", caller: "Caller") -> list[SecretName]:
    names: list[SecretName] = []
    while page := await service.list_secrets(after=names[-1] if names else None, limit=_PAGE, context=caller):
        names += [each.name for each in page]
    return names


def _check_new(bindings: "Iterable[Binding]") -> None:
    for each in bindings:
        if each.variable in os.environ:
            raise InvalidInput(
                f"{each.name} would replace {each.variable}, which is set already: unset it, or bind it with --map.",
                field="only",
            )


def _not_started(code: int, reason: str) -> int:
    text = f"The command is not started: {reason}. Check its path and PATH."
    output.report_text("not_started", text, as_json=output.wants_json(), command="holdfast run")
    return code
