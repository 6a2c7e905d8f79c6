"""Settings from an environment: defaults, limits, faults, and that no value is ever repeated."""

import base64
import re
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.child import inherited
from holdfast.config import Identity, Settings, SourceSettings, Variable, variables
from holdfast.errors import ConfigurationError

KEY = base64.b64encode(bytes(range(32))).decode()
DATABASE = {"DATABASE_URL": "postgresql://app:pw@db.example:5432/secrets", "FALLBACK_ENCRYPTION_KEY": KEY}


CLIENT = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
CHOSEN = {"HOLDFAST_AZURE_IDENTITY": "federated"}


def faults(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environ(environ)
    return caught.value.faults


def test_an_empty_environment_is_enough() -> None:
    settings = Settings.from_environ({"HOME": "/home/ada"})
    assert settings.vault_url is None
    assert settings.database_url is None
    assert settings.port == 8200
    assert settings.read_patience == timedelta(milliseconds=750)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            **DATABASE,
            "AZURE_KEYVAULT_NAME": "Fleet-Prod",
            "AZURE_TENANT_ID": "t",
            "AZURE_CLIENT_ID": "c",
            "AZURE_CLIENT_SECRET": "s",
            "AZURE_AUTHORITY_HOST": "login.microsoftonline.us",
            "REDIS_URL": "rediss://:pw@cache:6380/0",
            "SECRET_CACHE_TTL": "5",
            "SECRET_ROTATION_CHECK_INTERVAL": "60",
            "HOLDFAST_WEBHOOK_TARGETS": "http://127.0.0.1:8080, https://Hooks.internal:443/",
            "HOLDFAST_DATA_DIR": "/srv/holdfast",
            "HOLDFAST_HOST": "::1",
            "HOLDFAST_PORT": "0",
            "HOLDFAST_TLS_CERT": __file__,
            "HOLDFAST_TLS_KEY": __file__,
            "HOLDFAST_TLS_HOSTS": "vault.example, 10.0.0.7",
            "HOLDFAST_RESOURCE": "https://Vault.example/",
            "HOLDFAST_AZURE_NAMES": "true",
            "HOLDFAST_KEYVAULT_CA": __file__,
            "HOLDFAST_KEYVAULT_API_VERSION": "2025-07-01",
            "HOLDFAST_KEYVAULT_PROXY": "http://proxy.example:3128/",
            "HTTPS_PROXY": "http://other.example",
            "NO_PROXY": "10.0.0.0/8",
            "HOLDFAST_DECRYPTION_KEYS": f"{KEY},{KEY}",
            "HOLDFAST_ENCRYPTION_KEY_FILE": "/etc/holdfast/keys",
            "HOLDFAST_UNWRAPPING_KEY_FILE": __file__,
            "CREDENTIALS_DIRECTORY": "/run/credentials/holdfast.service",
            "HOLDFAST_READ_PATIENCE_MS": "100",
            "HOLDFAST_GRANT_LEASE": "10",
            "HOLDFAST_GRANT_LEASES": "Payments-*=5, public=900",
            "HOLDFAST_SYNC_INTERVAL": "30",
            "HOLDFAST_RETENTION_DAYS": "7",
            "HOLDFAST_AUDIT_STREAMS": "file:/var/log/holdfast, stdout, syslog://log.example, syslog+tcp://[::1]:601",
            "HOLDFAST_AUDIT_CHECKPOINTS": "syslog+unix:/dev/log,https://hook.example/x?y,http://localhost:9/",
            "HOLDFAST_AUDIT_RETENTION": "400",
            "HOLDFAST_REFUSE_OUTSIDE_VALIDITY": "TRUE",
            "HOLDFAST_PURGE_PROTECTION": "yes",
            "HOLDFAST_LOG_LEVEL": "Debug",
            "HOLDFAST_CACHE_ENTRIES": "1",
            "HOLDFAST_SMTP_URL": "smtp://me:p%40w@mail.example:2525",
            "HOLDFAST_MAIL_FROM": "holdfast@example.com",
            "HOLDFAST_NOTICE_CHANNELS": "chat=slack:https://hooks.slack.com/services/x, page=mailto:ops@example.com",
            "HOLDFAST_NOTICE_ROUTES": "chat=secret.*+rotation.failed, page=urgent",
            "HOLDFAST_NOTICE_DIGEST": "chat, ada@example.com",
            "HOLDFAST_NOTICE_TARGETS": "https://hooks.internal",
            "HOLDFAST_NOTICE_CA": __file__,
            "HOLDFAST_NOTICE_NAME": "Holdfast in Kraków",
        }
    )
    assert settings == Settings(
        database_url=DATABASE["DATABASE_URL"],
        encryption_key=KEY,
        keyvault_name="fleet-prod",
        tenant_id="t",
        client_id="c",
        client_secret="s",
        authority_host="https://login.microsoftonline.us",
        redis_url="rediss://:pw@cache:6380/0",
        cache_ttl=timedelta(seconds=5),
        rotation_check_interval=timedelta(seconds=60),
        webhook_targets=("http://127.0.0.1:8080", "https://hooks.internal"),
        data_dir=Path("/srv/holdfast"),
        host="::1",
        port=0,
        tls_cert=Path(__file__),
        tls_key=Path(__file__),
        tls_hosts=("vault.example", "10.0.0.7"),
        resource="https://vault.example",
        azure_names=True,
        keyvault_ca=Path(__file__),
        keyvault_api_version="2025-07-01",
        keyvault_proxy="http://proxy.example:3128",
        https_proxy="http://other.example",
        no_proxy="10.0.0.0/8",
        decryption_keys=(KEY, KEY),
        encryption_key_file=Path("/etc/holdfast/keys"),
        unwrapping_key_file=Path(__file__),
        credentials_dir=Path("/run/credentials/holdfast.service"),
        read_patience=timedelta(milliseconds=100),
        grant_lease=timedelta(seconds=10),
        grant_leases=(("payments-*", timedelta(seconds=5)), ("public", timedelta(seconds=900))),
        sync_interval=timedelta(seconds=30),
        retention_days=7,
        audit_streams=("file:/var/log/holdfast", "stdout", "syslog://log.example", "syslog+tcp://[::1]:601"),
        audit_checkpoints=("syslog+unix:/dev/log", "https://hook.example/x?y", "http://localhost:9/"),
        audit_retention=timedelta(days=400),
        refuse_outside_validity=True,
        purge_protection=True,
        log_level="debug",
        cache_entries=1,
        smtp_url="smtp://me:p%40w@mail.example:2525",
        mail_from="holdfast@example.com",
        notice_channels=(("chat", "slack:https://hooks.slack.com/services/x"), ("page", "mailto:ops@example.com")),
        notice_routes=(("chat", ("secret.*", "rotation.failed")), ("page", ("urgent",))),
        notice_digest=("chat", "ada@example.com"),
        notice_targets=("https://hooks.internal",),
        notice_ca=Path(__file__),
        notice_name="Holdfast in Kraków",
    )
    assert settings.vault_url == "https://fleet-prod.vault.azure.net"


