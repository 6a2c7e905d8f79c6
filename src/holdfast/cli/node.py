"""Commands on this node: make it ready, run it, see how it is."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import exits, first_token, inputs, installation, output
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_local_service, with_service
from holdfast.cli.streams import write_text
from holdfast.config import Settings
from holdfast.config.environment import default_data_dir
from holdfast.errors import StartupError

if TYPE_CHECKING:  # the service takes long to import
    from collections.abc import Sequence

    from holdfast.domain.policy import Caller
    from holdfast.ports import NodeRecord
    from holdfast.service.installation.reports import HealthReport
    from holdfast.service.manager import SecretsService

_STARTED: Final = """\
Holdfast is running; Ctrl-C stops it.

  URL          {url}
  CA file      {ca}
  Secrets in   {store}
  Tenant ID    {tenant}
  Log in with  {program} client add my-app      (prints a client secret, once)

Three commands to try, in another terminal{same}:

  echo s3cret | {program} set my-first-secret
  {program} get my-first-secret
  {program} health
"""

_READY: Final = """\
Holdfast is ready in {data}. Next: holdfast serve
Clients trust {ca}
Back up, apart from the database: {key}
"""


@click.command(cls=Command)
@click.option(
    "--workers", type=inputs.whole(1, 64), default="1", show_default=True, metavar="N", help="Processes that serve."
)
@first_token.to_file
def serve(workers: int, admin_token_file: Path | None) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    With several workers, SIGHUP replaces them one by one without a failed request.
    """
    from holdfast.telemetry.logs import install_logs  # noqa: PLC0415 - the server takes long to import
    from holdfast.web.run import Serving  # noqa: PLC0415
    from holdfast.web.supervisor import serve_until_stopped  # noqa: PLC0415

    settings = Settings.from_environ()
    first_token.check_place(admin_token_file)
    install_logs(settings.log_level, settings.log_format, requests=settings.access_log)
    as_json = output.wants_json()

    def started(serving: Serving) -> None:
        facts = {"url": serving.url, "ca": _ca_file(settings), "store": _store(settings), "tenant": serving.tenant}
        if as_json:
            output.write_document(facts | first_token.told(serving.admin_token, admin_token_file))
        else:
            first = first_token.text(serving.admin_token, admin_token_file)
            same = "" if settings.database_url is None else " with the same settings"
            write_text(_STARTED.format(**facts, program=_program(settings), same=same) + first)

    serve_until_stopped(settings, workers, on_started=started)
    output.say("Holdfast has stopped.")


@click.command(cls=Command)
@first_token.to_file
def init(admin_token_file: Path | None) -> None:
    """Make everything a node needs, and say what to back up.

    That is the data folder, the encryption key, the private CA, the database schema and the identity `admin`, whose
    token is printed this once, or written to a file. What is there stays.
    """
    from holdfast.bootstrap.tls import certificate_files  # noqa: PLC0415 - takes long to import

    settings = Settings.from_environ()
    first_token.check_place(admin_token_file)
    try:
        certificate_files(settings)
    except OSError as error:
        raise StartupError(
            f"The server's certificate cannot be made in {settings.data_dir} ({error.strerror}). Let this user write "
            "there, or choose another folder with HOLDFAST_DATA_DIR."
        ) from error
    admin = with_local_service(lambda service, _: service.identities.bootstrap(), making=True)
    token = admin.token if admin else None
    facts = {"data": str(settings.data_dir), "ca": _ca_file(settings), "key": _key(settings)}
    if output.wants_json():
        output.write_document(facts | first_token.told(token, admin_token_file))
    else:
        write_text(_READY.format(**facts) + first_token.text(token, admin_token_file))


@click.command(cls=Command)
def health() -> int:
    """Ask every backend how it is, and show what waits and what to do about it.

    Exit code 0 when all is well, 7 when a backend is down or something waits for a person.
    """
    report = with_service(lambda service, caller: service.get_secret_health(probe=True, context=caller))
    if output.wants_json():
        output.write_document(report)
    else:
        output.write_lines(installation.health_lines(report))
    return exits.OK if report.healthy else exits.DEGRADED


@click.command(cls=Command)
def status() -> int:
    """Show the whole installation on one screen: backends, what waits, rotations, and the nodes that serve.

    Exit code 0 when all is well, 7 when a backend is down or something waits for a person.
    """

    async def work(service: "SecretsService", caller: "Caller") -> "tuple[HealthReport, Sequence[NodeRecord]]":
        nodes = await service.list_nodes(context=caller)
        return await service.get_secret_health(probe=True, context=caller), nodes

    report, nodes = with_service(work)
    if output.wants_json():
        output.write_document(installation.status_document(report, nodes))
    else:
        output.write_lines(installation.status_lines(report, nodes))
    return exits.OK if report.healthy else exits.DEGRADED


def _program(settings: Settings) -> str:
    """How this very program is called, on the same data folder, from another terminal."""
    if settings.data_dir == default_data_dir():
        return sys.argv[0]
    return f"HOLDFAST_DATA_DIR={shlex.quote(str(settings.data_dir))} {sys.argv[0]}"


def _ca_file(settings: Settings) -> str:
    from holdfast.bootstrap.tls import tls_folder  # noqa: PLC0415 - takes long to import

    if settings.tls_cert is not None:
        return f"whoever issued {settings.tls_cert}"
    return str(tls_folder(settings) / "ca.pem")


def _key(settings: Settings) -> str:
    from holdfast.bootstrap.keysources import key_place  # noqa: PLC0415 - takes long to import

    return f"{key_place(settings)}; without it nothing can be decrypted"


def _store(settings: Settings) -> str:
    database = (
        "the PostgreSQL of DATABASE_URL" if settings.database_url else f"{settings.data_dir} (embedded PostgreSQL)"
    )
    return f"{database}, {f'mirroring {settings.vault_url}' if settings.vault_url else 'without a vault: standalone'}"
