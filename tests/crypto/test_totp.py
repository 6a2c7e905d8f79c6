"""Codes of second factors: RFC 6238's own, each once, a step early or late."""

import re
from datetime import UTC, datetime

from holdfast.crypto.totp import matching_counter, new_totp_secret, provisioning_uri

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""RFC 6238, appendix B: the seed for SHA-1, in base32."""


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_codes_are_those_of_the_standard() -> None:
    for seconds, code in ((59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")):
        assert matching_counter(SECRET, code, at(seconds)) == seconds // 30


def test_a_code_counts_one_step_early_and_late_and_no_longer() -> None:
    found = {seconds: matching_counter(SECRET, "287082", at(seconds)) for seconds in (30, 59, 60, 89, 90)}
    assert found == {30: 1, 59: 1, 60: 1, 89: 1, 90: None}
    assert matching_counter(SECRET, "081804", at(1_111_111_109 - 30)) == 1_111_111_109 // 30
    assert matching_counter(SECRET, "081804", at(1_111_111_109 - 60)) is None


def test_what_is_no_code_matches_nothing() -> None:
    for code in ("", "28708", "2870820", "28708٢", 287082, None, "287083"):
        assert matching_counter(SECRET, code, at(59)) is None


def test_a_new_secret_is_long_and_another_each_time() -> None:
    first, second = new_totp_secret(), new_totp_secret()
    assert re.fullmatch("[A-Z2-7]{32}", first)
    assert first != second


def test_an_app_is_told_whose_code_it_is() -> None:
    uri = provisioning_uri(SECRET, "ana@example.com")
    assert uri == f"otpauth://totp/Holdfast:ana%40example.com?secret={SECRET}&issuer=Holdfast"
