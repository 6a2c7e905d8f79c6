"""All settings of a node, gathered from their groups."""

import os
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, fields
from typing import Any, Final, Self

from holdfast.config.access import AccessSettings
from holdfast.config.audit import AuditSettings
from holdfast.config.azure import AzureSettings, identity_faults
from holdfast.config.azure_names import resource_faults
from holdfast.config.client import client_variables
from holdfast.config.environment import Variable, contradictions, default_data_dir, parse, unknown
from holdfast.config.notices import NoticeSettings
from holdfast.config.observability import ObservabilitySettings
from holdfast.config.passwordless import PASSWORD, login_faults
from holdfast.config.proxy import ProxySettings
from holdfast.config.rotation import RotationSettings
from holdfast.config.server import ServerSettings
from holdfast.config.source import source_variables
from holdfast.config.storage import StorageSettings
from holdfast.config.vault import VaultSettings
from holdfast.errors import ConfigurationError

_MASK: Final = "*****"


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings(  # dataclasses order the fields of the last base first
    ObservabilitySettings,
    AuditSettings,
    NoticeSettings,
    AccessSettings,
    ServerSettings,
    RotationSettings,
    StorageSettings,
    ProxySettings,
    AzureSettings,
    VaultSettings,
):
    """What a node runs with. ``Settings.from_environ()`` reads it; ``repr`` hides what is secret.

    Raises ConfigurationError when settings contradict each other.
    """

    def __post_init__(self) -> None:
        given = {each.name for name, each in settings_variables() if getattr(self, name) is not None}
        if faults := list(contradicting(given, vars(self))):
            raise ConfigurationError(faults)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that an environment gives, by default the process's own.

        Raises:
            ConfigurationError: with every fault there is, without any value.
        """
        environ = os.environ if environ is None else environ
        values, faults = parse(dict(settings_variables()), environ)
        faults += contradicting(environ.keys(), values)
        faults += unknown({each.name for each in (*variables(), *client_variables(), *source_variables())}, environ)
        if faults:
            raise ConfigurationError(faults)
        return cls(**{"data_dir": default_data_dir(environ), **values})

    def __repr__(self) -> str:
        shown = (f"{name}={self._shown(name, variable)}" for name, variable in settings_variables())
        return f"Settings({', '.join(shown)})"

    def _shown(self, name: str, variable: Variable) -> str:
        value = getattr(self, name)
        return _MASK if variable.secret and value else repr(value)


def contradicting(given: Set[str], values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a combination of variables. ``values``: of those that are well by themselves."""
    yield from contradictions(given)
    yield from identity_faults(given, values)
    yield from resource_faults(values.get("resource"), values.get("azure_names", False))
    database, redis = (values.get(f"{each}_login", PASSWORD) for each in ("database", "redis"))
    yield from login_faults(values.get("database_url"), database, values.get("redis_url"), redis)


def variables() -> tuple[Variable, ...]:
    """Every variable Holdfast reads, in the order of the settings."""
    return tuple(variable for _, variable in settings_variables())


def settings_variables() -> Iterator[tuple[str, Variable]]:
    """Return the same, each with the setting it gives."""
    return ((each.name, each.metadata["variable"]) for each in fields(Settings))
