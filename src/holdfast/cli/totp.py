"""Commands on second factors."""

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service


@click.group(cls=Group)
def totp() -> None:
    """Second factors: codes from an app, for what needs one."""


@totp.command("enrol", cls=Change)
@click.option("--identity", metavar="NAME", help="Another identity's; without it, that of whoever is logged in.")
def enrol(identity: str | None) -> None:
    """Print the address that an app makes codes from: only now. A first code has to confirm it."""
    made = with_service(lambda service, caller: service.identities.totp.enrol(identity, context=caller))
    output.say(f"The address for the app of {made.identity}, shown only this once:")
    if output.wants_json():
        output.write_document({"identity": made.identity, "uri": made.uri})
    else:
        output.write_value(made.uri)
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


def _done(text: str, fact: str) -> None:
    output.say(text)
    if output.wants_json():
        output.write_document({fact: True})
