"""Commands on the server that the other commands talk to."""

import asyncio
import sys
from pathlib import Path

import click

from holdfast.cli import inputs, output
from holdfast.cli.grammar import Command
from holdfast.config import ClientSettings, Logins
from holdfast.errors import ConfigurationError, InvalidInput


@click.command(cls=Command)
@click.option("--addr", metavar="URL", help="The server; HOLDFAST_ADDR without it.")
@click.option("--cacert", type=click.Path(path_type=Path), metavar="PATH", help="PEM file of the CA to trust for it.")
def login(addr: str | None, cacert: Path | None) -> None:
    """Keep a token for a server, read from stdin or a hidden prompt.

    It is tried first, and kept in a file that only you can read. Commands use it when HOLDFAST_ADDR names that server.
    """
    given = ClientSettings.from_environ()
    address, ca_file = _address(addr, given), cacert or given.ca_file
    token = _token()
    asyncio.run(_try(ClientSettings(address=address, token=token, ca_file=ca_file)))
    Logins().keep(address, token, ca_file)
    output.say(f"Logged in to {address}. Commands talk to it when you: export HOLDFAST_ADDR={address}")
    if output.wants_json():
        output.write_document({"address": address})


@click.command(cls=Command)
@click.option("--addr", metavar="URL", help="The server; HOLDFAST_ADDR without it.")
def logout(addr: str | None) -> None:
    """Forget the token kept for a server. The token itself stays valid: `holdfast token revoke` ends it."""
    address = _address(addr, ClientSettings.from_environ())
    forgotten = Logins().forget(address)
    output.say(f"Logged out of {address}." if forgotten else f"There was no login for {address}.")
    if output.wants_json():
        output.write_document({"address": address, "forgotten": forgotten})


def _address(addr: str | None, given: ClientSettings) -> str:
    if addr is not None:
        return ClientSettings.from_environ({"HOLDFAST_ADDR": addr}).address or ""
    if given.address is None:
        raise ConfigurationError(["HOLDFAST_ADDR is missing: name the server there or with --addr"])
    return given.address


def _token() -> str:
    if sys.stdin.isatty():
        text = str(click.prompt("Token", hide_input=True, err=True))
    else:
        text = sys.stdin.buffer.read(inputs.MAX_TOKEN_BYTES + 1).decode("utf-8", "replace")
    token = text.strip()
    if not token or len(token) > inputs.MAX_TOKEN_BYTES or not token.isascii() or not token.isprintable():
        raise InvalidInput("That is no token: paste it as `holdfast token create` printed it.", field="token")
    return token


async def _try(settings: ClientSettings) -> None:
    from holdfast.client.service import connect  # noqa: PLC0415 - takes long to import

    async with connect(settings) as service:
        await service.list_secrets(limit=1)
