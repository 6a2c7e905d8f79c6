"""Commands on the server that the other commands talk to."""

import asyncio
import os
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import click

from holdfast.cli import inputs, output, streams
from holdfast.cli.grammar import Command
from holdfast.cli.session import place, server, with_service
from holdfast.config import ClientSettings, Context, Contexts
from holdfast.errors import ConfigurationError, InvalidInput, Unauthenticated


@click.command(cls=Command)
@click.option("--addr", metavar="URL", help="The server; HOLDFAST_ADDR without it, else the current context's.")
@click.option("--name", metavar="NAME", help="What to call the context [host:port].")
@click.option("--cacert", type=click.Path(path_type=Path), metavar="PATH", help="PEM file of the CA to trust for it.")
@click.option("--oidc", "issuer", metavar="URL", help="Get a token from this issuer, by a code typed into a browser.")
@click.option("--client-id", metavar="ID", help="With --oidc: the public client that the issuer knows.")
@click.option("--scope", default="openid", show_default=True, metavar="SCOPES", help="With --oidc.")
@click.option("--issuer-ca", type=click.Path(path_type=Path), metavar="PATH", help="PEM file of the issuer's CA.")
def login(
    *,
    addr: str | None,
    name: str | None,
    cacert: Path | None,
    issuer: str | None,
    client_id: str | None,
    scope: str,
    issuer_ca: Path | None,
) -> None:
    """Keep a token for a server, read from stdin or a hidden prompt, or given by an OpenID Connect issuer.

    It is tried first, and kept in a file that only you can read, with the address and the CA that it belongs to: a
    context. Commands talk to that server from then on. A token of an issuer lasts as long as the issuer decides; then
    log in again.
    """
    if (issuer is None) != (client_id is None):
        raise click.UsageError("--oidc and --client-id belong together.")
    given = _server(addr)
    address, ca_file = given.address or "", cacert or given.ca_file
    tokens = [_token()] if issuer is None else asyncio.run(_tokens(issuer, client_id or "", scope, issuer_ca))
    token = asyncio.run(_first_good(tokens, address, ca_file))
    context = Context(name=name or _name(address), address=address, token=token, ca_file=ca_file)
    Contexts().keep(context)
    output.say(f"Logged in to {address}. Commands talk to it from now on, as the context {context.name}.")
    if output.wants_json():
        output.write_document({"address": address})


@click.command(cls=Command)
@click.option("--addr", metavar="URL", help="The server; HOLDFAST_ADDR without it, else the current context's.")
def logout(addr: str | None) -> None:
    """Forget the token kept for a server. The token itself stays valid: `holdfast token revoke` ends it."""
    address = _server(addr).address or ""
    contexts = Contexts()
    found = [context.name for context in contexts.all() if context.address == address]
    for name in found:
        contexts.forget(name)
    forgotten = bool(found)
    output.say(f"Logged out of {address}." if forgotten else f"There was no login for {address}.")
    if output.wants_json():
        output.write_document({"address": address, "forgotten": forgotten})


@click.command(cls=Command)
def whoami() -> None:
    """Show who you are, how that is proven, and which installation answers."""
    found = with_service(lambda service, caller: service.whoami(context=caller))
    where = place() or ""
    if output.wants_json():
        output.write_document({**asdict(found), "place": where})
        return
    groups = f", in {', '.join(found.groups)}" if found.groups else ""
    output.write_lines(
        [f"{found.identity}{groups}, by {found.method}", f"At {where}", f"Installation {found.installation}"]
    )


def _server(addr: str | None) -> ClientSettings:
    """The server to log in to or out of, with the CA that is known for it. HOLDFAST_CACERT may be for it."""
    given = server() if addr is None else ClientSettings.from_environ({**os.environ, "HOLDFAST_ADDR": addr})
    if given.address is None:
        raise ConfigurationError(["HOLDFAST_ADDR is missing: name the server there or with --addr"])
    return given


def _name(address: str) -> str:
    """The context that an address has already, or its host and port."""
    known = Contexts().at(address)
    return known.name if known is not None else address.removeprefix("https://")


def _token() -> str:
    if sys.stdin.isatty():
        text = str(click.prompt("Token", hide_input=True, err=True))
    else:
        text = sys.stdin.buffer.read(inputs.MAX_TOKEN_BYTES + 1).decode("utf-8", "replace")
    token = text.strip()
    if not token or len(token) > inputs.MAX_TOKEN_BYTES or not token.isascii() or not token.isprintable():
        raise InvalidInput("That is no token: paste it as `holdfast token create` printed it.", field="token")
    return token


async def _tokens(issuer: str, client_id: str, scope: str, ca_file: Path | None) -> list[str]:
    from holdfast.client.device import DeviceLogin, Invitation  # noqa: PLC0415 - takes long to import

    def invite(invitation: Invitation) -> None:
        streams.tell(
            output.one_line(
                f"Open {invitation.address} and enter the code {invitation.code} "
                f"within {invitation.seconds / 60:.0f} minutes. Enter it only if you began this login yourself."
            )
        )

    async with DeviceLogin(issuer, client_id, scope, ca_file=ca_file) as device:
        return await device.tokens(invite)


async def _first_good(tokens: list[str], address: str, ca_file: Path | None) -> str:
    """Return the first token that the server takes: which of its tokens has the right audience, the issuer decides."""
    *others, last = tokens
    for token in others:
        with suppress(Unauthenticated):
            await _try(ClientSettings(address=address, token=token, ca_file=ca_file))
            return token
    await _try(ClientSettings(address=address, token=last, ca_file=ca_file))
    return last


async def _try(settings: ClientSettings) -> None:
    from holdfast.client.service import connect  # noqa: PLC0415 - takes long to import

    async with connect(settings) as service:
        await service.list_secrets(limit=1)
