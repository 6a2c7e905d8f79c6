"""As whom one goes to a key vault, and on which way."""

from dataclasses import dataclass, field
from pathlib import Path

from holdfast.config.azure import AzureSettings
from holdfast.config.vault import DEFAULT_API_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """As whom one goes to a key vault, and on which way.

    ``login``: the identity, and the host of its token endpoint. ``ca_file``: trusted besides the system's certificate
    authorities. ``proxy``: the address of an HTTP proxy with its credentials; ``no_proxy``: what is reached without it.
    ``api_version``: of Key Vault's REST API. The time-outs are seconds per connection, per silence of the server and
    per whole answer, so that one that drips ends as well: the last resort behind the caller's own.
    """

    login: AzureSettings = field(default_factory=AzureSettings, repr=False)
    ca_file: Path | None = None
    proxy: str | None = field(default=None, repr=False)
    no_proxy: str = ""
    api_version: str = DEFAULT_API_VERSION
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    answer_timeout_s: float = 60.0
