"""The commands that take secrets over from elsewhere."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from holdfast.cli import inputs
from holdfast.cli.child import inherited
from holdfast.cli.grammar import Change, Group
from holdfast.cli.moving import carry_over, check_address, importing
from holdfast.cli.session import server
from holdfast.config import Settings, SourceSettings
from holdfast.errors import ConfigurationError, InvalidInput

if TYPE_CHECKING:  # takes long to import
    from collections.abc import AsyncIterator

    from holdfast.importing.items import Item

_FORMATS: Final = ("dotenv", "json", "yaml")
_FIELDS: Final = ("split", "json")

_fields = click.option(
    "--fields",
    type=inputs.one_of(*_FIELDS),
    default="split",
    metavar="|".join(_FIELDS),
    help="Of what has several: a secret for each, or one with all as JSON [split].",
)
_allow_empty = click.option("--allow-empty", is_flag=True, help="Take empty values for what they are.")


@click.group("import", cls=Group)
def import_() -> None:
    """Take secrets over from files, the environment, another Key Vault or a KV engine.

    Everything is read and compared first; what is here with another value stops the import before anything is
    written. What was interrupted goes on when the same command is run again.
    """


@import_.command(cls=Change)
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--format", "form", type=inputs.one_of(*_FORMATS), metavar="|".join(_FORMATS), help="Without it, the name says so."
)
@_fields
@_allow_empty
@importing
def file(*, path: Path, form: str | None, fields: str, allow_empty: bool, **given: Any) -> None:
    """Take over a .env, JSON or YAML file."""
    from holdfast.importing.files import Format, read_file  # noqa: PLC0415 - takes long to import
    from holdfast.importing.trees import Fields  # noqa: PLC0415

    items = read_file(path, Format(form) if form else None, Fields(fields), allow_empty=allow_empty)
    carry_over(lambda: _each(items), f"file {path.resolve()}", given)


@import_.command("env", cls=Change)
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_allow_empty
@importing
def environment(*, names: tuple[str, ...], allow_empty: bool, **given: Any) -> None:
    """Take over variables of this environment, by name or by a glob such as 'APP_*'.

    A glob does not cover what Holdfast itself is set up with.
    """
    from holdfast.importing.environment import read_environment  # noqa: PLC0415 - takes long to import
    from holdfast.importing.items import limited  # noqa: PLC0415

    environ = inherited(os.environ, kept=names)
    items = limited(read_environment(environ, names, allow_empty=allow_empty))
    carry_over(lambda: _each(items), f"environment {' '.join(sorted(names))}", given)


@import_.command(cls=Change)
@click.argument("address", metavar="URL")
@click.option("--all-versions", is_flag=True, help="Every version that is enabled, oldest first, not just the newest.")
@importing
def keyvault(*, address: str, all_versions: bool, **given: Any) -> None:
    """Take over another Key Vault, with tags, content types and dates.

    It is read as HOLDFAST_SOURCE_TENANT_ID, HOLDFAST_SOURCE_CLIENT_ID and HOLDFAST_SOURCE_CLIENT_SECRET say, else as
    the node's own identity: AZURE_TENANT_ID and so on. On a desk, HOLDFAST_AZURE_IDENTITY=developer takes `az login`.
    """
    url, source = check_address(address), SourceSettings.from_environ()
    if server().address is None and url == Settings.from_environ().vault_url:
        raise InvalidInput("That is the vault behind this Holdfast: `holdfast sync` takes over what is in it.")

    async def gather() -> "AsyncIterator[Item]":
        from holdfast.importing.keyvault import KeyVaultSource, open_source  # noqa: PLC0415 - takes long to import
        from holdfast.resilience.clock import SystemClock  # noqa: PLC0415

        async with open_source(url, source) as vault:
            async for item in KeyVaultSource(vault, url, SystemClock(), all_versions=all_versions).items():
                yield item

    carry_over(gather, f"keyvault {url}", given)


@import_.command(cls=Change)
@click.argument("address", metavar="URL")
@click.option("--mount", default="secret", metavar="PATH", help="Where the engine is mounted [secret].")
@click.option("--path", default="", metavar="PATH", help="Just what is below it.")
@click.option("--namespace", metavar="NAME", help="The namespace it is in.")
@_fields
@importing
def kv(*, address: str, mount: str, path: str, namespace: str | None, fields: str, **given: Any) -> None:
    """Take over a KV version 2 engine of Vault or OpenBao.

    The token is HOLDFAST_SOURCE_TOKEN, else VAULT_TOKEN or BAO_TOKEN. HOLDFAST_SOURCE_CA names a private CA.
    """
    url, source = check_address(address), SourceSettings.from_environ()
    if source.token is None:
        raise ConfigurationError(["HOLDFAST_SOURCE_TOKEN is missing: give a token that may read and list there"])
    token = source.token

    async def gather() -> "AsyncIterator[Item]":
        from holdfast.importing.kv import KvSource, open_kv  # noqa: PLC0415 - takes long to import
        from holdfast.importing.trees import Fields  # noqa: PLC0415
        from holdfast.resilience.clock import SystemClock  # noqa: PLC0415

        async with open_kv(token, namespace, source.ca_file) as session:
            wanted = KvSource(session, url, mount, SystemClock(), path=path, fields=Fields(fields))
            async for item in wanted.items():
                yield item

    carry_over(gather, f"kv {url} {namespace or ''} {mount} {path} {fields}", given)


async def _each(items: "list[Item]") -> "AsyncIterator[Item]":
    for item in items:
        yield item
