"""Commands on encryption keys: see them, and change the one that seals."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.exits import ENDINGS
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.progress import line
from holdfast.cli.session import with_service
from holdfast.config import Settings
from holdfast.domain.keys import NAMED, KeyReport, KeyStatus, RewrapReport
from holdfast.domain.policy import Caller
from holdfast.errors import IntegrityFailure

if TYPE_CHECKING:  # importing the service takes most of a second, which `--help` does not have to spend
    from holdfast.contract.keys import Keys

_KEYS: Final = ("KEY", "STATE", "SINCE", "ROWS UNDER IT", "SEALED", "MISSING ON")


@click.group(cls=Group)
def keys() -> None:
    """See the encryption keys, and change the one that seals. Keys are named by their fingerprints."""


@keys.command("status", cls=Command)
def status() -> None:
    """Show every key: where it stands, which nodes lack it, and what is still sealed under it."""
    _show(with_service(lambda service, caller: service.keys.status(context=caller)))


@keys.command("add", cls=Command)
@click.option("--stdin", is_flag=True, help="Add the key in base64 that comes from stdin, not a new one.")
@click.option("--vault-key", metavar="URL", help="Wrap it by this key in Key Vault, and by the local key.")
@click.option("--vault-only", is_flag=True, help="Wrap it by Key Vault alone: no node starts while that is down.")
def add(stdin: bool, vault_key: str | None, vault_only: bool) -> None:
    """Make a key and add it to this machine's key file; without one, write it to stdout for the environment.

    It changes nothing else: every node needs the key, and a restart, before `holdfast keys activate` lets it seal.
    """
    from holdfast.bootstrap.keysources import add_key  # noqa: PLC0415 - takes long to import

    given = inputs.read_value(None, raw=False, allow_empty=False) if stdin else None
    added = add_key(Settings.from_environ(), given, vault_key=vault_key, vault_only=vault_only)
    where = f"is in {added.path}" if added.path else "belongs into HOLDFAST_DECRYPTION_KEYS"
    output.say(
        f"The key {added.key_id} {where}. Give it to every node, restart them one by one, and then: "
        f"holdfast keys activate {added.key_id}"
    )
    new = None if stdin else added.key
    if output.wants_json():
        output.write_document({"key_id": added.key_id, "path": added.path and str(added.path), "key": new})
    elif new is not None:
        output.write_lines([new])


@keys.command("activate", cls=Change)
@click.argument("key_id", metavar="KEY")
def activate(key_id: str) -> None:
    """Let KEY seal from now on, on every node within a second; the key before only opens what it sealed.

    Refused while a node that runs does not hold it.
    """
    report = with_service(lambda service, caller: service.keys.activate(key_id, context=caller))
    output.say(f"{key_id} seals from now on.")
    _show(report)


@keys.command("rewrap", cls=Change)
def rewrap() -> int:
    """Put everything under the active key. It may be ended at any moment, and begun again.

    Exit code 8 when rows remain that are not genuine: they are named, and left as they are.
    """
    with line("Counting what is to be put under the active key") as show:
        report = with_service(lambda service, caller: _rewrap_all(service.keys, caller, show))
    output.say(f"{report.renewed:,} rows were put under the active key; {report.remaining:,} remain under others.")
    for row in report.damaged:
        output.say(f"Not genuine, and left as it is: {row}")
    if output.wants_json():
        output.write_document(report)
    return ENDINGS[IntegrityFailure].code if report.damaged else exits.OK


@keys.command("retire", cls=Change)
@click.argument("key_id", metavar="KEY")
def retire(key_id: str) -> None:
    """Forget KEY, under which nothing is sealed any more: nodes start without it, and none seals under it again.

    Refused while a single row needs it: every one is counted.
    """
    report = with_service(lambda service, caller: service.keys.retire(key_id, context=caller))
    output.say(f"{key_id} is retired: nothing here needs it. Backups from before do.")
    _show(report)


async def _rewrap_all(keys: "Keys", caller: Caller, show: Callable[[str], None]) -> RewrapReport:
    """Go on until nothing remains, or a whole pass over the rows found nothing more that can be done."""
    renewed, before, damaged = 0, -1, dict[str, None]()
    while True:
        report = await keys.rewrap(context=caller)
        renewed += report.renewed
        damaged |= dict.fromkeys(report.damaged)
        show(f"Put {renewed:,} rows under the active key, {report.remaining:,} remain under others")
        if not report.remaining or (report.complete and renewed == before):
            return replace(report, renewed=renewed, damaged=list(damaged)[:NAMED])
        if report.complete:
            before = renewed  # the first pass may have begun where somebody else's call ended


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
