"""Through which proxy Key Vault and its token endpoint are reached."""

from dataclasses import dataclass, field

from holdfast.config import parsing
from holdfast.config.environment import variable
from holdfast.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, repr=False)
class ProxySettings:
    """Through which proxy Key Vault and its token endpoint are reached."""

    keyvault_proxy: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_KEYVAULT_PROXY",
            "The proxy to Key Vault and its token endpoint: http://[user:password@]host:port, or none.",
            parsing.proxy,
            default="HTTPS_PROXY",
            secret=True,
        ),
    )
    https_proxy: str | None = field(
        default=None,
        metadata=variable(
            "HTTPS_PROXY",
            "That proxy where HOLDFAST_KEYVAULT_PROXY is not given.",
            parsing.anything,
            secret=True,
            shared=True,
        ),
    )
    no_proxy: str = field(
        default="",
        metadata=variable(
            "NO_PROXY",
            "Hosts, domains, networks (10.0.0.0/8) and host:port that are reached without the proxy, comma-separated.",
            parsing.anything,
            shared=True,
        ),
    )

    @property
    def proxy(self) -> str | None:
        """The address of the proxy, with its credentials; None: there is none.

        Raises:
            ConfigurationError: HTTPS_PROXY names none that can be used.
        """
        chosen = self.keyvault_proxy or self.https_proxy
        try:
            parsed = parsing.proxy(chosen) if chosen else "none"
        except ValueError as fault:
            raise ConfigurationError([f"HTTPS_PROXY {fault} HOLDFAST_KEYVAULT_PROXY overrides it."]) from None
        return None if parsed == "none" else parsed
