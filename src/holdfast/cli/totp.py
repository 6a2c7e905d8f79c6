"""Commands on second factors."""

import os
import shutil
import sys

import click

from holdfast.cli import exits, inputs, output, qr
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.extras import to_add


@click.group(cls=Group)
def totp() -> None:
    """Second factors: codes from an app, for what needs one."""


@totp.command("enrol", cls=Change)
@click.option("--identity", metavar="NAME", help="Another identity's; without it, that of whoever is logged in.")
@click.option("--no-qr", is_flag=True, help="The address alone. A terminal also gets a QR code for a phone's camera.")
def enrol(identity: str | None, *, no_qr: bool) -> None:
    """Print the address that an app makes codes from: only now. A first code has to confirm it."""
    made = with_service(lambda service, caller: service.identities.totp.enrol(identity, context=caller))
    output.say(f"The address for the app of {made.identity}, shown only this once:")
    if output.wants_json():
        output.write_document({"identity": made.identity, "uri": made.uri})
    else:
        output.write_value(made.uri)
        if not no_qr:
            _show_code(made.uri)
    output.say("Then: holdfast totp confirm")


@totp.command("confirm", cls=Change)
def confirm() -> None:
    """Confirm it by a first code, read from stdin or a prompt. From then on it counts."""
    code = inputs.read_code("Code")
    with_service(lambda service, caller: service.identities.totp.confirm(code, context=caller))
    _done("The second factor counts from now on.", "confirmed")


@totp.command("verify", cls=Command)
def verify() -> None:
    """Try a code, read from stdin or a prompt; each is good once."""
    code = inputs.read_code("Code")
    with_service(lambda service, caller: service.identities.totp.verify(code, context=caller))
    _done("The code is right.", "verified")


@totp.command("remove", cls=Change)
@click.argument("identity")
def remove(identity: str) -> int:
    """Forget the second factor of an identity whose app is lost."""
    removed = with_service(lambda service, caller: service.identities.totp.remove(identity, context=caller))
    output.say("Removed." if removed else f"{identity} has no second factor.")
    if output.wants_json():
        output.write_document({"removed": removed})
    return exits.OK


def _show_code(uri: str) -> None:
    """Draw the address on stdout, where it is anyway; never on stderr, which may be a log."""
    if not qr.possible(sys.stdout, os.environ):
        return
    try:
        lines = qr.drawn(uri)
    except ImportError:
        output.say(f"For a QR code of it: {to_add(qr.EXTRA)}.")
        return
    if qr.fits(lines, shutil.get_terminal_size().columns):
        output.write_lines(lines)
    else:
        output.say("The terminal is too narrow for its QR code.")


def _done(text: str, fact: str) -> None:
    output.say(text)
    if output.wants_json():
        output.write_document({fact: True})
