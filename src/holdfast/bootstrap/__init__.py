"""The composition root: from settings to a service. The only place that names concrete adapters."""

from typing import Any, Final

from holdfast.config import Settings
from holdfast.errors import StartupError
from holdfast.resilience.events import Event, Log
from holdfast.resilience.windows import WINDOWS
from holdfast.service.manager import SecretsService
from holdfast.telemetry.cells import Cells

try:
    from holdfast.bootstrap.node import Node
    from holdfast.bootstrap.storage import is_installed, require_installation
except ModuleNotFoundError as error:
    if not WINDOWS:
        raise
    raise StartupError(
        "A node needs Linux or macOS. Here are the client and the command line: let HOLDFAST_ADDR name a server."
    ) from error

_log: Final = Log(__name__)


def create_secrets_service(
    settings: Settings | None = None, *, pool: Any = None, background: bool = True, cells: Cells | None = None
) -> SecretsService:
    """Return a service, not yet connected: ``await service.initialize()``, or ``async with``.

    Args:
        settings: what to run with; by default read from the environment.
        pool: an asyncpg pool that the application already has; it stays the application's to close. At least three
            connections: one of them listens all the time.
        background: whether to replay, mirror and tidy up beside serving; False suits a short-lived command.
        cells: where to count, if other processes count there too.

    Raises:
        ConfigurationError: the settings are unusable; every fault is named.
    """
    asked = settings is None
    settings = settings or Settings.from_environ()
    if asked and pool is None and not is_installed(settings):
        _log(Event.INSTALLATION_MADE, folder=settings.data_dir)
    node = Node(settings, pool=pool, background=background, cells=cells)
    return SecretsService(node.start)


__all__ = ["Node", "create_secrets_service", "require_installation"]
