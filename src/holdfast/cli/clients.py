"""Commands on the clients that may ask the server for tokens."""

from typing import Final

import click

from holdfast.cli import output
from holdfast.cli.client_credentials import certify, credentials, federate, withdraw
from holdfast.cli.exits import ENDINGS, OK
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.errors import SecretNotFound

_COLUMNS: Final = ("CLIENT", "CREATED", "BY")


@click.group(cls=Group)
def client() -> None:
    """Manage the applications that may log in to the server."""


@client.command(cls=Change)
@click.argument("client_id", metavar="NAME")
def add(client_id: str) -> None:
    """Make a client and print its secret: only now, it is stored as a hash. Grants say what it may do."""
    secret = with_service(lambda service, caller: service.add_client(client_id, context=caller))
    output.say(f"The secret of {client_id}, shown only this once:")
    if output.wants_json():
        output.write_document({"client_id": client_id, "client_secret": secret})
    else:
        output.write_value(secret)
    output.say(f"It may do nothing yet: `holdfast grant 'NAME' {client_id} get` lets it read a secret.")


@client.command("list", cls=Command)
def list_() -> None:
    """List the clients."""
    found = with_service(lambda service, caller: service.list_clients(context=caller))
    if output.wants_json():
        output.write_document(found)
    else:
        output.write_table(_COLUMNS, [(each.client_id, each.created_at, each.created_by) for each in found])


@client.command(cls=Change)
@click.argument("client_id", metavar="NAME")
def remove(client_id: str) -> int:
    """Remove a client with all its credentials: its tokens stop working. Its grants stay until they are revoked."""
    removed = with_service(lambda service, caller: service.remove_client(client_id, context=caller))
    if output.wants_json():
        output.write_document({"removed": removed})
    output.say("Removed." if removed else "There is no such client. `holdfast client list` shows them.")
    return OK if removed else ENDINGS[SecretNotFound].code


for each in (federate, certify, credentials, withdraw):
    client.add_command(each)