@pytest.mark.parametrize(
    ("name", "value", "mend"),
    [
        ("HOLDFAST_NOTICE_CHANNELS", "https://hooks.slack.com/services/x", "NAME=KIND:ADDRESS"),
        ("HOLDFAST_NOTICE_CHANNELS", "chat=file:/etc/passwd", "slack, teams, webhook"),
        ("HOLDFAST_NOTICE_CHANNELS", "mail=mailto:ops@example.com", "not mail or urgent"),
        ("HOLDFAST_NOTICE_CHANNELS", "ops=mailto:ops", "one bare address"),
        ("HOLDFAST_NOTICE_CHANNELS", "a=slack:https://x,a=teams:https://y", "one name twice"),
        ("HOLDFAST_NOTICE_ROUTES", "chat", "NAME=TOPIC"),
        ("HOLDFAST_NOTICE_ROUTES", "chat=secret.*,chat=keys", "one name twice"),
        ("HOLDFAST_NOTICE_DIGEST", "chat,,", "names of channels"),
        ("HOLDFAST_NOTICE_DIGEST", "Ops <ops@example.com>", "one bare address"),
        ("HOLDFAST_NOTICE_NAME", "a" * 61, "1 to 60"),
        ("AZURE_KEYVAULT_NAME", "ab", "3 to 24"),
        ("AZURE_KEYVAULT_NAME", "a" * 25, "3 to 24"),
        ("AZURE_KEYVAULT_NAME", "1st-vault", "begin with a letter"),
        ("AZURE_KEYVAULT_NAME", "two--hyphens", "single hyphens"),
        ("AZURE_KEYVAULT_NAME", "https://x.vault.azure.net", "AZURE_KEYVAULT_URL"),
        ("AZURE_KEYVAULT_NAME", "", "is empty"),
        ("AZURE_KEYVAULT_NAME", "vault-x\n", "3 to 24"),
        ("AZURE_KEYVAULT_URL", "http://vault.example", "https://"),
        ("AZURE_KEYVAULT_URL", "https://vault.example/secrets", "without a path"),
        ("AZURE_KEYVAULT_URL", "https://vault.example/?", "without a path"),
        ("AZURE_KEYVAULT_URL", "https://me:pw@vault.example", "user name"),
        ("AZURE_KEYVAULT_URL", "https://vault.example:0", "port"),
        ("AZURE_KEYVAULT_URL", "https://vault.example:", "port"),
        ("AZURE_KEYVAULT_URL", "https://[::1", "https://"),
        ("AZURE_KEYVAULT_URL", "https://", "https://"),
        ("AZURE_KEYVAULT_URL", "https://a b", "https://"),
        ("AZURE_AUTHORITY_HOST", "http://login.example", "https://"),
        ("AZURE_TENANT_ID", "t t", "a tenant's id or one of its domains"),
        ("FALLBACK_ENCRYPTION_KEY", "not base64!", "32 bytes"),
        ("FALLBACK_ENCRYPTION_KEY", base64.b64encode(b"x" * 31).decode(), "has 32"),
        ("FALLBACK_ENCRYPTION_KEY", "ключ", "32 bytes"),
        ("FALLBACK_ENCRYPTION_KEY", base64.b64encode(b"x" * 32).decode(), "not random"),
        ("HOLDFAST_DECRYPTION_KEYS", f"{KEY},", "has 32"),
        ("HOLDFAST_WEBHOOK_TARGETS", "ftp://hooks", "https://host"),
        ("HOLDFAST_WEBHOOK_TARGETS", "http://me:pw@hooks", "https://host"),
        ("HOLDFAST_WEBHOOK_TARGETS", "http://hooks/rotate", "without a path"),
        ("REDIS_URL", "http://cache", "redis://"),
        ("REDIS_URL", "redis://cache:port", "port"),
        ("REDIS_URL", "redis://", "redis://"),
        ("REDIS_URL", "c.redis.cache.windows.net:6380,password=hid=,ssl=True", "rediss://:ACCESS-KEY@c.redis.cache"),
        ("REDIS_URL", "c.redis.cache.windows.net:6380,ssl=True,password=hid=", "rediss://:ACCESS-KEY@c.redis.cache"),
        ("REDIS_URL", "redis+sentinel://a:26379/main", "not spoken here"),
        ("REDIS_URL", "rediss+sentinel://:hid@a:26379,b:26379/main", "not spoken here"),
        ("REDIS_URL", "redis-sentinel://:hid@a:26379/main", "not spoken here"),
        ("REDIS_URL", "sentinel://:hid@a:26379/main", "not spoken here"),
        ("REDIS_URL", "redis+cluster://:hid@a:6379", "not spoken here"),
        ("REDIS_URL", "rediss-cluster://:hid@a:6379/0", "name the one address that leads to the primary"),
        ("REDIS_URL", "redis://:hid@a:6379,b:6379/0", "not spoken here"),
        ("REDIS_URL", "rediss://a,b,c", "not spoken here"),
        ("REDIS_URL", "redis://cache/abc", "not a number"),
        ("REDIS_URL", "redis://cache?db=abc", "not a number"),
        ("REDIS_URL", "redis://cache?ssl_cert_reqs=none", "takes rediss://"),
        ("REDIS_URL", "rediss://cache?ssl_cert_reqs=none", "any server for yours"),
        ("REDIS_URL", "rediss://cache?ssl_check_hostname=False", "any server for yours"),
        ("REDIS_URL", "redis://cache?tiemout=1", "'tiemout', which is not known here"),
        ("HOLDFAST_GRANT_LEASES", "payments-*", "NAME=SECONDS"),
        ("HOLDFAST_GRANT_LEASES", "=5", "NAME=SECONDS"),
        ("HOLDFAST_GRANT_LEASES", "a**=5", "NAME=SECONDS"),
        ("HOLDFAST_GRANT_LEASES", "a=5,", "NAME=SECONDS"),
        ("HOLDFAST_GRANT_LEASES", "a=5,A=6", "twice"),
        ("HOLDFAST_GRANT_LEASES", "a=0", "1 to 3600"),
        ("HOLDFAST_GRANT_LEASES", "a=3601", "1 to 3600"),
        ("HOLDFAST_GRANT_LEASES", "a=5s", "1 to 3600"),
        ("SECRET_CACHE_TTL", "0", "1 to 3600"),
        ("SECRET_CACHE_TTL", "3601", "1 to 3600"),
        ("SECRET_CACHE_TTL", "60s", "1 to 3600"),
        ("SECRET_CACHE_TTL", "\N{ARABIC-INDIC DIGIT ONE}", "1 to 3600"),
        ("SECRET_CACHE_TTL", "-1", "1 to 3600"),
        ("SECRET_ROTATION_CHECK_INTERVAL", "1.5", "whole number"),
        ("HOLDFAST_PORT", "65536", "0 to 65535"),
        ("HOLDFAST_HOST", "127.0.0.1:8200", "without scheme and port"),
        ("HOLDFAST_TLS_HOSTS", "a.example,,b.example", "host name"),
        ("HOLDFAST_TLS_HOSTS", "a_b example", "host name"),
        ("HOLDFAST_DATA_DIR", "relative/folder", "absolute"),
        ("HOLDFAST_DATA_DIR", "~nobody-of-that-name/x", "absolute"),
        ("HOLDFAST_DATA_DIR", "/tmp/\0", "NUL"),
        ("HOLDFAST_DATA_DIR", __file__, "folder"),
        ("HOLDFAST_DATA_DIR", "/" + "x" * 300, "looked at"),
        ("HOLDFAST_ENCRYPTION_KEY_FILE", "/" + "x" * 300, "looked at"),
        ("HOLDFAST_KEYVAULT_CA", "/nowhere/ca.pem", "readable file (No such file"),
        ("HOLDFAST_KEYVAULT_CA", "/", "readable file"),
        ("HOLDFAST_KEYVAULT_API_VERSION", "v7", "7.4 or 2025-07-01"),
        ("HOLDFAST_KEYVAULT_API_VERSION", "7.4&x=y", "7.4 or 2025-07-01"),
        ("HOLDFAST_KEYVAULT_PROXY", "socks5://proxy.example", "SOCKS"),
        ("HOLDFAST_KEYVAULT_PROXY", "http://proxy.example/path", "without a path"),
        ("HOLDFAST_KEYVAULT_PROXY", "http://me:a/b@proxy.example", "without a path"),
        ("HOLDFAST_KEYVAULT_PROXY", "http://proxy.example:0", "port"),
        ("HOLDFAST_KEYVAULT_PROXY", "http://", "http://"),
        ("HOLDFAST_KEYVAULT_PROXY", "", "is empty"),
        ("HOLDFAST_READ_PATIENCE_MS", "9", "10 to 30000"),
        ("HOLDFAST_RETENTION_DAYS", "6", "7 to 90"),
        ("HOLDFAST_RETENTION_DAYS", "91", "7 to 90"),
        ("HOLDFAST_PURGE_PROTECTION", "on", "true or false"),
        ("HOLDFAST_LOG_LEVEL", "loud", "debug, info, warning, error"),
        ("HOLDFAST_CACHE_ENTRIES", "9999999999", "1 to 1000000"),
    ],
)
def test_a_broken_value_is_named_with_its_limit(name: str, value: str, mend: str) -> None:
    (fault,) = faults({name: value})
    assert fault.startswith(f"{name} ")
    assert mend in fault


