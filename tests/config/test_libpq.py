"""Connection URIs of PostgreSQL, as the driver gets them."""

import pytest

from holdfast.config.libpq import for_driver

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
    ],
)
def test_what_the_driver_does_not_take_is_left_out(query: str, kept: str, patience: float | None) -> None:
    assert for_driver(URL + query) == (URL + kept, patience)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (URL + "?channel_binding=require", "'channel_binding' with a value that cannot be kept"),
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
