"""One command, one service: opened, used by the operator, closed."""

import asyncio
import logging
import os
import pwd
from typing import TYPE_CHECKING, TypeVar

from holdfast.config import Settings
from holdfast.domain.policy import OPERATOR_PREFIX, AuthMethod, Caller

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


def with_service(work: "Callable[[SecretsService, Caller], Awaitable[T]]") -> T:
    """Run ``work`` on a service made from the environment, as the operator."""
    settings = Settings.from_environ()
    logging.basicConfig(level=logging.DEBUG if settings.log_level == "debug" else logging.WARNING)
    return asyncio.run(_with_service(settings, work))


async def _with_service(settings: Settings, work: "Callable[[SecretsService, Caller], Awaitable[T]]") -> T:
    from holdfast.bootstrap import create_secrets_service  # noqa: PLC0415 - see above

    async with create_secrets_service(settings, background=False) as service:
        return await work(service, operator())