@pytest.mark.parametrize(
    "resource",
    [
        *("https://vault.azure.net", "https://VAULT.azure.net:443/", "https://my.vault.azure.net", "https://azure.com"),
        *("https://vault.azure.cn", "https://vault.usgovcloudapi.net"),
        *("https://login.microsoftonline.com", "https://management.azure.com"),
    ],
)
def test_a_domain_of_azures_is_no_resource_of_ours(resource: str) -> None:
    (fault,) = faults({"HOLDFAST_RESOURCE": resource})
    assert fault.startswith("HOLDFAST_RESOURCE names a domain of Azure's: choose one of your own")
    with pytest.raises(ConfigurationError, match="HOLDFAST_RESOURCE names a domain of Azure's"):
        Settings(resource=resource.lower().rstrip("/"))


def test_azures_own_vaults_are_when_the_settings_say_so_and_nothing_else_of_azures_is() -> None:
    by_name = {"HOLDFAST_AZURE_NAMES": "true"}
    for cloud in ("net", "cn"):
        resource = f"https://vault.azure.{cloud}"
        assert Settings.from_environ({"HOME": "/", "HOLDFAST_RESOURCE": resource, **by_name}).resource == resource
    for resource in ("https://my.vault.azure.net", "https://azure.net", "https://login.microsoftonline.com"):
        assert faults({"HOLDFAST_RESOURCE": resource, **by_name})
    assert faults({"HOLDFAST_RESOURCE": "https://vault.azure.net", "HOLDFAST_AZURE_NAMES": "false"})


