"""One command, one service: opened, used by the operator, closed."""

import asyncio
import os
import pwd
from typing import TYPE_CHECKING, TypeVar, cast

from holdfast.config import ClientSettings, Settings, own
from holdfast.domain.policy import OPERATOR_PREFIX, AuthMethod, Caller
from holdfast.errors import ConfigurationError
from holdfast.telemetry.logs import install_logs

if TYPE_CHECKING:  # importing the service takes most of a second, which `--help` does not have to spend
    from collections.abc import Awaitable, Callable

    from holdfast.service.manager import SecretsService

T = TypeVar("T")


def operator() -> Caller:
    """The person at this machine, by unix login: whoever may read the data folder or knows the database is trusted."""
    try:
        login = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run us under a number that has no entry
        login = str(os.getuid())
    identity = f"{OPERATOR_PREFIX}{login}"
    return Caller(identity, is_system=True, user_agent="holdfast command line", method=AuthMethod.SYSTEM)


def with_service(work: "Callable[[SecretsService, Caller], Awaitable[T]]", *, any_clock: bool = False) -> T:
    """Run ``work`` on the server that the environment names, or else in process, as the operator.

    ``any_clock``: in process although PostgreSQL's clock is not believed.
    """
    client = ClientSettings.from_environ()
    remote = client.address is not None
    # Beside a server, DATABASE_URL and the like are somebody else's: no fault in them is ours.
    settings = Settings.from_environ(own() if remote else None)
    install_logs("debug" if settings.log_level == "debug" else "warning", settings.log_format)
    if remote:
        return asyncio.run(_with_server(client, work))
    return asyncio.run(_with_service(settings, work, any_clock=any_clock))


def with_local_service(work: "Callable[[SecretsService, Caller], Awaitable[T]]") -> T:
    """Run ``work`` in process: it is for this machine alone.

    Raises:
        ConfigurationError: the environment names a server.
    """
    return on_this_machine(lambda _: with_service(work))


def on_this_machine(work: "Callable[[Settings], T]") -> T:
    """Run ``work``, which needs no running service, on the settings of this machine.

    Raises:
        ConfigurationError: the environment names a server.
    """
    if ClientSettings.from_environ().address is not None:
        raise ConfigurationError(["HOLDFAST_ADDR is set, and this command works on this machine only: unset it"])
    return work(Settings.from_environ())


async def _with_server(client: ClientSettings, work: "Callable[[SecretsService, Caller], Awaitable[T]]") -> T:
    from holdfast.client.service import connect  # noqa: PLC0415 - see above

    async with connect(client) as service:
        return await work(cast("SecretsService", service), operator())  # it has the same methods


async def _with_service(
    settings: Settings, work: "Callable[[SecretsService, Caller], Awaitable[T]]", *, any_clock: bool
) -> T:
    from holdfast.bootstrap import Node  # noqa: PLC0415 - see above
    from holdfast.service.manager import SecretsService  # noqa: PLC0415

    async with SecretsService(Node(settings, background=False, any_clock=any_clock).start) as service:
        return await work(service, operator())
