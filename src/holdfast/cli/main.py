"""``holdfast``: from arguments to an exit code. No error reaches the shell as a traceback."""

import sys
from collections.abc import Sequence
from typing import Final

import click

from holdfast.cli import (
    access,
    audit,
    backup,
    break_glass,
    clients,
    clock,
    completion,
    contexts,
    doctor,
    export,
    identities,
    identity_endpoint,
    imports,
    keys,
    lifecycle,
    listing,
    login,
    node,
    notices,
    report,
    roles,
    rotation,
    running,
    scan,
    secrets,
    simulation,
    tokens,
    totp,
    vault,
)
from holdfast.cli.exits import BROKEN_PIPE, INTERRUPTED, OK, OUTPUT_LOST, USAGE
from holdfast.cli.grammar import Root
from holdfast.cli.help import help_
from holdfast.cli.output import report as tell_of
from holdfast.cli.output import report_text
from holdfast.cli.streams import OutputLost, tell
from holdfast.cli.suggestions import options_for, question
from holdfast.config import Settings
from holdfast.errors import ConfigurationError

SECTIONS: Final = {
    "Secrets": (
        *(secrets.get, secrets.set_, secrets.update, listing.list_, listing.versions, secrets.rollback),
        *(lifecycle.delete, lifecycle.recover, lifecycle.purge, access.expiring, running.run),
    ),
    "Moving in": (imports.import_, scan.scan, export.export),
    "Rotation and notices": (rotation.rotate, rotation.rotation, notices.notices),
    "Access": (
        *(access.grant, access.grants, access.revoke, access.check, roles.explain, roles.role, simulation.simulate),
        *(access.history, audit.audit, report.report),
    ),
    "Emergency access": (break_glass.break_glass,),
    "Identities": (identities.identity, tokens.token, totp.totp, clients.client, identities.admin),
    "Applications": (identity_endpoint.identity_endpoint,),
    "A server": (login.login, login.logout, login.whoami, contexts.context, completion.completion, help_),
    "This installation": (
        *(node.init, node.serve, node.status, node.health, doctor.doctor, vault.sync, vault.reconcile),
        *(keys.keys, clock.clock),
    ),
    "All of it in one file": (backup.backup, backup.restore),
}

cli = Root(
    "holdfast",
    help="Holdfast keeps secrets: served fast, authorised and on record, whatever fails underneath.\n\n"
    "Secrets go to stdout and come from stdin, a file or a hidden prompt; everything else goes to stderr.",
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    sections=SECTIONS,
)
click.version_option(package_name="holdfast")(cli)


def main() -> None:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    as_json = "--json" in args[: args.index("--") if "--" in args else None]
    command = f"holdfast {args[0]}" if args and args[0] in cli.commands else "holdfast"
    try:
        result = cli.main(args=list(args), prog_name="holdfast", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        report_text("interrupted", "Interrupted.", as_json=as_json, command=command)
        return INTERRUPTED
    except SystemExit:  # click's answer to a pipe that closed while it wrote help
        return BROKEN_PIPE
    except click.ClickException as error:
        return _refusal(error, as_json=as_json, command=command)
    except Exception as error:  # the last resort: a short text instead of a traceback
        return tell_of(error, as_json=as_json, command=command, debug=_debugging())
    return result if isinstance(result, int) else OK


def _refusal(error: click.ClickException, *, as_json: bool, command: str) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        tell(error.format_message())
        return USAGE
    if isinstance(error, OutputLost):
        report_text("output_lost", error.message, as_json=as_json, command=command)
        return OUTPUT_LOST
    report_text("usage", _usage(error), as_json=as_json, command=command)
    return USAGE


def _usage(error: click.ClickException) -> str:
    """What is wrong with the command line, without repeating it, and where to look."""
    if isinstance(error, click.NoSuchOption):
        text = f"There is no such option. {question(_options_meant(error))}".rstrip()
    elif isinstance(error, click.MissingParameter):
        text = f"{_named(error)} is missing."
    elif isinstance(error, click.BadParameter):
        text = f"{_named(error)} {error.message}"
    else:
        text = error.message
    path = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "holdfast"
    return f"{text} See: {path} --help"


def _options_meant(error: click.NoSuchOption) -> list[str]:
    return options_for(error.option_name, error.ctx.command) if error.ctx else []


def _named(error: click.BadParameter) -> str:
    if error.param is None:
        return "An argument"
    if isinstance(error.param, click.Option):
        return error.param.opts[-1]
    return error.param.make_metavar(error.ctx) if error.ctx else str(error.param.name)


def _debugging() -> bool:
    try:
        return Settings.from_environ().log_level == "debug"
    except ConfigurationError:
        return False
