"""As whom an import reads the store that secrets come from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final, Self

from holdfast.config import parsing
from holdfast.config.environment import Variable, home, parse, variable
from holdfast.config.proxy import ProxySettings
from holdfast.errors import ConfigurationError

_AZURE: Final = {
    "tenant_id": "AZURE_TENANT_ID",
    "client_id": "AZURE_CLIENT_ID",
    "client_secret": "AZURE_CLIENT_SECRET",
    "authority_host": "AZURE_AUTHORITY_HOST",
}
_TOKENS: Final = ("VAULT_TOKEN", "BAO_TOKEN")


@dataclass(frozen=True, kw_only=True, repr=False)
class SourceSettings(ProxySettings):
    """Proof of identity for the store that secrets are imported from."""

    tenant_id: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SOURCE_TENANT_ID", "The tenant of the identity that reads the other key vault.", parsing.text
        ),
    )
    client_id: str | None = field(
        default=None, metadata=variable("HOLDFAST_SOURCE_CLIENT_ID", "That identity.", parsing.text)
    )
    client_secret: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SOURCE_CLIENT_SECRET",
            "Its secret. Without these three, AZURE_TENANT_ID and so on are used.",
            parsing.text,
            secret=True,
        ),
    )
    authority_host: str | None = field(
        default=None,
        metadata=variable("HOLDFAST_SOURCE_AUTHORITY_HOST", "Where its tokens are issued.", parsing.authority),
    )
    token: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SOURCE_TOKEN",
            "The token for a KV engine. Without it, VAULT_TOKEN or BAO_TOKEN is used.",
            parsing.text,
            secret=True,
        ),
    )
    ca_file: Path | None = field(
        default=None,
        metadata=variable("HOLDFAST_SOURCE_CA", "PEM file of the CA to trust for either.", parsing.file),
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that an environment gives.

        Raises:
            ConfigurationError: with every fault there is, without any value.
        """
        environ = os.environ if environ is None else environ
        expected: dict[str, Variable] = {each.name: each.metadata["variable"] for each in fields(cls)}
        values, faults = parse(expected, environ)
        if not values.keys() & _AZURE.keys():
            values |= {key: environ[name] for key, name in _AZURE.items() if environ.get(name)}
        if "token" not in values and (given := [environ[name] for name in _TOKENS if environ.get(name)]):
            values["token"] = given[0]
        if faults:
            raise ConfigurationError(faults)
        return cls(**values)

    def __repr__(self) -> str:
        return f"SourceSettings(tenant_id={self.tenant_id!r}, client_id={self.client_id!r})"


def source_variables() -> tuple[Variable, ...]:
    """The variables that imports read beside those of a node."""
    return tuple(each.metadata["variable"] for each in fields(SourceSettings))


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the command line keeps what it must remember between two runs, after the XDG base directories."""
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else home(environ) / ".local" / "state") / "holdfast"
