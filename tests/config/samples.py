"""A right and a wrong value of every setting that Holdfast reads, with the files that the right ones name."""

import base64
import secrets
from dataclasses import dataclass
from pathlib import Path

from holdfast.crypto.keyring import RingKey, parse_key
from holdfast.crypto.wrapped import WrappedKey, wrap_locally
from tests.support.certificates import make_authority, make_client_certificate

NOWHERE = "127.0.0.1:1"
"""No one listens there."""


@dataclass(frozen=True)
class Sample:
    """``right``: a process starts with it. ``wrong``: it refuses this; None where nothing is refused when it starts."""

    right: str
    wrong: str | None = ""


def new_key() -> str:
    """A key in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def key_id(text: str) -> str:
    """The id of a key in base64."""
    return RingKey(parse_key(text)).id


def node_samples(folder: Path, database_url: str, redis_url: str, keys: list[str]) -> dict[str, Sample]:
    """Of the settings of a node. ``keys``: one for each place that a key can be given in."""
    ca, _ = make_authority(folder, "127.0.0.2")
    server = str(folder / "server.pem")
    primary, former, in_file, in_credential = keys
    (folder / "credentials").mkdir()
    return {
        "AZURE_KEYVAULT_NAME": Sample("fleet-prod", "no_name"),
        "AZURE_KEYVAULT_URL": Sample(f"https://{NOWHERE}", "http://vault.example"),
        "HOLDFAST_KEYVAULT_CA": Sample(str(ca), "/"),
        "HOLDFAST_KEYVAULT_API_VERSION": Sample("2025-07-01", "v7"),
        "HOLDFAST_AZURE_IDENTITY": Sample("certificate", "azure"),
        "AZURE_TENANT_ID": Sample("11111111-2222-3333-4444-555555555555", "a b"),
        "AZURE_CLIENT_ID": Sample("66666666-7777-8888-9999-000000000000", "a b"),
        "AZURE_CLIENT_SECRET": Sample("s3cret", "a b"),
        "HOLDFAST_AZURE_CLIENT_SECRET_FILE": Sample(_file(folder / "secret", "s3cret"), "/nowhere/secret"),
        "AZURE_CLIENT_CERTIFICATE_PATH": Sample(str(make_client_certificate(folder, "pw")), "/nowhere/client.pem"),
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": Sample("pw", "a\tb"),
        "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN": Sample("true", "on"),
        "AZURE_FEDERATED_TOKEN_FILE": Sample(_file(folder / "token", "e30.e30.e30"), "/nowhere/token"),
        "AZURE_AUTHORITY_HOST": Sample(NOWHERE, "http://login.example"),
        "HOLDFAST_READ_PATIENCE_MS": Sample("500", "9"),
        "HOLDFAST_SYNC_INTERVAL": Sample("600", "x"),
        "HOLDFAST_KEYVAULT_PROXY": Sample(f"http://me:pw@{NOWHERE}", "socks5://proxy"),
        "HTTPS_PROXY": Sample(f"http://{NOWHERE}", None),
        "NO_PROXY": Sample("127.0.0.1,10.0.0.0/8", None),
        "DATABASE_URL": Sample(database_url, "mysql://db"),
        "HOLDFAST_DATABASE_LOGIN": Sample("entra", "token"),
        "FALLBACK_ENCRYPTION_KEY": Sample(primary, "short"),
        "HOLDFAST_DECRYPTION_KEYS": Sample(former, "short"),
        "HOLDFAST_ENCRYPTION_KEY_FILE": Sample(_file(folder / "keys", wrapped(folder, in_file)), "/"),
        "HOLDFAST_UNWRAPPING_KEY_FILE": Sample(str(folder / "local"), "/nowhere/local"),
        "CREDENTIALS_DIRECTORY": Sample(str(_credentials(folder, in_credential)), __file__),
        "REDIS_URL": Sample(redis_url, "http://cache"),
        "HOLDFAST_REDIS_LOGIN": Sample("entra", "token"),
        "SECRET_CACHE_TTL": Sample("30", "0"),
        "HOLDFAST_CACHE_ENTRIES": Sample("100", "0"),
        "HOLDFAST_DATA_DIR": Sample(str(folder / "data"), "relative"),
        "HOLDFAST_RETENTION_DAYS": Sample("7", "6"),
        "HOLDFAST_PURGE_PROTECTION": Sample("true", "on"),
        "HOLDFAST_REFUSE_OUTSIDE_VALIDITY": Sample("true", "on"),
        "SECRET_ROTATION_CHECK_INTERVAL": Sample("60", "0"),
        "HOLDFAST_ADOPTION_WINDOW": Sample("3600", "x"),
        "HOLDFAST_WEBHOOK_TARGETS": Sample(f"http://{NOWHERE}", "ftp://hooks"),
        "HOLDFAST_HOST": Sample("127.0.0.2", "127.0.0.1:8200"),
        "HOLDFAST_PORT": Sample("0", "65536"),
        "HOLDFAST_DRAIN": Sample("0", "301"),
        "HOLDFAST_TLS_CERT": Sample(server, "/nowhere/server.pem"),
        "HOLDFAST_TLS_KEY": Sample(server, "/nowhere/key.pem"),
        "HOLDFAST_TLS_HOSTS": Sample("vault.example", "a b"),
        "HOLDFAST_RESOURCE": Sample("https://vault.azure.net", "vault.example"),
        "HOLDFAST_AZURE_NAMES": Sample("true", "on"),
        "HOLDFAST_TENANT": Sample("adfs", "11111111-2222-3333-4444-555555555555"),
        "HOLDFAST_RATE_LIMIT": Sample("100", "x"),
        "HOLDFAST_RATE_BURST": Sample("200", "x"),
        "HOLDFAST_MAX_CONNECTIONS": Sample("100", "x"),
        "HOLDFAST_MAX_HANDSHAKES": Sample("16", "x"),
        "HOLDFAST_MAX_REQUESTS": Sample("16", "x"),
        "HOLDFAST_BODY_MEMORY": Sample("64", "x"),
        "HOLDFAST_OIDC_ISSUERS": Sample(_file(folder / "issuers.toml", _ISSUERS), "/nowhere/issuers.toml"),
        "HOLDFAST_CHALLENGE": Sample("idp", "Entra ID"),
        "HOLDFAST_GRANT_LEASE": Sample("10", "0"),
        "HOLDFAST_GRANT_LEASES": Sample("payments-*=5", "payments-*"),
        "HOLDFAST_BREAK_GLASS": Sample(_file(folder / "emergency.toml", ""), "/nowhere/emergency.toml"),
        "HOLDFAST_SMTP_URL": Sample(f"smtp://me:pw@{NOWHERE}", "https://mail.example"),
        "HOLDFAST_MAIL_FROM": Sample("holdfast@example.com", "Ops <ops@example.com>"),
        "HOLDFAST_NOTICE_CHANNELS": Sample(f"chat=webhook:https://{NOWHERE}/x#{_SIGNED}", "chat"),
        "HOLDFAST_NOTICE_ROUTES": Sample("chat=secret.*", "chat"),
        "HOLDFAST_NOTICE_DIGEST": Sample("chat", "chat,,"),
        "HOLDFAST_NOTICE_TARGETS": Sample(f"https://{NOWHERE}", "ftp://hooks"),
        "HOLDFAST_NOTICE_CA": Sample(str(ca), "/nowhere/ca.pem"),
        "HOLDFAST_NOTICE_NAME": Sample("Holdfast in Kraków", "a" * 61),
        "HOLDFAST_AUDIT_STREAMS": Sample(f"file:{folder}/trail.log", "ftp://siem"),
        "HOLDFAST_AUDIT_CHECKPOINTS": Sample(f"file:{folder}/checkpoints.log", "ftp://siem"),
        "HOLDFAST_AUDIT_RETENTION": Sample("400", "x"),
        "HOLDFAST_METRICS_TOKEN": Sample("m" * 32, "short"),
        "HOLDFAST_LOG_LEVEL": Sample("error", "loud"),
        "HOLDFAST_LOG_FORMAT": Sample("json", "xml"),
        "HOLDFAST_ACCESS_LOG": Sample("true", "on"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": Sample(f"http://{NOWHERE}", "ftp://collector"),
        "OTEL_EXPORTER_OTLP_HEADERS": Sample("api-key=x", "api-key"),
        "OTEL_EXPORTER_OTLP_CERTIFICATE": Sample(str(ca), "/nowhere/ca.pem"),
        "OTEL_SERVICE_NAME": Sample("secrets", "a b"),
        "OTEL_TRACES_SAMPLER": Sample("always_off", "sometimes"),
        "OTEL_TRACES_SAMPLER_ARG": Sample("0.5", "2"),
        "APPLICATIONINSIGHTS_CONNECTION_STRING": Sample(_INSIGHTS, "a b"),
    }


def client_samples(address: str, token: str, ca_file: str) -> dict[str, Sample]:
    """Of the settings of commands that talk to a server, which is there."""
    return {
        "HOLDFAST_ADDR": Sample(address, "vault.example"),
        "HOLDFAST_TOKEN": Sample(token, "a b"),
        "HOLDFAST_CACERT": Sample(ca_file, "/nowhere/ca.pem"),
    }


def source_samples(ca_file: str) -> dict[str, Sample]:
    """Of the settings of imports from elsewhere."""
    return {
        "HOLDFAST_SOURCE_TENANT_ID": Sample("11111111-2222-3333-4444-555555555555", "a b"),
        "HOLDFAST_SOURCE_CLIENT_ID": Sample("66666666-7777-8888-9999-000000000000", "a b"),
        "HOLDFAST_SOURCE_CLIENT_SECRET": Sample("s3cret", "a b"),
        "HOLDFAST_SOURCE_AUTHORITY_HOST": Sample(NOWHERE, "http://login.example"),
        "HOLDFAST_SOURCE_TOKEN": Sample("t0ken", "a b"),
        "HOLDFAST_SOURCE_CA": Sample(ca_file, "/nowhere/ca.pem"),
    }


_ISSUERS = '[[issuer]]\nname = "idp"\nissuer = "https://127.0.0.1:1"\naudiences = ["holdfast"]\nauthority = "https://127.0.0.1:1/t"\n'
_SIGNED = f"whsec_{base64.b64encode(bytes(24)).decode()}"
_INSIGHTS = f"InstrumentationKey=11111111-2222-3333-4444-555555555555;IngestionEndpoint=https://{NOWHERE}"


def wrapped(folder: Path, key: str) -> str:
    """A line with a key that only the local one in ``folder`` opens, which is written there."""
    local = new_key()
    _file(folder / "local", f"{local}\n")
    return WrappedKey(key_id=key_id(key), by_local=wrap_locally(parse_key(local), parse_key(key))).line + "\n"


def _credentials(folder: Path, key: str) -> Path:
    _file(folder / "credentials" / "holdfast.keys", f"{key}\n")
    return folder / "credentials"


def _file(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)
