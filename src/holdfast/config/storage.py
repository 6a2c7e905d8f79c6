"""Where secrets are kept, under which keys, and what is kept of them."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from holdfast.config import parsing
from holdfast.config.environment import default_data_dir, variable
from holdfast.config.passwordless import ENTRA, PASSWORD


@dataclass(frozen=True, kw_only=True, repr=False)
class StorageSettings:
    """Where secrets are kept, under which keys, and what is kept of them."""

    database_url: str | None = field(
        default=None,
        metadata=variable(
            "DATABASE_URL",
            "PostgreSQL 14 or newer. Without it, Holdfast runs its own in the data folder.",
            parsing.database_url,
            secret=True,
        ),
    )
    database_login: str = field(
        default=PASSWORD,
        metadata=variable(
            "HOLDFAST_DATABASE_LOGIN",
            "How to log in at DATABASE_URL: `password`, or `entra`, a token of the node's own identity in Azure.",
            parsing.choice(PASSWORD, ENTRA),
            default=PASSWORD,
        ),
    )
    encryption_key: str | None = field(
        default=None,
        metadata=variable(
            "FALLBACK_ENCRYPTION_KEY",
            "32 random bytes in base64 that encrypt what is stored. With DATABASE_URL, this or a key file is required.",
            parsing.key,
            default="made in the data folder",
            secret=True,
        ),
    )
    decryption_keys: tuple[str, ...] = field(
        default=(),
        metadata=variable(
            "HOLDFAST_DECRYPTION_KEYS",
            "Further keys, comma-separated: former ones, and one that `holdfast keys activate` is to find.",
            parsing.keys,
            secret=True,
        ),
    )
    encryption_key_file: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_ENCRYPTION_KEY_FILE",
            "A file of such keys, a line each, that no one else may read. `holdfast keys add` makes it.",
            parsing.key_file,
        ),
    )
    unwrapping_key_file: Path | None = field(
        default=None,
        metadata=variable(
            "HOLDFAST_UNWRAPPING_KEY_FILE",
            "A file with the local key that opens wrapped keys while Key Vault is down.",
            parsing.file,
        ),
    )
    credentials_dir: Path | None = field(
        default=None,
        metadata=variable(
            "CREDENTIALS_DIRECTORY",
            "Set by systemd: its credential holdfast.keys is such a file.",
            parsing.folder,
        ),
    )
    redis_url: str | None = field(
        default=None,
        metadata=variable("REDIS_URL", "A shared cache; only ever a help to speed.", parsing.redis_url, secret=True),
    )
    redis_login: str = field(
        default=PASSWORD,
        metadata=variable(
            "HOLDFAST_REDIS_LOGIN",
            "How to log in at REDIS_URL, likewise. The user is the identity's object id, unless REDIS_URL has one.",
            parsing.choice(PASSWORD, ENTRA),
            default=PASSWORD,
        ),
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
    data_dir: Path = field(
        default_factory=default_data_dir,
        metadata=variable(
            "HOLDFAST_DATA_DIR",
            "The folder for keys, certificates and the embedded PostgreSQL.",
            parsing.folder,
            default="~/.local/share/holdfast; as root /var/lib/holdfast",
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
    purge_protection: bool = field(
        default=False,
        metadata=variable(
            "HOLDFAST_PURGE_PROTECTION",
            "Refuse every purge before the retention has passed.",
            parsing.boolean,
            default="false",
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

    @property
    def store(self) -> str:
        """Where the installation is, in words and without credentials."""
        if self.database_url is None:
            return f"the installation in {self.data_dir}"
        url = urlsplit(self.database_url)
        return f"the installation in the database {url.netloc.rpartition('@')[2]}{url.path}"
