"""Connection URIs of PostgreSQL, as the driver gets them."""

import ssl
from pathlib import Path
from urllib.parse import quote

import pytest

from holdfast.config.libpq import for_driver, for_node

URL = "postgresql://u:p@h1:5432,h2:5432/db"


@pytest.mark.parametrize(
    ("query", "kept", "patience"),
    [
        ("", "", None),
        ("?", "", None),
        ("?sslmode=require&application_name=a+b%20c", "?sslmode=require&application_name=a%2Bb%20c", None),
        ("?connect_timeout=10", "", 10.0),
        ("?connect_timeout=0&target_session_attrs=primary", "?target_session_attrs=primary", None),
        ("?keepalives=1&keepalives_idle=30&tcp_user_timeout=5000", "", None),
        ("?gssencmode=disable&channel_binding=prefer", "", None),
        ("?options=-c%20search_path%3Dx", "?options=-c%20search_path%3Dx", None),
        ("?ssl=true", "?sslmode=require", None),
        ("?ssl=prefer&load_balance_hosts=random", "?sslmode=prefer", None),
    ],
)
def test_what_the_driver_does_not_take_is_left_out(query: str, kept: str, patience: float | None) -> None:
    assert for_driver(URL + query) == (URL + kept, patience)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            URL + "?channel_binding=require",
            "'channel_binding' with a value, which cannot be kept here: leave it out, and use sslmode=verify-full",
        ),
        (URL + "?gssencmode=require", "'gssencmode' with a value"),
        (URL + "?conect_timeout=hidden", "'conect_timeout', which is not known here"),
        (URL + "?connect_timeout=hidden", "'connect_timeout' that is no whole number"),
        ("postgresql+asyncpg://u:hidden@h/db", "must begin with postgresql://"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name_and_no_value_is_shown(url: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        for_driver(url)
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize("name", ["require_auth", "hostaddr", "sslcrldir"])
def test_what_the_driver_cannot_do_is_refused_with_what_to_write_instead(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}', which cannot be kept here: leave it out, and "):
        for_driver(f"{URL}?{name}=x")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("sslmode=hidden", "'sslmode' that is none of disable"),
        ("sslmode=verify-full&sslrootcert=/no/hidden", "a file in 'sslrootcert' that is not there"),
        (f"sslmode=verify-full&sslrootcert=/{'hidden' * 50}", "a file in 'sslrootcert' that is not there"),
        ("sslmode=require&sslrootcert=system", "takes sslmode=verify-full"),
    ],
)
def test_tls_that_cannot_be_is_refused_before_a_connection_is_tried(query: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as refused:
        for_driver(f"{URL}?{query}")
    assert "hidden" not in str(refused.value)


def test_the_certificates_of_the_system_are_a_file_and_the_name_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv(ssl.get_default_verify_paths().openssl_cafile_env, str(tmp_path / "ca.pem"))
    wanted = "postgresql://h/db?sslrootcert=" + quote(str(tmp_path / "ca.pem"), safe="") + "&sslmode=verify-full"
    assert for_driver("postgresql://h/db?sslrootcert=system") == (wanted, None)


@pytest.mark.parametrize(
    ("url", "environ", "driven"),
    [
        ("postgresql://h/db", {}, "postgresql://h/db"),
        ("postgresql://h1,h2/db", {}, "postgresql://h1,h2/db?target_session_attrs=read-write"),
        ("postgresql://h1,h2/db?target_session_attrs=any", {}, "postgresql://h1,h2/db?target_session_attrs=read-write"),
        (
            "postgresql://h1,h2/db?target_session_attrs=primary",
            {},
            "postgresql://h1,h2/db?target_session_attrs=primary",
        ),
        ("postgresql:///db?host=h1,h2", {}, "postgresql:///db?host=h1%2Ch2&target_session_attrs=read-write"),
        ("postgresql://", {"PGHOST": "h1,h2"}, "postgresql://?target_session_attrs=read-write"),
        ("postgresql://h/db", {"PGCONNECT_TIMEOUT": "3", "PGSSLMODE": "require"}, "postgresql://h/db?sslmode=require"),
        ("postgresql://h/db?sslmode=prefer", {"PGSSLMODE": "disable"}, "postgresql://h/db?sslmode=prefer"),
    ],
)
def test_a_node_is_led_to_the_primary_as_libpq_is(url: str, environ: dict[str, str], driven: str) -> None:
    assert for_node(url, environ) == driven
    assert for_node(driven, environ) == driven


@pytest.mark.parametrize(
    ("url", "environ", "told"),
    [
        ("postgresql://h/db?target_session_attrs=prefer-standby", {}, "'target_session_attrs' that leads to standbys"),
        ("postgresql://h/db", {"PGCHANNELBINDING": "require"}, "'channel_binding' with a value"),
        ("postgresql://h/db", {"PGHOSTADDR": "::1"}, "'hostaddr', which cannot be kept"),
        ("postgresql://h1,,h2/db", {}, "one of them is empty"),
        ("postgresql://?service=none", {"PGSERVICEFILE": "/no/such"}, "names a service that is not in"),
    ],
)
def test_what_leads_a_node_astray_is_refused_by_name(url: str, environ: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        for_node(url, environ)


def test_a_service_counts_with_all_it_says_and_the_url_before_it(tmp_path: Path) -> None:
    file = tmp_path / "services"
    file.write_text("[svc]\nhost=h1,h2\nuser=u\npassword=100%\nconnect_timeout=10\nkeepalives=1\n")
    environ = {"PGSERVICEFILE": str(file), "PGSERVICE": "svc"}
    assert for_node("postgresql://", environ) == (
        "postgresql://?host=h1%2Ch2&user=u&password=100%25&target_session_attrs=read-write"
    )
    assert for_node("postgresql://?user=me", environ).count("user=me") == 1
    file.write_text("[svc]\nhost=h\nchannel_binding=require\n")
    with pytest.raises(ValueError, match="'channel_binding'"):
        for_node("postgresql://?service=svc", {"PGSERVICEFILE": str(file)})
    file.write_bytes(b"[svc]\nhost=\xff\n")
    with pytest.raises(ValueError, match="connection service file cannot be understood"):
        for_node("postgresql://?service=svc", {"PGSERVICEFILE": str(file)})