def test_names_of_machines_in_azure_are_their_owners() -> None:
    resource = "https://hf.westeurope.cloudapp.azure.com"
    assert Settings.from_environ({"HOME": "/", "HOLDFAST_RESOURCE": resource}).resource == resource


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("https://mail.example", "smtp://"),
        ("smtp://me@mail.example", "user and password"),
        ("smtp://mail.example:0", "smtp://"),
        ("smtp://mail.example/?tls=no", "smtp://"),
    ],
)
def test_a_mail_server_is_one_with_tls_and_whole_credentials(url: str, mend: str) -> None:
    (fault,) = faults({"HOLDFAST_SMTP_URL": url, "HOLDFAST_MAIL_FROM": "holdfast@example.com"})
    assert fault.startswith("HOLDFAST_SMTP_URL ")
    assert mend in fault


def test_a_mail_server_and_a_sender_belong_together() -> None:
    (fault,) = faults({"HOLDFAST_SMTP_URL": "smtps://mail.example"})
    assert "HOLDFAST_MAIL_FROM belong together" in fault
    (fault, _) = faults({"HOLDFAST_MAIL_FROM": "Ops <ops@example.com>"})
    assert "one bare address" in fault


@pytest.mark.parametrize(
    "url", ["mysql://db/x", "postgresql://db:0/x", "postgresql://a:1,b:65536/x", "db", "postgresql+asyncpg://db/x"]
)
def test_a_broken_database_url_is_named(url: str) -> None:
    (fault,) = faults({"DATABASE_URL": url, "FALLBACK_ENCRYPTION_KEY": KEY})
    assert fault.startswith("DATABASE_URL ")


