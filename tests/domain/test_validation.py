"""The limits of what callers may say, at and around each bound; anything else is InvalidInput, whatever it is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import validation
from holdfast.domain.changes import KEEP, Keep
from holdfast.domain.secret import Attributes, RotationPolicy, SecretSettings
from holdfast.errors import InvalidInput

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EARLIEST, LATEST = datetime(1970, 1, 2), datetime(9999, 12, 30)  # noqa: DTZ001 - hypothesis adds the zone
UNICODE = st.characters(codec="utf-8")
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.datetimes(timezones=st.one_of(st.none(), st.timezones())),
    st.lists(st.text()),
    st.dictionaries(st.text(), st.one_of(st.text(), st.integers())),
    st.builds(RotationPolicy, enabled=st.just("yes")),
    st.builds(object),
)
CHECKS: list[Callable[[object], object]] = [
    validation.valid_value,
    lambda raw: validation.valid_tags(raw, for_vault=True),
    validation.valid_content_type,
    validation.valid_description,
    lambda raw: validation.valid_moment("expires_at", raw),
    lambda raw: validation.valid_future("expires_at", raw, NOW),
    lambda raw: validation.valid_flag("enabled", raw),
    validation.valid_addresses,
    validation.valid_rotation_policy,
    validation.valid_idempotency_key,
    validation.valid_expected_generation,
    validation.valid_version,
    validation.valid_history_limit,
    validation.valid_days,
]


def refusal(check: Callable[[], object]) -> str:
    with pytest.raises(InvalidInput) as caught:
        check()
    assert caught.value.field
    assert str(caught.value).endswith(".")
    return str(caught.value)


def outcome(check: Callable[[object], object], raw: object) -> str:
    try:
        check(raw)
    except InvalidInput as error:
        return str(error)
    return ""


@given(st.sampled_from(CHECKS), ANYTHING)
def test_whatever_is_given_is_taken_or_is_invalid_input(check: Callable[[object], object], raw: object) -> None:
    assert outcome(check, raw) == outcome(check, raw)


@given(st.text(UNICODE, max_size=200))
def test_text_is_kept_as_it_is(text: str) -> None:
    assert validation.valid_value(text).reveal() == text


@pytest.mark.parametrize("text", ["", "a\0b", "line\r\nline\n", "\ufeffé", "x" * 25_600, "é" * 12_800])
def test_values_up_to_the_limit(text: str) -> None:
    assert validation.valid_value(text).reveal() == text


@pytest.mark.parametrize(
    ("raw", "mend"),
    [
        ("x" * 25_601, "25,601 bytes"),
        ("é" * 12_801, "25,602 bytes"),
        ("\ud800", "surrogate"),
        (b"x", "bytes"),
        (None, "text"),
    ],
)
def test_values_beyond_it(raw: object, mend: str) -> None:
    assert mend in refusal(lambda: validation.valid_value(raw))


@pytest.mark.parametrize("for_vault", [True, False])
def test_there_may_be_as_many_tags_as_key_vault_takes(for_vault: bool) -> None:
    tags = {f"key{i}": "" for i in range(15)}
    assert validation.valid_tags(tags, for_vault=for_vault) == tags
    assert "limit is 15" in refusal(lambda: validation.valid_tags({**tags, "more": ""}, for_vault=for_vault))


@pytest.mark.parametrize(
    ("tags", "mend"),
    [
        ({"": "x"}, "has a key that is not text of 1 to 512"),
        ({"k" * 513: "x"}, "has a key"),
        ({"k": "v" * 513}, "has a value that is not text of 0 to 512"),
        ({"k": 1}, "has a value"),
        ({1: "v"}, "has a key"),
        ({"k": None}, "has a value"),
        ({"k": "a\0b"}, "NUL"),
        ({"k": "\udfff"}, "surrogate"),
        ({"Holdfast": "1.x"}, "rename"),
        ([("k", "v")], "must map"),
        ("k=v", "must map"),
    ],
)
def test_tags_beyond_the_limits(tags: object, mend: str) -> None:
    assert mend in refusal(lambda: validation.valid_tags(tags, for_vault=True))


def test_tags_at_the_limits() -> None:
    tags = {"k" * 512: "v" * 512, "empty": ""}
    assert validation.valid_tags(tags, for_vault=True) == tags
    assert validation.valid_tags({"holdfast": "x"}, for_vault=False) == {"holdfast": "x"}
    assert validation.valid_tags(None, for_vault=False) == {}


def test_content_type_and_description() -> None:
    assert validation.valid_content_type("c" * 255) == "c" * 255
    assert "255" in refusal(lambda: validation.valid_content_type("c" * 256))
    assert validation.valid_description("d" * 1000) == "d" * 1000
    assert "1,000" in refusal(lambda: validation.valid_description("d" * 1001))
    assert "NUL" in refusal(lambda: validation.valid_description("\0"))


@given(st.datetimes(EARLIEST, LATEST, timezones=st.timezones()))
def test_moments_come_back_in_utc_and_whole_seconds(moment: datetime) -> None:
    valid = validation.valid_moment("expires_at", moment)
    assert valid is not None
    assert valid.tzinfo is UTC
    assert valid.microsecond == 0
    assert timedelta(0) <= moment - valid < timedelta(seconds=1)


@pytest.mark.parametrize(
    ("raw", "mend"),
    [
        (datetime(2027, 1, 1), "no time zone"),  # noqa: DTZ001 - that is the fault
        (datetime(1969, 12, 31, 23, 59, tzinfo=UTC), "1970 to 9999"),
        (datetime.max.replace(tzinfo=timezone(timedelta(hours=-1))), "1970 to 9999"),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=1))), "1970 to 9999"),
        ("2027-01-31", "datetime, not str"),
        (1_800_000_000, "datetime, not int"),
    ],
)
def test_other_moments_are_refused(raw: object, mend: str) -> None:
    assert mend in refusal(lambda: validation.valid_moment("expires_at", raw))


def test_an_expiry_may_be_in_the_past_and_a_grants_may_not() -> None:
    past = NOW - timedelta(days=1)
    assert validation.valid_attributes(expires_at=past, for_vault=True).expires_at == past
    assert "passed already" in refusal(lambda: validation.valid_future("expires_at", NOW, NOW))
    assert validation.valid_future("expires_at", NOW + timedelta(seconds=1), NOW) == NOW + timedelta(seconds=1)


def test_a_secret_must_be_valid_for_some_time() -> None:
    later = NOW + timedelta(seconds=1)
    assert validation.valid_attributes(not_before=NOW, expires_at=later, for_vault=True).expires_at == later
    assert "later than not_before" in refusal(
        lambda: validation.valid_attributes(not_before=NOW, expires_at=NOW, for_vault=True)
    )


def test_nothing_given_is_the_default() -> None:
    assert validation.valid_attributes(for_vault=True) == Attributes()
    assert validation.valid_settings() == SecretSettings()


def test_settings_are_checked_one_by_one() -> None:
    assert "refuse_outside_validity" in refusal(lambda: validation.valid_settings(refuse_outside_validity=1))


@pytest.mark.parametrize("address", ["ops@example.com", "a+b@x", "é@bücher.example", "o" * 242 + "@example.com"])
def test_addresses(address: str) -> None:
    assert validation.valid_addresses([address]) == (address,)


@pytest.mark.parametrize(
    "raw",
    [
        "ops@example.com",
        ["ops"],
        ["@example.com"],
        ["ops@"],
        ["a@b@c"],
        ["a@b\r\nBcc: c@d"],
        ["a@b,c@d"],
        ["Ops <a@b>"],
        ["a @b"],
        ["a" * 250 + "@b.cd"],
        [None],
        [f"a{i}@b" for i in range(21)],
        repeat("a@b"),
        7,
    ],
)
def test_what_is_no_address_list(raw: object) -> None:
    assert refusal(lambda: validation.valid_addresses(raw)).startswith("notify_on_expiry ")


def test_rotation_policies() -> None:
    policy = RotationPolicy(interval_days=3650, notify_days_before=3650)
    assert validation.valid_rotation_policy(policy) is policy
    assert validation.valid_rotation_policy(None) is None


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (RotationPolicy(interval_days=0, notify_days_before=0), "interval_days"),
        (RotationPolicy(interval_days=3651), "interval_days"),
        (RotationPolicy(interval_days=True), "interval_days"),
        (RotationPolicy(interval_days=7, notify_days_before=8), "notify_days_before"),
        (RotationPolicy(notify_days_before=-1), "notify_days_before"),
        ({"interval_days": 90}, "RotationPolicy"),
    ],
)
def test_rotation_policies_out_of_bounds(policy: object, field: str) -> None:
    assert field in refusal(lambda: validation.valid_rotation_policy(policy))


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (validation.valid_expected_generation, [None, 0, 2**63 - 1], [-1, 2**63, True, 1.0, "1"]),
        (validation.valid_version, [1, 2**63 - 1, "0" * 31 + "a"], [0, -1, True, "1", "g" * 32, None, 1.5]),
        (validation.valid_history_limit, [1, 1000], [0, 1001, False]),
        (validation.valid_days, [0, 3650], [-1, 3651, None]),
        (validation.valid_idempotency_key, [None, "k", "k" * 255, "a b"], ["", "k" * 256, "é", "a\n", 1]),
    ],
)
def test_bounds(check: Callable[[object], object], good: list[object], bad: list[object]) -> None:
    assert [check(raw) for raw in good] == good
    assert all(outcome(check, raw) for raw in bad)


@given(st.sampled_from(CHECKS), st.text(max_size=20))
def test_no_refusal_repeats_what_was_given(check: Callable[[object], object], text: str) -> None:
    for raw in (text := f"c4n4ry{text}\0" * 5000), [text], {text: text}:
        assert outcome(check, raw)
        assert check is validation.valid_version or "c4n4ry" not in outcome(check, raw)  # ids are no secrets


def test_keep_is_a_value_of_its_own_type() -> None:
    assert isinstance(KEEP, Keep)
    assert repr(KEEP) == "KEEP"
