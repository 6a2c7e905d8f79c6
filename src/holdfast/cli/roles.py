"""Commands on roles, and on why somebody may do something or not."""

from datetime import datetime
from typing import Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service

_ROLES: Final = ("SUBJECT", "ROLE", "ON", "UNTIL", "BY")
_CONSIDERED: Final = ("RULE", "FOR", "ON", "UNTIL", "VERDICT")


@click.group(cls=Group)
def role() -> None:
    """Give and take roles: admin, operator, auditor, approver, reader."""


@role.command("assign", cls=Change)
@click.argument("subject")
@click.argument("name", metavar="ROLE")
@click.argument("pattern", metavar="NAME|PATTERN")
@click.option("--expires", "expires_at", type=inputs.moment, metavar="WHEN", help="2027-01-31T00:00Z, or 90d.")
@inputs.accept_credentials
def assign(subject: str, name: str, pattern: str, expires_at: datetime | None, *, accept_credentials: bool) -> None:
    """Give SUBJECT a role over a secret or a pattern of names; '*' is the whole vault.

    SUBJECT is an identity, or group:NAME. admin may do everything; operator lists, rotates, recovers and runs the
    installation; auditor lists and reads the audit trail; approver decides about emergency access; reader gets and
    lists.
    """
    given = with_service(
        lambda service, caller: service.access.assign_role(
            subject,
            name,
            pattern,
            expires_at=expires_at,
            accept_existing_credentials=accept_credentials,
            context=caller,
        )
    )
    until = f" until {output.moment(given.expires_at)}" if given.expires_at else ""
    output.say(f"{given.subject} is {given.role} on {given.pattern}{until}.")
    if output.wants_json():
        output.write_document(given)


@role.command("unassign", cls=Change)
@click.argument("subject")
@click.argument("name", metavar="ROLE")
@click.argument("pattern", metavar="NAME|PATTERN")
def unassign(subject: str, name: str, pattern: str) -> int:
    """Take a role over exactly this name or pattern away from SUBJECT."""
    removed = with_service(lambda service, caller: service.access.unassign_role(subject, name, pattern, context=caller))
    if output.wants_json():
        output.write_document({"removed": removed})
    output.say("Removed." if removed else "There is no such role assignment; nothing is changed.")
    return exits.OK


@role.command("list", cls=Command)
def list_() -> None:
    """Show who has which role over what."""
    found = with_service(lambda service, caller: service.access.list_roles(context=caller))
    if output.wants_json():
        output.write_document(found)
        return
    rows = [(each.subject, each.role, each.pattern, each.expires_at, each.granted_by) for each in found]
    output.write_table(_ROLES, rows)


@click.command(cls=Command)
@click.argument("name")
@click.argument("user")
@click.argument("permission")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group that USER would be in; repeatable.")
def explain(name: str, user: str, permission: str, groups: tuple[str, ...]) -> int:
    """Say whether USER may do something to a secret, and which rule decides.

    USER is an identity, or group:NAME. Exit code 0 for yes, 4 for no.
    """
    found = with_service(
        lambda service, caller: service.access.explain(name, user, permission, groups=groups, context=caller)
    )
    if output.wants_json():
        output.write_document(found)
    else:
        output.write_lines([found.reason])
        rows = [(each.rule, each.subject, each.pattern, each.expires_at, each.verdict) for each in found.considered]
        if rows:
            output.write_table(_CONSIDERED, rows)
    return exits.OK if found.allowed else exits.DENIED