@pytest.mark.parametrize(
    "url",
    [
        *("postgres://db/x", "postgresql://u:p@a:1,b:2/x", "postgresql:///x?host=/run/pg", "postgresql://[::1]:5432/x"),
        *("postgresql://", "postgresql://db/x?connect_timeout=10&keepalives=1&gssencmode=disable&ssl=true"),
    ],
)
def test_a_database_url_may_have_every_form_postgresql_knows(url: str) -> None:
    assert Settings.from_environ({"DATABASE_URL": url, "FALLBACK_ENCRYPTION_KEY": KEY}).database_url == url


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"AZURE_KEYVAULT_NAME": "vault-x", "AZURE_KEYVAULT_URL": "https://v.example"}, ["AZURE_KEYVAULT_NAME"]),
        ({"AZURE_CLIENT_SECRET": "s"}, ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"]),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_CLIENT_ID": "c"}, ["AZURE_TENANT_ID"]),
        ({"AZURE_FEDERATED_TOKEN_FILE": __file__, "AZURE_TENANT_ID": "t"}, ["AZURE_CLIENT_ID"]),
        ({"AZURE_CLIENT_SECRET": "s", "AZURE_FEDERATED_TOKEN_FILE": __file__, **CLIENT}, ["AZURE_CLIENT_SECRET"]),
        ({"HOLDFAST_AZURE_IDENTITY": "certificate", **CLIENT}, ["AZURE_CLIENT_CERTIFICATE_PATH"]),
        ({"HOLDFAST_AZURE_IDENTITY": "federated"}, ["AZURE_FEDERATED_TOKEN_FILE", *CLIENT]),
        ({"HOLDFAST_AZURE_IDENTITY": "azure", "AZURE_CLIENT_SECRET": "s"}, ["HOLDFAST_AZURE_IDENTITY"]),
        ({"DATABASE_URL": "postgresql://db/x"}, ["FALLBACK_ENCRYPTION_KEY"]),
        ({"HOLDFAST_TLS_CERT": __file__}, ["HOLDFAST_TLS_CERT"]),
        ({"HOLDFAST_TLS_KEY": __file__}, ["HOLDFAST_TLS_CERT"]),
    ],
)
def test_contradictions_are_refused(environ: dict[str, str], named: list[str]) -> None:
    assert [fault.split()[0] for fault in faults(environ)] == named


