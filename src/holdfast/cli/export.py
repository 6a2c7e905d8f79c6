"""The command that writes secrets to a file that others read."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import exits, inputs, output, streams
from holdfast.cli.covering import covered
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service
from holdfast.domain.names import SecretName, canonical_pattern, is_glob
from holdfast.errors import AccessDenied, Conflict, HoldfastError, InvalidInput, SecretNotFound, SecretUnusable
from holdfast.resilience.durable import sync_folder
from holdfast.resilience.ownership import new_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService

_FORMS: Final = ("dotenv", "json", "kubernetes")
_Read = tuple[dict[SecretName, str], dict[SecretName, HoldfastError]]


@click.command(cls=Command)
@click.argument("names", nargs=-1, required=True, metavar="NAME|PATTERN...")
@click.option(
    "--format", "form", type=inputs.one_of(*_FORMS), metavar="|".join(_FORMS), required=True, help="What to write."
)
@click.option("--output", "file", type=click.Path(path_type=Path), metavar="FILE", help="A new file, with mode 0600.")
@click.option("--show", is_flag=True, help="Show the values on this terminal.")
@click.option(
    "--object", "name", default="holdfast", metavar="NAME", help="Name of the Secret of Kubernetes [holdfast]."
)
@click.option("--namespace", metavar="NAME", help="Namespace of the Secret of Kubernetes.")
def export(
    *, names: tuple[str, ...], form: str, file: Path | None, show: bool, name: str, namespace: str | None
) -> int:
    """Write the current values of secrets to a file, or to a pipe.

    Each takes the permission get, and each read is on record. What a name asks for and cannot be read ends it, and
    nothing is written. What a pattern such as 'pay-*' covers and cannot be read is left out and told, and the exit
    code says so. `holdfast import file` reads all of it back.
    """
    from holdfast.importing.writing import Form, written  # noqa: PLC0415 - takes long to import

    asked = [canonical_pattern(each) for each in names]
    _check_target(file, show=show)
    values, left_out = with_service(lambda service, caller: _values(service, caller, asked))
    text = written(values, Form(form), name=name, namespace=namespace)
    if file is None:
        streams.write(text.encode())
    else:
        _write_new(file, text.encode())
    _tell(values, left_out, file, form)
    return next((exits.ending_of(error).code for error in left_out.values()), exits.OK)


def _check_target(file: Path | None, *, show: bool) -> None:
    if file is not None and os.path.lexists(file):
        raise Conflict(f"{file} is there already, and nothing was read: name a new file.")
    if file is None and not show and sys.stdout is not None and sys.stdout.isatty():
        raise InvalidInput("Values are not shown on a terminal: --output FILE writes them, --show shows them.")


async def _values(service: "SecretsService", caller: "Caller", asked: "Sequence[str]") -> _Read:
    named = [SecretName(each) for each in asked if not is_glob(each)]
    found = await covered(service, caller, [each for each in asked if is_glob(each)], field="names")
    values: dict[SecretName, str] = {}
    left_out: dict[SecretName, HoldfastError] = {}
    for name in sorted({*named, *found}):
        try:
            values[name] = (await service.get_secret(name, context=caller)).value
        except (AccessDenied, SecretNotFound, SecretUnusable) as error:
            if name in named:
                raise
            left_out[name] = error
    return values, left_out


def _write_new(file: Path, data: bytes) -> None:
    """Write a file that was not there before: whole and durable, or not at all."""
    try:
        opened = new_file(file)
    except FileExistsError:
        raise Conflict(f"{file} is there already: name a new file.") from None
    except OSError as error:
        raise InvalidInput(f"{file} cannot be written: {error.strerror}. Name another file.") from None
    try:
        with opened as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(file.parent)
    except OSError as error:
        with suppress(OSError):
            file.unlink()
        raise InvalidInput(f"{file} cannot be written: {error.strerror}. Make room, and try again.") from None


def _tell(
    values: dict[SecretName, str], left_out: dict[SecretName, HoldfastError], file: Path | None, form: str
) -> None:
    if file is not None and output.wants_json():
        output.write_document(
            {
                "file": str(file),
                "secrets": list(values),
                "left_out": {name: str(each) for name, each in left_out.items()},
            }
        )
    for name, error in left_out.items():
        output.say(f"{name} is left out: {error}")
    filled = [name for name, value in values.items() if "${" in value]
    if form == "dotenv" and filled:
        output.say(f"Some readers of .env files fill in ${{…}}, which stands in {', '.join(filled)}.")
    if file is not None:
        output.say(
            f"{len(values)} secrets are in {file}, which only you may read. Remove it when it is no longer needed."
        )
