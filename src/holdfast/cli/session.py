"""One command, one service: opened, used by the operator, closed."""

import asyncio
from typing import TYPE_CHECKING, Final, TypeVar, cast

import click

from holdfast.config import ClientSettings, Settings, own
from holdfast.config.environment import login
from holdfast.domain.policy import OPERATOR_PREFIX, AuthMethod, Caller
from holdfast.errors import ConfigurationError
from holdfast.telemetry.logs import install_logs

if TYPE_CHECKING:  # importing the service takes most of a second, which `--help` does not have to spend
    from collections.abc import Awaitable, Callable

    from holdfast.service.manager import SecretsService

T = TypeVar("T")

CONTEXT: Final = "holdfast.context"
"""Where click keeps what ``--context`` named, for the whole command."""

CREATE: Final = "holdfast.create"
"""The same of ``--create``."""

_PLACE: Final = "holdfast.place"


def operator() -> Caller:
    """The person at this machine, by unix login: whoever may read the data folder or knows the database is trusted."""
    identity = f"{OPERATOR_PREFIX}{login()}"
    return Caller(identity, is_system=True, user_agent="holdfast command line", method=AuthMethod.SYSTEM)


def server() -> ClientSettings:
    """The server that this command talks to; without an address, it works on this machine.

    Raises:
        ConfigurationError: with every fault there is.
    """
    return ClientSettings.of_command(_said(CONTEXT))


def with_service(work: "Callable[[SecretsService, Caller], Awaitable[T]]", *, any_clock: bool = False) -> T:
    """Run ``work`` on the server of this command, or else in process, as the operator.

    ``any_clock``: in process although PostgreSQL's clock is not believed.

    Raises:
        ConfigurationError: there is neither a server nor an installation.
    """
    client = server()
    if client.address is None:
        return _in_process(Settings.from_environ(), work, any_clock=any_clock)
    # Next to a server, DATABASE_URL and the like are someone else's: no fault in them is ours.
    settings = Settings.from_environ(own())
    install_logs("debug" if settings.log_level == "debug" else "warning", settings.log_format)
    _remember(client.address)
    return asyncio.run(_with_server(client, work))


def with_local_service(work: "Callable[[SecretsService, Caller], Awaitable[T]]", *, making: bool = False) -> T:
    """Run ``work`` in process: it is for this machine alone. ``making``: there need not be an installation yet.

    Raises:
        ConfigurationError: a server is named, or there is no installation.
    """
    return on_this_machine(lambda settings: _in_process(settings, work, making=making))


def on_this_machine(work: "Callable[[Settings], T]") -> T:
    """Run ``work``, which needs no running service, on the settings of this machine.

    Raises:
        ConfigurationError: a server is named.
    """
    named = "--context" if _said(CONTEXT) else "HOLDFAST_ADDR" if ClientSettings.from_environ().address else None
    if named is not None:
        raise ConfigurationError([f"{named} names a server, and this command works on this machine only: leave it out"])
    return work(Settings.from_environ())


def place() -> str | None:
    """Where this command worked, in words; None: it came to no installation."""
    return _said(_PLACE)


def _in_process(
    settings: Settings,
    work: "Callable[[SecretsService, Caller], Awaitable[T]]",
    *,
    any_clock: bool = False,
    making: bool = False,
) -> T:
    from holdfast.bootstrap import require_installation  # noqa: PLC0415 - see above

    making = making or bool(_said(CREATE))
    install_logs("debug" if settings.log_level == "debug" else "warning", settings.log_format)
    if not making:
        require_installation(settings)
    _remember(settings.store)
    return asyncio.run(_with_service(settings, work, any_clock=any_clock, making=making))


def _said(key: str) -> str | None:
    context = click.get_current_context(silent=True)
    return context.meta.get(key) if context is not None else None


def _remember(place: str) -> None:
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_PLACE] = place


async def _with_server(client: ClientSettings, work: "Callable[[SecretsService, Caller], Awaitable[T]]") -> T:
    from holdfast.client.service import connect  # noqa: PLC0415 - see above

    async with connect(client) as service:
        return await work(cast("SecretsService", service), operator())  # it has the same methods


async def _with_service(
    settings: Settings, work: "Callable[[SecretsService, Caller], Awaitable[T]]", *, any_clock: bool, making: bool
) -> T:
    from holdfast.bootstrap import Node  # noqa: PLC0415 - see above
    from holdfast.service.manager import SecretsService  # noqa: PLC0415

    async with SecretsService(Node(settings, background=False, any_clock=any_clock, making=making).start) as service:
        return await work(service, operator())