@pytest.mark.parametrize(
    ("environ", "identity"),
    [
        ({}, Identity.MANAGED),
        (CLIENT, Identity.MANAGED),
        ({**CLIENT, "AZURE_CLIENT_SECRET": "s"}, Identity.SECRET),
        ({**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": __file__}, Identity.FEDERATED),
        ({"AZURE_CLIENT_SECRET": "s", "HOLDFAST_AZURE_IDENTITY": "Managed"}, Identity.MANAGED),
        ({**CLIENT, "AZURE_CLIENT_SECRET": "s", **CHOSEN, "AZURE_FEDERATED_TOKEN_FILE": __file__}, Identity.FEDERATED),
        ({"HOLDFAST_AZURE_IDENTITY": "developer"}, Identity.DEVELOPER),
    ],
)
def test_one_identity_is_used_the_chosen_or_the_given_one(environ: dict[str, str], identity: Identity) -> None:
    assert Settings.from_environ(environ).identity is identity


@pytest.mark.parametrize("name", ["HOLDFAST_AZURE_CLIENT_SECRET_FILE", "AZURE_CLIENT_CERTIFICATE_PATH"])
def test_a_file_with_a_secret_is_closed_to_others(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("s3cret")
    file.chmod(0o640)
    assert Settings.from_environ({name: str(file), **CLIENT})
    file.chmod(0o644)
    assert faults({name: str(file), **CLIENT})[0].startswith(f"{name} must name a file that others may not read")


def test_an_import_reads_as_its_own_identity_or_else_as_the_nodes(tmp_path: Path) -> None:
    node = {**CLIENT, "AZURE_FEDERATED_TOKEN_FILE": __file__}
    assert SourceSettings.from_environ(node).login(node).identity is Identity.FEDERATED
    own = {"HOLDFAST_SOURCE_TENANT_ID": "t", "HOLDFAST_SOURCE_CLIENT_ID": "c", "HOLDFAST_SOURCE_CLIENT_SECRET": "s"}
    assert SourceSettings.from_environ({**node, **own}).login({**node, **own}).identity is Identity.SECRET
    desk = {"HOLDFAST_SOURCE_TENANT_ID": "t", "HOLDFAST_AZURE_IDENTITY": "developer"}
    assert SourceSettings.from_environ(desk).login(desk).identity is Identity.DEVELOPER
    broken = {"AZURE_CLIENT_SECRET": "s"}
    with pytest.raises(ConfigurationError, match="AZURE_TENANT_ID is missing"):
        SourceSettings.from_environ(broken).login(broken)
    unknown = {"HOLDFAST_AZURE_IDENTITY": "azure", "AZURE_CLIENT_SECRET": "s"}
    with pytest.raises(ConfigurationError) as caught:
        SourceSettings.from_environ(unknown).login(unknown)
    assert [fault.split()[0] for fault in caught.value.faults] == ["HOLDFAST_AZURE_IDENTITY"]


def test_settings_made_in_code_may_not_contradict_each_other_either() -> None:
    with pytest.raises(ConfigurationError, match="FALLBACK_ENCRYPTION_KEY is missing"):
        Settings(database_url="postgresql://db/x")


def test_all_faults_come_at_once() -> None:
    found = faults({"HOLDFAST_PORT": "x", "SECRET_CACHE_TTL": "x", "AZURE_CLIENT_SECRET": "s", "HOLDFAST_NO": "1"})
    assert [fault.split()[0] for fault in found] == [
        "SECRET_CACHE_TTL",
        "HOLDFAST_PORT",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "HOLDFAST_NO",
    ]


@pytest.mark.parametrize(
    ("name", "meant"), [("HOLDFAST_PROT", "HOLDFAST_PORT"), ("HOLDFAST_DATADIR", "HOLDFAST_DATA_DIR")]
)
def test_a_misspelt_variable_is_a_fault_with_a_suggestion(name: str, meant: str) -> None:
    assert faults({name: "x"}) == [f"{name} is not a setting: did you mean {meant}?"]


def test_foreign_variables_are_none_of_our_business() -> None:
    Settings.from_environ({"PATH": "/bin", "AZURE_USERNAME": "/x", "HOLDFASTER": "1"})


@given(st.sampled_from(variables()), st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_taken_or_is_a_fault_and_is_never_repeated(variable: Variable, text: str) -> None:
    environ = {variable.name: f"c4n4ry{text}"}
    shown = _settings_or_fault(environ)
    assert "c4n4ry" not in shown or not variable.secret
    assert "c4n4ry" not in shown or shown.startswith("Settings(")


def _settings_or_fault(environ: dict[str, str]) -> str:
    try:
        return repr(Settings.from_environ(environ))
    except ConfigurationError as error:
        return str(error)


@pytest.mark.parametrize(
    ("place", "mend"),
    [
        ("c4n4ry", "must be file:/path, stdout,"),
        ("file:relative", "must be an absolute path"),
        ("http://hook.example/", "must use https://"),
        ("https://user:c4n4ry@hook.example/", "must not contain a user name"),
        ("syslog://log.example:0", "has a port that is not"),
        ("ftp://log.example", "must be file:/path, stdout,"),
    ],
)
def test_a_wrong_place_for_records(place: str, mend: str) -> None:
    (fault,) = faults({"HOLDFAST_AUDIT_STREAMS": place})
    assert mend in fault
    assert "c4n4ry" not in fault


@pytest.mark.parametrize("token", ["c4n4ry" * 5, "c4n4ry" * 43, "c4n4ry " * 6])
def test_a_wrong_token_for_metrics(token: str) -> None:
    (fault,) = faults({"HOLDFAST_METRICS_TOKEN": token})
    assert "must be" in fault
    assert "c4n4ry" not in fault


@pytest.mark.parametrize(
    ("environ", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://a.example:3128"}, "http://a.example:3128"),
        ({"https_proxy": "http://b.example", "HTTPS_PROXY": "http://a.example"}, "http://b.example"),
        ({"https_proxy": "", "HTTPS_PROXY": "proxy.example:3128"}, "http://proxy.example:3128"),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTP_PROXY": "http://a.example"}, None),
        ({"HTTPS_PROXY": "http://a.example", "HOLDFAST_KEYVAULT_PROXY": "none"}, None),
        (
            {"HTTPS_PROXY": "socks5://a.example", "HOLDFAST_KEYVAULT_PROXY": "https://me:pw@b.example"},
            "https://me:pw@b.example",
        ),
    ],
)
def test_the_proxy_is_ours_or_the_environments(environ: dict[str, str], proxy: str | None) -> None:
    assert Settings.from_environ(environ).proxy == proxy


def test_a_proxy_of_the_environment_is_judged_only_where_it_is_used() -> None:
    settings = Settings.from_environ({"HTTPS_PROXY": "socks5://me:c4n4ry@a.example"})
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY must be") as caught:
        _ = settings.proxy
    assert "c4n4ry" not in str(caught.value)


def test_a_command_keeps_the_proxy_of_its_environment_and_not_ours() -> None:
    environ = {"HTTPS_PROXY": "http://a.example", "HOLDFAST_KEYVAULT_PROXY": "http://b.example"}
    assert inherited(environ) == {"HTTPS_PROXY": "http://a.example"}


def test_repr_masks_every_secret() -> None:
    secrets = {
        "AZURE_CLIENT_SECRET": "c4n4ry",
        "HOLDFAST_KEYVAULT_PROXY": "http://me:c4n4ry@proxy.example",
        "HTTPS_PROXY": "http://me:c4n4ry@proxy.example",
        "REDIS_URL": "redis://:c4n4ry@cache",
        "HOLDFAST_DECRYPTION_KEYS": KEY,
        "HOLDFAST_AUDIT_STREAMS": "https://siem.example/c4n4ry",
        "HOLDFAST_AUDIT_CHECKPOINTS": "https://siem.example/c4n4ry",
        "HOLDFAST_METRICS_TOKEN": "c4n4ry" * 6,
        "HOLDFAST_SMTP_URL": "smtps://me:c4n4ry@mail.example",
        "HOLDFAST_NOTICE_CHANNELS": "chat=slack:https://hooks.slack.com/c4n4ry",
        "OTEL_EXPORTER_OTLP_HEADERS": "api-key=c4n4ry",
        "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=c4n4ry",
    }
    secrets["AZURE_CLIENT_CERTIFICATE_PASSWORD"] = "c4n4ry"
    others = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "HOLDFAST_MAIL_FROM": "holdfast@example.com"}
    settings = Settings.from_environ({**DATABASE, **secrets, **others})
    assert repr(settings).count("=*****") == sum(variable.secret for variable in variables())
    assert "c4n4ry" not in repr(settings)
    assert "pw@" not in repr(settings)
    assert KEY not in repr(settings)


def test_the_shown_defaults_are_the_defaults() -> None:
    shown = {v.name: v.default for v in variables() if re.fullmatch(r"[0-9a-z.]+", v.default)}
    assert len(shown) >= 12
    assert Settings.from_environ(shown) == Settings.from_environ({})


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_DATA_HOME": "/xdg", "HOME": "/home/ada"}, "/xdg/holdfast"),
        ({"XDG_DATA_HOME": "relative", "HOME": "/home/ada"}, "/home/ada/.local/share/holdfast"),
        ({"HOME": "/home/ada"}, "/home/ada/.local/share/holdfast"),
    ],
)
def test_the_data_folder_follows_the_xdg_base_directories(
    environ: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # root has a folder of its own
    assert Settings.from_environ(environ).data_dir == Path(folder)
