"""The file that says what emergency access takes."""

from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.config.break_glass import load_policies
from holdfast.domain.break_glass import EmergencyPolicies, EmergencyPolicy
from holdfast.errors import ConfigurationError

EXAMPLE = Path(__file__).parents[2] / "docs" / "break-glass.example.toml"


def loaded(tmp_path: Path, text: str) -> EmergencyPolicies:
    file = tmp_path / "break-glass.toml"
    file.write_text(text)
    return load_policies(file)


def test_without_a_file_two_approve_for_an_hour_at_most_and_what_was_read_is_rotated() -> None:
    assert load_policies(None).of("any-secret") == EmergencyPolicy(
        pattern="any-secret", approvers=2, second_factor=False, max_duration=timedelta(hours=1), rotate=True
    )


def test_the_example_of_the_documents_is_valid() -> None:
    policies = load_policies(EXAMPLE)
    assert policies.of("payments-db").approvers == 2
    assert policies.of("payments-db").max_duration == timedelta(minutes=30)
    assert policies.of("status-page-token") == EmergencyPolicy(
        pattern="status-page-token",
        approvers=0,
        second_factor=True,
        rotate=False,
        notify=policies.of("status-page-token").notify,
    )
    assert policies.default.notify == ("oncall@example.com",)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[default", "not readable TOML"),
        ("[other]\nx = 1", r"\[default\] table"),
        ("default = 1", r"\[default\] table"),
        ("[policy]\nnames = 'x'", r"\[\[policy\]\] tables"),
        ("[default]\napprovers = 0", "nobody is let in by their word alone"),
        ("[default]\napprovers = 0\nsecond_factor = false", "nobody is let in"),
        ("[default]\napprovers = 11", "approvers must be"),
        ("[default]\napprovers = true", "approvers must be"),
        ("[default]\nmax_duration_s = 86401", "max_duration_s must be"),
        ("[default]\nmax_duration_s = 59", "max_duration_s must be"),
        ("[default]\nrotate = 'no'", "rotate must be true or false"),
        ("[default]\nnames = 'x'", "names' is not a setting"),
        ("[default]\nnotify = ['nobody']", "notify must be"),
        ("[[policy]]\napprovers = 2", "policy 1: names must be"),
        ("[[policy]]\nnames = 'a*b*'", "policy 1: names must be"),
        ("[[policy]]\nnames = 'a'\nminimum = 1", "policy 1: 'minimum' is not a setting"),
    ],
)
def test_every_fault_is_named(tmp_path: Path, text: str, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        loaded(tmp_path, text)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        loaded(tmp_path, "[default]\napprovers = 'x'\nrotate = 1\n[[policy]]\n[[policy]]\nnames = 'ok'\nx = 1")
    assert len(refused.value.faults) == 4


def test_a_file_that_is_gone_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        load_policies(tmp_path / "none.toml")


def test_what_a_policy_does_not_say_is_as_in_the_default(tmp_path: Path) -> None:
    """Whoever hardens the default and shortens the time of some names has not made them easier to get at."""
    hardened = "[default]\napprovers = 3\nsecond_factor = true\nmax_duration_s = 600\n"
    policies = loaded(tmp_path, f"{hardened}[[policy]]\nnames = 'payments-*'\nrotate = false")
    assert policies.of("payments-db") == EmergencyPolicy(
        pattern="payments-db", approvers=3, second_factor=True, max_duration=timedelta(seconds=600), rotate=False
    )
    alone = "[default]\napprovers = 0\nsecond_factor = true\n"
    with pytest.raises(ConfigurationError, match="policy 1: without approvers"):
        loaded(tmp_path, f"{alone}[[policy]]\nnames = 'x'\nsecond_factor = false")
