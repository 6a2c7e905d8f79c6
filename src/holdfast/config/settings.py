"""Every setting: its meaning, its default, its limits."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Final, Self

from holdfast.config import parsing
from holdfast.config.client import client_variables
from holdfast.config.environment import Variable, contradictions, default_data_dir, parse, unknown, variable
from holdfast.errors import ConfigurationError

_MASK: Final = "*****"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Settings:
    """What a node runs with. ``Settings.from_environ()`` reads it; ``repr`` hides what is secret.

    Raises ConfigurationError when settings contradict each other.
    """

    keyvault_name: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_KEYVAULT_NAME", "The key vault, by name. Without a vault, Holdfast stands alone.", parsing.vault_name
        ),
    )
    keyvault_url: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_KEYVAULT_URL", "The key vault, by address (another cloud, a Holdfast server).", parsing.origin
        ),
    )
    keyvault_ca: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_KEYVAULT_CA",
            "PEM file of further CAs to trust for the vault and its token endpoint.",
            parsing.file,
        ),
    )
    tenant_id: str | None = field(
        default=None, metadata=variable("AZURE_TENANT_ID", "The tenant of the service principal.", parsing.text)
    )
    client_id: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_CLIENT_ID", "The service principal, or a user-assigned managed identity.", parsing.text
        ),
    )
    client_secret: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_CLIENT_SECRET",
            "The service principal's secret; without it, a managed identity is used.",
            parsing.text,
            secret=True,
        ),
    )
    authority_host: str | None = field(
        default=None,
        metadata=variable(
            "AZURE_AUTHORITY_HOST",
            "Where tokens for the vault are issued.",
            parsing.authority,
            default="Azure's public cloud",
        ),
    )
    database_url: str | None = field(
        default=None,
        metadata=variable(
            "DATABASE_URL",
            "PostgreSQL 14 or newer. Without it, Holdfast runs its own in the data folder.",
            parsing.database_url,
            secret=True,
        ),
    )
    encryption_key: str | None = field(
        default=None,
        metadata=variable(
            "FALLBACK_ENCRYPTION_KEY",
            "32 random bytes in base64 that encrypt what is stored. Required with DATABASE_URL.",
            parsing.key,
            default="made in the data folder",
            secret=True,
        ),
    )
    decryption_keys: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_DECRYPTION_KEYS",
            "Former keys, comma-separated: they still decrypt, and encrypt nothing new.",
            parsing.keys,
            secret=True,
        ),
    )
    redis_url: str | None = field(
        default=None,
        metadata=variable("REDIS_URL", "A shared cache; only ever a help to speed.", parsing.redis_url, secret=True),
    )
    cache_ttl: timedelta = field(
        default=timedelta(seconds=60),
        metadata=variable(
            "SECRET_CACHE_TTL",
            "Seconds that a cached answer is fresh: 1 to 3600.",
            parsing.seconds(1, 3600),
            default="60",
        ),
    )
    cache_entries: int = field(
        default=10_000,
        metadata=variable(
            "HOLDFAST_CACHE_ENTRIES",
            "Answers kept in memory at most: 1 to 1000000.",
            parsing.number(1, 1_000_000),
            default="10000",
        ),
    )
    rotation_check_interval: timedelta = field(
        default=timedelta(hours=1),
        metadata=variable(
            "SECRET_ROTATION_CHECK_INTERVAL",
            "Seconds between looks for due rotations: 1 to 604800.",
            parsing.seconds(1, 604_800),
            default="3600",
        ),
    )
    adoption_window: timedelta = field(
        default=timedelta(days=7),
        metadata=variable(
            "HOLDFAST_ADOPTION_WINDOW",
            "Seconds back in which who fetched a secret still counts as using it when it is rotated: 1 to 7776000.",
            parsing.seconds(1, 7_776_000),
            default="604800",
        ),
    )
    webhook_targets: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_WEBHOOK_TARGETS",
            "Origins that rotations may call although they are private or not https on port 443, comma-separated.",
            parsing.targets,
        ),
    )
    data_dir: Path = field(
        default_factory=default_data_dir,
        metadata=variable(
            "HOLDFAST_DATA_DIR",
            "The folder for keys, certificates and the embedded PostgreSQL.",
            parsing.folder,
            default="~/.local/share/holdfast; as root /var/lib/holdfast",
        ),
    )
    host: str = field(
        default="127.0.0.1",
        metadata=variable("HOLDFAST_HOST", "The address that `serve` listens on.", parsing.host, default="127.0.0.1"),
    )
    port: int = field(
        default=8200,
        metadata=variable(
            "HOLDFAST_PORT", "The port that `serve` listens on; 0 picks one.", parsing.number(0, 65535), default="8200"
        ),
    )
    drain: timedelta = field(
        default=timedelta(seconds=2),
        metadata=variable(
            "HOLDFAST_DRAIN",
            "Seconds that a server told to stop (SIGTERM) still answers, while /readyz says 503: 0 to 300.",
            parsing.seconds(0, 300),
            default="2",
        ),
    )
    tls_cert: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_TLS_CERT",
            "PEM file of the server's certificate chain.",
            parsing.file,
            default="made by a private CA",
        ),
    )
    tls_key: Path | None = field(
        default=None, metadata=variable("HOLDFAST_TLS_KEY", "PEM file of that certificate's key.", parsing.file)
    )
    tls_hosts: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_TLS_HOSTS",
            "Further host names and addresses, comma-separated, for the certificate that the private CA makes.",
            parsing.hosts,
        ),
    )
    resource: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_RESOURCE",
            "The audience that tokens for this server must have, as https://host[:port].",
            parsing.origin,
            default="the server's own address",
        ),
    )
    rate_limit: int = field(
        default=5_000,
        metadata=variable(
            "HOLDFAST_RATE_LIMIT",
            "Requests per second that a server takes from one identity in the long run: 1 to 1000000.",
            parsing.number(1, 1_000_000),
            default="5000",
        ),
    )
    rate_burst: int = field(
        default=10_000,
        metadata=variable(
            "HOLDFAST_RATE_BURST",
            "Requests that it takes from one identity at once: 1 to 1000000.",
            parsing.number(1, 1_000_000),
            default="10000",
        ),
    )
    oidc_issuers: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_OIDC_ISSUERS",
            "TOML file of the OpenID Connect issuers whose tokens are taken.",
            parsing.file,
        ),
    )
    read_patience: timedelta = field(
        default=timedelta(milliseconds=750),
        metadata=variable(
            "HOLDFAST_READ_PATIENCE_MS",
            "Milliseconds that a read waits for Key Vault before the mirror answers: 10 to 30000.",
            parsing.milliseconds(10, 30_000),
            default="750",
        ),
    )
    grant_lease: timedelta = field(
        default=timedelta(seconds=30),
        metadata=variable(
            "HOLDFAST_GRANT_LEASE",
            "Seconds that the last known grants hold while PostgreSQL is out of reach: 1 to 3600.",
            parsing.seconds(1, 3600),
            default="30",
        ),
    )
    grant_leases: tuple[tuple[str, timedelta], ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_GRANT_LEASES",
            "Other leases for some secrets, in seconds: payments-*=5,public-*=900. The most specific pattern counts.",
            parsing.leases(1, 3600),
        ),
    )
    sync_interval: timedelta = field(
        default=timedelta(minutes=5),
        metadata=variable(
            "HOLDFAST_SYNC_INTERVAL",
            "Seconds between comparisons of the mirror with the whole vault: 1 to 86400.",
            parsing.seconds(1, 86_400),
            default="300",
        ),
    )
    retention_days: int = field(
        default=90,
        metadata=variable(
            "HOLDFAST_RETENTION_DAYS",
            "Days for which a deleted secret can be recovered: 7 to 90.",
            parsing.number(7, 90, " of days"),
            default="90",
        ),
    )
    audit_streams: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_AUDIT_STREAMS",
            "Where audit records are sent to, comma-separated: file:/path, stdout, syslog://host:port (UDP), "
            "syslog+tcp://host:port, syslog+unix:/path, or the https:// address of a webhook.",
            parsing.places,
            secret=True,
        ),
    )
    audit_checkpoints: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_AUDIT_CHECKPOINTS",
            "Where signed checkpoints of the audit trail are sent to, likewise. Choose a place outside the database.",
            parsing.places,
            secret=True,
        ),
    )
    audit_retention: timedelta | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_AUDIT_RETENTION",
            "Days for which audit records are kept at least: 30 to 36500. Whole months are dropped after that.",
            parsing.days(30, 36_500),
            default="for ever",
        ),
    )
    refuse_outside_validity: bool = field(
        default=False,
        metadata=variable(
            "HOLDFAST_REFUSE_OUTSIDE_VALIDITY",
            "Refuse reads of expired and not yet valid secrets; Key Vault serves them.",
            parsing.boolean,
            default="false",
        ),
    )
    purge_protection: bool = field(
        default=False,
        metadata=variable(
            "HOLDFAST_PURGE_PROTECTION",
            "Refuse every purge before the retention has passed.",
            parsing.boolean,
            default="false",
        ),
    )
    metrics_token: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_METRICS_TOKEN",
            "What Prometheus proves itself with at /metrics: 32 to 256 characters. Without it there is no /metrics.",
            parsing.scrape_token,
            secret=True,
        ),
    )
    log_level: str = field(
        default="info",
        metadata=variable(
            "HOLDFAST_LOG_LEVEL",
            "debug, info, warning or error.",
            parsing.choice("debug", "info", "warning", "error"),
            default="info",
        ),
    )

    def __post_init__(self) -> None:
        given = {each.name for name, each in _variables() if getattr(self, name) is not None}
        faults = list(contradictions(given))
        if faults:
            raise ConfigurationError(faults)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Return the settings that an environment gives, by default the process's own.

        Raises:
            ConfigurationError: with every fault there is, without any value.
        """
        environ = os.environ if environ is None else environ
        values, faults = parse(dict(_variables()), environ)
        faults += contradictions(environ.keys())
        faults += unknown({each.name for each in (*variables(), *client_variables())}, environ)
        if faults:
            raise ConfigurationError(faults)
        return cls(**{"data_dir": default_data_dir(environ), **values})

    @property
    def vault_url(self) -> str | None:
        """The vault's address without a trailing slash, or None: standalone."""
        if self.keyvault_name is not None:
            return f"https://{self.keyvault_name}.vault.azure.net"
        return self.keyvault_url

    def __repr__(self) -> str:
        shown = (f"{name}={self._shown(name, variable)}" for name, variable in _variables())
        return f"Settings({', '.join(shown)})"

    def _shown(self, name: str, variable: Variable) -> str:
        value = getattr(self, name)
        return _MASK if variable.secret and value else repr(value)


def variables() -> tuple[Variable, ...]:
    """Every variable Holdfast reads, in the order of the settings."""
    return tuple(variable for _, variable in _variables())


def _variables() -> Iterator[tuple[str, Variable]]:
    return ((each.name, each.metadata["variable"]) for each in fields(Settings))
