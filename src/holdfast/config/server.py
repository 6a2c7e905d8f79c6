"""What `serve` listens on, and how much it takes."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from holdfast.config import parsing
from holdfast.config.environment import variable


@dataclass(frozen=True, kw_only=True, repr=False)
class ServerSettings:
    """What `serve` listens on, and how much it takes."""

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
    azure_names: bool = field(
        default=False,
        metadata=variable(
            "HOLDFAST_AZURE_NAMES",
            "Whether `HOLDFAST_RESOURCE` may be Azure's own `https://vault.azure.net`, which DNS of yours leads here.",
            parsing.boolean,
            default="false",
        ),
    )
    tenant_name: str | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_TENANT",
            "What clients call the tenant in URLs. With `adfs` they do not look the server up at Microsoft.",
            parsing.choice("adfs"),
            default="the installation's own GUID",
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
    max_connections: int = field(
        default=6_000,
        metadata=variable(
            "HOLDFAST_MAX_CONNECTIONS",
            "Connections that a worker keeps open at a time: 64 to 100000.",
            parsing.number(64, 100_000),
            default="6000",
        ),
    )
    max_handshakes: int = field(
        default=256,
        metadata=variable(
            "HOLDFAST_MAX_HANDSHAKES",
            "TLS handshakes that a worker has in progress at a time: 8 to 10000.",
            parsing.number(8, 10_000),
            default="256",
        ),
    )
    max_requests: int = field(
        default=256,
        metadata=variable(
            "HOLDFAST_MAX_REQUESTS",
            "Requests that a worker answers at a time, half of them for one identity at most: 8 to 10000.",
            parsing.number(8, 10_000),
            default="256",
        ),
    )
    body_memory: int = field(
        default=96,
        metadata=variable(
            "HOLDFAST_BODY_MEMORY",
            "MiB of bodies and long answers that a worker holds at a time, half for one identity at most: 64 to 10000.",
            parsing.number(64, 10_000),
            default="96",
        ),
    )
