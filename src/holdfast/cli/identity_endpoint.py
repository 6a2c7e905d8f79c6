"""The command that serves a managed identity endpoint on loopback."""

import asyncio
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import child, exits, inputs, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import server
from holdfast.config import Settings, own, parsing
from holdfast.errors import ConfigurationError

if TYPE_CHECKING:  # the endpoint takes long to import
    from collections.abc import Mapping, Sequence

    from holdfast.agent.credentials import Source
    from holdfast.agent.running import Plan

_NAME: Final = "holdfast identity-endpoint"
_TENANT: Final = re.compile(r"adfs|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


def _resource(text: str) -> str:
    try:
        return parsing.origin(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _tenant(text: str) -> str:
    if not _TENANT.fullmatch(text):
        raise click.BadParameter("must be adfs or a GUID, as `holdfast serve` shows it.")
    return text


_A_FILE: Final = click.Path(path_type=Path)


@click.command("identity-endpoint", cls=Command, context_settings={"allow_interspersed_args": False})
@click.option("--credential", type=_A_FILE, metavar="FILE", help="One line: the client id, a colon, its secret.")
@click.option("--token-file", type=_A_FILE, metavar="FILE", help="A token of a trusted issuer, instead of a secret.")
@click.option("--client-id", metavar="ID", help="The client that the token file is for.")
@click.option("--tenant", type=_tenant, metavar="NAME", help="The server's tenant, for a token file.")
@click.option("--env-file", type=_A_FILE, metavar="FILE", help="Write the variables to FILE, mode 0600, until the end.")
@click.option(
    "--port", type=inputs.whole(0, 65535), default="0", metavar="N", help="The port; 0, the default, picks one."
)
@click.option(
    "--resource",
    "resources",
    type=_resource,
    multiple=True,
    metavar="URL",
    help="A resource that is Holdfast's; repeatable.",
)
@click.option("--alias", "aliases", multiple=True, metavar="ID", help="A further id to be asked for by; repeatable.")
@click.option("--pass-on", is_flag=True, help="Ask the platform's own endpoint for tokens of other resources.")
@click.option("--keep", multiple=True, metavar="VARIABLE", help="Pass on a variable that Holdfast takes for its own.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
def identity_endpoint(
    *,
    credential: Path | None,
    token_file: Path | None,
    client_id: str | None,
    tenant: str | None,
    env_file: Path | None,
    port: int,
    resources: tuple[str, ...],
    aliases: tuple[str, ...],
    pass_on: bool,
    keep: tuple[str, ...],
    command: tuple[str, ...],
) -> int | None:
    """Serve tokens to programs on this machine, as App Service's managed identity endpoint does.

    Programs that use Azure's SDK then log in to Holdfast without a change: COMMAND gets IDENTITY_ENDPOINT,
    IDENTITY_HEADER, MSI_ENDPOINT and MSI_SECRET in its environment, and --env-file writes them for others. The server
    is that of HOLDFAST_ADDR or the context; the client's secret comes from --credential, or from systemd's credential
    holdfast.client. Programs never see it.
    """
    from holdfast.agent.platform import Platform  # noqa: PLC0415 - takes long to import
    from holdfast.agent.running import Plan  # noqa: PLC0415
    from holdfast.telemetry.logs import install_logs  # noqa: PLC0415

    if bool(command) == (env_file is not None):
        raise click.UsageError("identity-endpoint needs either a COMMAND to run or --env-file FILE.")
    client = server()
    if client.address is None:
        raise ConfigurationError(["HOLDFAST_ADDR is missing: name the server that gives the tokens, or a --context"])
    settings = Settings.from_environ(own())
    install_logs(settings.log_level, settings.log_format)
    plan = Plan(
        address=client.address,
        source=_source(credential, token_file, client_id, tenant),
        ca_file=client.ca_file,
        port=port,
        resources=resources,
        aliases=aliases,
        platform=Platform.of(os.environ) if pass_on else None,
    )
    if env_file is None:
        return _run(plan, command, keep)
    _serve(plan, env_file)
    return None


def _source(credential: Path | None, token_file: Path | None, client_id: str | None, tenant: str | None) -> "Source":
    from holdfast.agent.credentials import SecretFile, TokenFile, of_systemd  # noqa: PLC0415 - see above

    if token_file is not None:
        if credential is not None or client_id is None or tenant is None:
            raise click.UsageError("--token-file goes with --client-id and --tenant, and not with --credential.")
        return TokenFile(token_file, client_id, tenant)
    found = SecretFile(credential) if credential is not None else of_systemd(os.environ)
    if found is None:
        raise click.UsageError("identity-endpoint needs --credential FILE, --token-file FILE or systemd's credential.")
    return found


def _serve(plan: "Plan", env_file: Path) -> None:
    from holdfast.agent.running import serve_until_stopped  # noqa: PLC0415 - see above

    def started(given: "Mapping[str, str]") -> None:
        endpoint = given["IDENTITY_ENDPOINT"]
        if output.wants_json():
            output.write_document({"endpoint": endpoint, "env_file": str(env_file), "server": plan.address})
        output.say(f"Tokens of {plan.address} are at {endpoint}, for programs with the variables in {env_file}.")

    asyncio.run(serve_until_stopped(plan, env_file, output.say, started))
    output.say("The identity endpoint has stopped.")


def _run(plan: "Plan", command: "Sequence[str]", keep: "Sequence[str]") -> int:
    from holdfast.agent.running import run_with  # noqa: PLC0415 - see above

    try:
        program = child.found(command[0])
    except PermissionError:
        return child.not_started(_NAME, exits.COMMAND_FAILED, "it is there, and may not be executed")
    if program is None:
        return child.not_started(_NAME, exits.COMMAND_NOT_FOUND, "there is no such command")
    environ = child.inherited(os.environ, keep)
    try:
        return asyncio.run(run_with(plan, program, command, environ, output.say))
    except OSError as error:
        return child.not_started(_NAME, exits.COMMAND_FAILED, *child.why_not_started(error, program, environ, {}))
