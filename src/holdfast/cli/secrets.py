"""Commands that read and write one secret."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import inputs, options, output, views
from holdfast.cli.grammar import Change, Command
from holdfast.cli.session import with_service
from holdfast.domain.drawing import MAX_LENGTH, MIN_LENGTH, drawn
from holdfast.domain.names import canonical_name
from holdfast.domain.secret import Secret, WriteResult
from holdfast.domain.validation import MAX_GENERATION

if TYPE_CHECKING:
    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService

_CLEARABLE: Final = {
    "description": "description",
    "content-type": "content_type",
    "expires": "expires_at",
    "not-before": "not_before",
    "tags": "tags",
    "notify": "notify_on_expiry",
    "rotation": "rotation_policy",
}


@click.command(cls=Command)
@click.argument("name")
@click.option("--version", type=inputs.version, metavar="N|ID", help="An earlier version.")
def get(name: str, version: int | str | None) -> None:
    """Print the value of a secret, exactly as stored."""

    async def work(service: "SecretsService", caller: "Caller") -> Secret:
        if version is None:
            return await service.get_secret(name, context=caller)
        return await service.get_secret_version(name, version, context=caller)

    secret = with_service(work)
    for warning in views.warnings(secret):
        output.say(warning)
    if output.wants_json():
        output.write_document(views.secret_document(secret))
    else:
        output.write_value(secret.value)


@click.command("set", cls=Change)
@click.argument("name")
@click.option(
    "--file", type=click.Path(path_type=Path), metavar="PATH", help="Read the value from a file instead of stdin."
)
@click.option(
    "--generate",
    "length",
    type=inputs.whole(MIN_LENGTH, MAX_LENGTH),
    metavar="LENGTH",
    help="Draw the value here: so many random letters and digits. It is not shown.",
)
@click.option("--raw", is_flag=True, help="Keep a newline at the end; without this, one is removed.")
@click.option("--allow-empty", is_flag=True, help="Take an empty value for what it is.")
@click.option("--disabled", is_flag=True, help="Store it, but let nobody read it yet.")
@click.option("--idempotency-key", metavar="KEY", help="The same key gives the same answer, once in effect.")
@options.describing
def set_(
    *,
    name: str,
    file: Path | None,
    length: int | None,
    raw: bool,
    allow_empty: bool,
    disabled: bool,
    idempotency_key: str | None,
    **described: Any,
) -> None:
    """Store a new version of a secret, read from stdin, a file or a hidden prompt, or drawn.

    The value is UTF-8 text of up to 25,600 bytes and is stored as it is, except that one newline at its end, as
    editors and echo leave it, is removed unless --raw is given.

    Dates, tags and content type are the new version's own: what is not given is empty. Description, addresses and
    rotation policy are the secret's, and stay.
    """
    canonical_name(name)  # before somebody types the value
    facts = options.facts(described)
    if length is not None and (file is not None or idempotency_key is not None):
        raise click.UsageError("--generate draws a new value each time: leave --file and --idempotency-key out.")
    value = drawn(length) if length is not None else inputs.read_value(file, raw=raw, allow_empty=allow_empty)
    result = with_service(
        lambda service, caller: service.set_secret(
            name, value, enabled=not disabled, idempotency_key=idempotency_key, context=caller, **facts
        )
    )
    _show_written(result)


@click.command(cls=Change)
@click.argument("name")
@click.option("--version", type=inputs.version, metavar="N|ID", help="An earlier version instead of the current one.")
@click.option("--enable/--disable", "enabled", default=None, help="Let it be read, or let nobody read it.")
@click.option(
    "--clear",
    type=inputs.one_of(*_CLEARABLE),
    multiple=True,
    metavar="WHAT",
    help=f"Remove one of {', '.join(_CLEARABLE)}; repeatable.",
)
@options.describing
def update(
    *, name: str, version: int | str | None, enabled: bool | None, clear: tuple[str, ...], **described: Any
) -> None:
    """Change what is known about a secret, without a new version of its value. Tags given replace all tags."""
    changes = options.facts(described)
    expected = changes.pop("expected_generation", None)
    for field in (_CLEARABLE[each] for each in clear):
        if field in changes:
            raise click.UsageError("--clear names something that another option sets.")
        changes[field] = None
    if enabled is not None:
        changes["enabled"] = enabled
    if not changes:
        raise click.UsageError("update needs something to change.")
    changed = with_service(
        lambda service, caller: service.update_secret(
            name, version=version, expected_generation=expected, context=caller, **changes
        )
    )
    output.say(f"{changed.name} version {changed.version} is updated.")
    if output.wants_json():
        output.write_document(views.version_document(changed))


@click.command(cls=Change)
@click.argument("name")
@click.argument("version", type=inputs.version)
@click.option(
    "--expected-version",
    type=inputs.whole(1, MAX_GENERATION),
    metavar="N",
    help="Refuse unless this is the current version.",
)
@click.option("--idempotency-key", metavar="KEY", help="The same key gives the same answer, once in effect.")
@click.option("--reapply", is_flag=True, help="Have the target accept the value again, by a rotation.")
def rollback(
    name: str, version: int | str, expected_version: int | None, idempotency_key: str | None, reapply: bool
) -> None:
    """Make a new version with the value of an earlier one; the history stays."""
    result = with_service(
        lambda service, caller: service.rollback_secret(
            name,
            version,
            reapply=reapply,
            expected_generation=expected_version,
            idempotency_key=idempotency_key,
            context=caller,
        )
    )
    _show_written(result)


def _show_written(result: WriteResult) -> None:
    output.say(views.written_text(result))
    for note in views.dropped_texts(result):
        output.say(note)
    if output.wants_json():
        output.write_document(views.written_document(result))
