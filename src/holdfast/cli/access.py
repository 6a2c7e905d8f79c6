"""Commands on who may do what, and who did."""

from datetime import datetime
from typing import Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.grammar import Change, Command
from holdfast.cli.notices import show_planned
from holdfast.cli.session import with_service
from holdfast.domain.names import canonical_name, matches

_HISTORY: Final = ("TIME", "WHO", "OPERATION", "VERSION", "SOURCE", "RESULT", "ADDRESS")
_GRANTS: Final = ("WHO", "NAME|PATTERN", "MAY", "UNTIL", "GRANTED", "BY")
_EXPIRING: Final = ("NAME", "VERSION", "EXPIRES", "DAYS", "NEXT NOTICE")


@click.command(cls=Change)
@click.argument("pattern", metavar="NAME|PATTERN")
@click.argument("user")
@click.argument("permissions", nargs=-1, required=True, metavar="PERMISSION...")
@click.option("--expires", "expires_at", type=inputs.moment, metavar="WHEN", help="2027-01-31T00:00Z, or 90d.")
@inputs.accept_credentials
def grant(
    pattern: str, user: str, permissions: tuple[str, ...], expires_at: datetime | None, *, accept_credentials: bool
) -> None:
    """Let USER do something to a secret or a pattern of names.

    A pattern such as 'payments-*' covers all names that fit it, later ones too.

    PERMISSION: get, list, set, delete, recover, purge, rotate, grant, approve, audit, operate. None implies another.
    What USER was granted on exactly this name or pattern before is replaced.
    """
    given = with_service(
        lambda service, caller: service.grant_access(
            pattern,
            user,
            permissions,
            expires_at=expires_at,
            accept_existing_credentials=accept_credentials,
            context=caller,
        )
    )
    until = f" until {output.moment(given.expires_at)}" if given.expires_at else ""
    output.say(f"{given.user_id} may {', '.join(sorted(given.permissions))} {given.pattern}{until}.")
    if output.wants_json():
        output.write_document(given)


@click.command(cls=Command)
@click.option("--user", metavar="USER", help="Only what this identity was granted.")
@click.option("--name", metavar="NAME", help="Only what covers this secret, patterns included.")
def grants(user: str | None, name: str | None) -> None:
    """List who may do what to which secrets; without options, all grants there are.

    A grant that has expired is listed until it is revoked, and allows nothing.
    """
    covered = canonical_name(name) if name is not None else None
    found = [
        each
        for each in with_service(lambda service, caller: service.list_grants(context=caller))
        if (user is None or each.user_id == user) and (covered is None or matches(each.pattern, covered))
    ]
    if output.wants_json():
        output.write_document(found)
        return
    rows = [
        (
            *(each.user_id, each.pattern, ", ".join(sorted(each.permissions))),
            *(each.expires_at, each.granted_at, each.granted_by),
        )
        for each in sorted(found, key=lambda each: (each.user_id, each.pattern))
    ]
    output.write_table(_GRANTS, rows)


@click.command(cls=Change)
@click.argument("pattern", metavar="NAME|PATTERN")
@click.argument("user")
def revoke(pattern: str, user: str) -> int:
    """Take the grant on exactly this name or pattern away from USER."""
    revoked = with_service(lambda service, caller: service.revoke_access(pattern, user, context=caller))
    if output.wants_json():
        output.write_document({"revoked": revoked})
    output.say("Revoked." if revoked else "There was no such grant; nothing is changed.")
    return exits.OK


@click.command(cls=Command)
@click.argument("name")
@click.argument("user")
@click.argument("permission")
def check(name: str, user: str, permission: str) -> int:
    """Say whether USER may do something to a secret.

    Exit code 0 for yes, 4 for no.
    """
    allowed = with_service(lambda service, caller: service.check_access(name, user, permission, context=caller))
    if output.wants_json():
        output.write_document({"allowed": allowed})
    else:
        output.write_lines(["allowed" if allowed else "denied"])
    return exits.OK if allowed else exits.DENIED


@click.command(cls=Command)
@click.argument("name")
@click.option("--limit", type=inputs.whole(1, 1000), default="50", show_default=True, metavar="N")
def history(name: str, limit: int) -> None:
    """Show who did what to a secret, newest first, refusals included."""
    records = with_service(lambda service, caller: service.get_access_history(name, limit, context=caller))
    if output.wants_json():
        output.write_document(records)
        return
    rows = [
        (
            each.timestamp,
            each.user_id,
            each.operation,
            each.version,
            each.source,
            each.error_code or "ok",
            each.ip_address,
        )
        for each in records
    ]
    output.write_table(_HISTORY, rows)


@click.command(cls=Command)
@click.option("--days", type=inputs.whole(0, 3650), default="30", show_default=True, metavar="N")
@click.option("--dry-run", is_flag=True, help="Show who will be told of it and of rotations, when; nothing is sent.")
def expiring(days: int, dry_run: bool) -> None:
    """List secrets that expire within some days, or have expired, soonest first."""
    if dry_run:
        show_planned(days)
        return
    found = with_service(lambda service, caller: service.check_expiring_secrets(days, context=caller))
    if output.wants_json():
        output.write_document(found)
        return
    rows = [
        (each.secret_name, each.version, each.expires_at, each.days_until_expiry, each.next_notice_at) for each in found
    ]
    output.write_table(_EXPIRING, rows)
