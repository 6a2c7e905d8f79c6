"""Commands that list secrets and versions, never with values."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from holdfast.cli import output, views
from holdfast.cli.covering import listed_by
from holdfast.cli.grammar import Command
from holdfast.cli.session import with_service
from holdfast.domain.names import canonical_pattern, matches

if TYPE_CHECKING:
    from holdfast.domain.policy import Caller
    from holdfast.service.manager import SecretsService


@click.command("list", cls=Command)
@click.argument("pattern", required=False, metavar="[NAME|PATTERN]")
@click.option("--deleted", is_flag=True, help="Those that are deleted and can be recovered.")
def list_(pattern: str | None, deleted: bool) -> None:
    """List secrets by name, without their values; with 'payments-*', those that it covers.

    With --json also tags, rotation policy, and whom to tell of an expiry.
    """
    wanted = canonical_pattern(pattern if pattern is not None else "*")

    async def work(service: "SecretsService", caller: "Caller") -> list[Any]:
        page = service.list_deleted_secrets if deleted else service.list_secrets
        return [each async for each in listed_by(page, caller) if matches(wanted, each.name)]

    found = with_service(work)
    document, row, columns = (
        (views.deleted_document, views.deleted_row, views.DELETED_COLUMNS)
        if deleted
        else (views.summary_document, views.summary_row, views.SUMMARY_COLUMNS)
    )
    _show_many(found, document, row, columns)


@click.command(cls=Command)
@click.argument("name")
def versions(name: str) -> None:
    """List the versions of a secret, oldest first."""
    found = with_service(lambda service, caller: service.list_secret_versions(name, context=caller))
    _show_many(found, views.version_document, views.version_row, views.VERSION_COLUMNS)


def _show_many(
    found: list[Any],
    document: Callable[[Any], dict[str, Any]],
    row: Callable[[Any], tuple[object, ...]],
    columns: tuple[str, ...],
) -> None:
    if output.wants_json():
        output.write_document([document(each) for each in found])
    else:
        output.write_table(columns, [row(each) for each in found])
