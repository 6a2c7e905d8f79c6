"""Commands that delete a secret, bring it back or destroy it."""

import click

from holdfast.cli import inputs, output, views
from holdfast.cli.grammar import Change
from holdfast.cli.session import with_service
from holdfast.domain.names import canonical_name


@click.command(cls=Change)
@click.argument("name")
def delete(name: str) -> None:
    """Delete a secret; it can be recovered until the retention ends."""
    gone = with_service(lambda service, caller: service.delete_secret(name, context=caller))
    until = output.moment(gone.scheduled_purge_at)
    output.say(
        f"{gone.name} is deleted{views.pending(replicated=gone.replicated)}. "
        f"`holdfast recover {gone.name}` brings it back until {until}."
    )
    if output.wants_json():
        output.write_document(views.deleted_document(gone))


@click.command(cls=Change)
@click.argument("name")
def recover(name: str) -> None:
    """Bring a deleted secret back."""
    back = with_service(lambda service, caller: service.recover_secret(name, context=caller))
    output.say(f"{back.name} is back, at version {back.version}.")
    if output.wants_json():
        output.write_document(views.version_document(back))


@click.command(cls=Change)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def purge(name: str, yes: bool) -> None:
    """Destroy a deleted secret, all its versions and grants, for good."""
    canonical = canonical_name(name)
    if not yes and not inputs.confirmed(f"This cannot be undone. Type {canonical} to purge it:", canonical):
        raise click.UsageError("That was not the name: nothing is purged. --yes skips the question.")
    with_service(lambda service, caller: service.purge_secret(name, context=caller))
    output.say(f"{canonical} is purged.")
    if output.wants_json():
        output.write_document({"name": canonical, "purged": True})
