"""As whom an import reads the store that secrets come from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Self

from holdfast.config import parsing
from holdfast.config.azure import AzureSettings, Identity, identity_faults
from holdfast.config.environment import Variable, home, parse, variable
from holdfast.config.proxy import ProxySettings
from holdfast.errors import ConfigurationError

_AZURE: Final = ("tenant_id", "client_id", "client_secret", "authority_host")
_TOKENS: Final = ("VAULT_TOKEN", "BAO_TOKEN")


@dataclass(frozen=True, kw_only=True, repr=False)
class SourceSettings(ProxySettings):
    """Proof of identity for the store that secrets are imported from."""

    tenant_id: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SOURCE_TENANT_ID", "The tenant of the identity that reads the other key vault.", parsing.tenant
        ),
    )
    client_id: str | None = field(
        default=None, metadata=variable("HOLDFAST_SOURCE_CLIENT_ID", "That identity.", parsing.text)
    )
    client_secret: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_SOURCE_CLIENT_SECRET",
            "Its secret. Without these three, the node's own identity is used (AZURE_TENANT_ID and so on).",
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
        values, faults = parse(_variables(cls), environ)
        if "token" not in values and (tokens := [environ[name] for name in _TOKENS if environ.get(name)]):
            values["token"] = tokens[0]
        if faults:
            raise ConfigurationError(faults)
        return cls(**values)

    def login(self, environ: Mapping[str, str] | None = None) -> AzureSettings:
        """Return as whom another key vault is read: the identity given for that, else the node's own.

        Raises:
            ConfigurationError: the node's own is asked for, and its variables are at fault.
        """
        environ = os.environ if environ is None else environ
        node, faults = parse(_variables(AzureSettings), environ)
        given: dict[str, Any] = {key: found for key in _AZURE if (found := getattr(self, key)) is not None}
        if given:
            on_a_desk = node.get("azure_identity") is Identity.DEVELOPER and self.client_secret is None
            return AzureSettings(azure_identity=Identity.DEVELOPER if on_a_desk else None, **given)
        faults += identity_faults(environ.keys(), node)
        if faults:
            raise ConfigurationError(faults)
        return AzureSettings(**node)

    def __repr__(self) -> str:
        return f"SourceSettings(tenant_id={self.tenant_id!r}, client_id={self.client_id!r})"


def source_variables() -> tuple[Variable, ...]:
    """The variables that imports read beside those of a node."""
    return tuple(_variables(SourceSettings).values())


def _variables(of: type[SourceSettings] | type[AzureSettings]) -> dict[str, Variable]:
    return {each.name: each.metadata["variable"] for each in fields(of)}


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the command line keeps what it must remember between two runs, after the XDG base directories."""
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME", "")
    return (Path(state) if Path(state).is_absolute() else home(environ) / ".local" / "state") / "holdfast"
