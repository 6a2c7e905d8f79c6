"""Commands on identities: who may prove themselves here, their groups, and the first of all."""

from typing import Final

import click

from holdfast.cli import inputs, output
from holdfast.cli.exits import ENDINGS, OK
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_local_service, with_service
from holdfast.domain.identities import ADMIN_ID
from holdfast.errors import IdentityNotFound

_COLUMNS: Final = ("NAME", "KIND", "STATE", "GROUPS", "TOKENS", "CLIENT SECRET", "TOTP", "CREATED", "BY")
_KINDS: Final = ("application", "person")


@click.group(cls=Group)
def identity() -> None:
    """Manage who may prove themselves here."""


@identity.command(cls=Change)
@click.argument("name")
@click.option("--kind", type=inputs.one_of(*_KINDS), default=_KINDS[0], show_default=True, metavar="application|person")
def add(name: str, kind: str) -> None:
    """Make an identity; it holds no credential and no permission yet."""
    with_service(lambda service, caller: service.identities.add(name, kind, context=caller))
    output.say(f"{name} is added. `holdfast token create {name}` makes a token of it, `holdfast grant` lets it in.")
    if output.wants_json():
        output.write_document({"name": name, "kind": kind})


@identity.command("list", cls=Command)
def list_() -> None:
    """List the identities."""
    found = with_service(lambda service, caller: service.identities.list(context=caller))
    if output.wants_json():
        output.write_document(found)
        return
    rows = [
        (
            each.name,
            each.kind.value,
            "disabled" if each.disabled_at else "enabled",
            ",".join(each.groups) or None,
            each.tokens,
            each.has_client_secret,
            each.has_totp,
            each.created_at,
            each.created_by,
        )
        for each in found
    ]
    output.write_table(_COLUMNS, rows)


@identity.command(cls=Change)
@click.argument("name")
def disable(name: str) -> None:
    """Stop all credentials of an identity, on every node within a second."""
    with_service(lambda service, caller: service.identities.disable(name, context=caller))
    output.say(f"{name} is disabled. `holdfast identity enable {name}` undoes it.")
    if output.wants_json():
        output.write_document({"name": name, "disabled": True})


@identity.command(cls=Change)
@click.argument("name")
def enable(name: str) -> None:
    """Let the credentials of a disabled identity work again."""
    with_service(lambda service, caller: service.identities.enable(name, context=caller))
    output.say(f"{name} is enabled.")
    if output.wants_json():
        output.write_document({"name": name, "disabled": False})


@identity.command(cls=Change)
@click.argument("name")
def remove(name: str) -> int:
    """Remove an identity for good, with its credentials, groups and grants."""
    removed = with_service(lambda service, caller: service.identities.remove(name, context=caller))
    if output.wants_json():
        output.write_document({"removed": removed})
    output.say("Removed." if removed else "There is no such identity. `holdfast identity list` shows them.")
    return OK if removed else ENDINGS[IdentityNotFound].code


@identity.command(cls=Change)
@click.argument("name")
@click.argument("groups", nargs=-1, metavar="[GROUP...]")
@click.option("--none", "clear", is_flag=True, help="Take it out of all groups.")
@inputs.accept_credentials
def groups(name: str, groups: tuple[str, ...], clear: bool, *, accept_credentials: bool) -> None:
    """Make an identity a member of exactly these groups.

    Grants to group:GROUP then hold for it. Groups that an OIDC issuer vouches for are not kept here.
    """
    if bool(groups) == clear:
        raise click.UsageError("Name the groups it is to be in, or give --none.")
    given = with_service(
        lambda service, caller: service.identities.set_groups(
            name, groups, accept_existing_credentials=accept_credentials, context=caller
        )
    )
    output.say(f"{name} is in {', '.join(sorted(given)) or 'no group'}.")
    if output.wants_json():
        output.write_document({"name": name, "groups": sorted(given)})


@click.group(cls=Group)
def admin() -> None:
    """Get back in, from the machine itself."""


@admin.command(cls=Change)
def reset() -> None:
    """Take every credential of `admin` back and print a new token of it, which may do everything.

    Whoever may read the data folder or knows the database may do this; it is on record.
    """
    new = with_local_service(lambda service, caller: service.identities.reset_admin(context=caller))
    output.say(f"The only token of {ADMIN_ID} from now on, shown only this once:")
    if output.wants_json():
        output.write_document({"identity": ADMIN_ID, "id": new.record.id, "token": new.token})
    else:
        output.write_value(new.token)
