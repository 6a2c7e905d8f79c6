"""Commands on API tokens."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import click

from holdfast.cli import inputs, output
from holdfast.cli.exits import OK
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.identities import DEFAULT_TOKEN_LIFETIME, MAX_TOKEN_LIFETIME

if TYPE_CHECKING:
    from holdfast.ports import TokenRecord

_COLUMNS: Final = ("ID", "IDENTITY", "CREATED", "EXPIRES", "LAST USED", "STATE", "FROM", "FOR")


@click.group(cls=Group)
def token() -> None:
    """Manage the API tokens that identities prove themselves with."""


@token.command(cls=Change)
@click.argument("identity")
@click.option("--ttl", type=inputs.duration, metavar="DURATION", help="Until it must be renewed [30d]; such as 12h.")
@click.option("--max-ttl", type=inputs.duration, metavar="DURATION", help="Until no renewal helps [365d].")
@click.option("--from", "networks", multiple=True, metavar="CIDR", help="Where it may be used from; repeatable.")
@click.option("--description", metavar="TEXT", help="What it is for.")
def create(
    identity: str, ttl: timedelta | None, max_ttl: timedelta | None, networks: tuple[str, ...], description: str | None
) -> None:
    """Make a token of IDENTITY and print it: only now, it is stored as a hash."""
    new = with_service(
        lambda service, caller: service.tokens.create(
            identity,
            lifetime=ttl or DEFAULT_TOKEN_LIFETIME,
            max_lifetime=max_ttl or MAX_TOKEN_LIFETIME,
            networks=networks,
            description=description,
            context=caller,
        )
    )
    until = output.moment(new.record.expires_at)
    output.say(f"Token {new.record.id} of {identity}, good until {until}, shown only this once:")
    if output.wants_json():
        output.write_document({"token": new.token, **document(new.record)})
    else:
        output.write_value(new.token)


@token.command("list", cls=Command)
@click.argument("identity", required=False)
def list_(identity: str | None) -> None:
    """List the tokens of IDENTITY, or all, newest first."""
    found = with_service(lambda service, caller: service.tokens.list(identity, context=caller))
    if output.wants_json():
        output.write_document([document(each) for each in found])
        return
    rows = [
        (
            str(each.id),
            each.identity,
            each.created_at,
            each.expires_at,
            each.last_used_at,
            "revoked" if each.revoked_at else "good" if each.expires_at > datetime.now(UTC) else "expired",
            ",".join(map(str, each.networks)) or "anywhere",
            each.description,
        )
        for each in found
    ]
    output.write_table(_COLUMNS, rows)


@token.command(cls=Change)
@click.argument("token_id", metavar="ID", type=inputs.uuid)
def renew(token_id: UUID) -> None:
    """Let a token live for its time from now, up to its very end."""
    renewed = with_service(lambda service, caller: service.tokens.renew(token_id, context=caller))
    output.say(
        f"Good until {output.moment(renewed.expires_at)}; no renewal helps after "
        f"{output.moment(renewed.max_expires_at)}."
    )
    if output.wants_json():
        output.write_document(document(renewed))


@token.command(cls=Change)
@click.argument("token_id", metavar="ID", type=inputs.uuid)
def revoke(token_id: UUID) -> int:
    """End a token, on every node within a second."""
    revoked = with_service(lambda service, caller: service.tokens.revoke(token_id, context=caller))
    if output.wants_json():
        output.write_document({"revoked": revoked})
    output.say("Revoked." if revoked else "It was revoked before; nothing is changed.")
    return OK


def document(record: "TokenRecord") -> dict[str, object]:
    """A token's facts for JSON: durations in seconds, networks as text."""
    return {
        "id": record.id,
        "identity": record.identity,
        "description": record.description,
        "networks": [str(network) for network in record.networks],
        "created_by": record.created_by,
        "created_at": record.created_at,
        "lifetime_s": int(record.lifetime.total_seconds()),
        "expires_at": record.expires_at,
        "max_expires_at": record.max_expires_at,
        "renewals": record.renewals,
        "revoked_at": record.revoked_at,
        "last_used_at": record.last_used_at,
    }
