"""Commands on encryption keys: see them, and change the one that seals."""

from typing import Final

import click

from holdfast.cli import output
from holdfast.cli.grammar import Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.keys import KeyReport, KeyStatus

_KEYS: Final = ("KEY", "STATE", "SINCE", "ROWS UNDER IT", "SEALED", "MISSING ON")


@click.group(cls=Group)
def keys() -> None:
    """See the encryption keys, and change the one that seals. Keys are named by their fingerprints."""


@keys.command("status", cls=Command)
def status() -> None:
    """Show every key: where it stands, which nodes lack it, and what is still sealed under it."""
    _show(with_service(lambda service, caller: service.keys.status(context=caller)))


@keys.command("activate", cls=Command)
@click.argument("key_id", metavar="KEY")
def activate(key_id: str) -> None:
    """Let KEY seal from now on, on every node within a second; the key before only opens what it sealed.

    Refused while a node that runs does not hold it.
    """
    report = with_service(lambda service, caller: service.keys.activate(key_id, context=caller))
    output.say(f"{key_id} seals from now on.")
    _show(report)


def _show(report: KeyReport) -> None:
    if output.wants_json():
        output.write_document(report)
        return
    output.write_table(_KEYS, [_row(key) for key in report.keys])
    for advice in report.recommendations:
        output.say(advice)


def _row(key: KeyStatus) -> tuple[object, ...]:
    since = key.retired_at or key.activated_at or key.created_at
    return key.key_id, key.state, since, f"{key.remaining:,}", f"{key.sealed:,}", ", ".join(key.missing_on)
