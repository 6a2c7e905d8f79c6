"""What records say was taken, and given back."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.audit import AuditRecord
from holdfast.domain.revocations import ACCEPTED, READERS, Taken, of_identity, told_by
from holdfast.ports import RuleKind, StoredRule

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = st.from_regex(r"[!-~](?:[ -~]{0,20}[!-~])?", fullmatch=True).filter(lambda name: ACCEPTED not in name)
GROUPS = st.sets(st.from_regex(r"[a-z0-9][a-z0-9._-]{0,9}", fullmatch=True), max_size=4)
ENDS = st.none() | st.datetimes(min_value=datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - has a zone


def record(operation: str, detail: str | None, at: int = 0, *, name: str = "*", success: bool = True) -> AuditRecord:
    return AuditRecord(
        timestamp=START + timedelta(seconds=at),
        user_id="ops",
        operation=operation,
        name=name,
        success=success,
        detail=detail,
    )


@given(NAMES, st.uuids(), GROUPS)
def test_whom_a_record_is_about_is_read_back_from_any_name(name: str, token: UUID, groups: set[str]) -> None:
    told = told_by(
        [
            record("token.revoke", of_identity(name, token=token)),
            record("identity.disable", of_identity(name)),
            record("identity.groups", of_identity(name, groups=groups) + ACCEPTED + "membership of x made by y"),
        ]
    )
    found = {each.taken: each for each in told.revocations}
    assert told.unclear == ()
    assert len(found) == 3
    assert {each.subject for each in found.values()} == {name}
    assert found[Taken.TOKEN].item == str(token)
    assert set(found[Taken.GROUPS].left) == groups


@given(NAMES, st.sets(st.sampled_from(["get", "list", "grant", "of_later-on"]), min_size=1), ENDS)
def test_what_is_left_of_a_rule_is_read_back_from_its_summary(
    subject: str, terms: set[str], until: datetime | None
) -> None:
    rule = StoredRule(
        kind=RuleKind.GRANT,
        subject=subject,
        pattern="k-*",
        terms=tuple(terms),
        granted_by="ops",
        granted_at=START,
        expires_at=until,
    )
    (found,) = told_by([record("grant", rule.summary, name="k-*")]).revocations
    assert (found.subject, set(found.left), found.until, found.pattern) == (subject, terms, until, "k-*")


def test_nobody_is_meant_by_a_name_that_looks_like_the_end_of_a_record() -> None:
    (found,) = told_by([record("identity.remove", of_identity("app" + ACCEPTED + "x"))]).revocations
    assert found.subject == "app; accepted x"


def test_the_last_record_about_a_thing_is_the_one_that_counts() -> None:
    told = told_by(
        [
            record("grant", "eve: get", 3, name="k"),
            record("revoke", "eve: everything", 2, name="k"),
            record("identity.enable", of_identity("app"), 5),
            record("identity.disable", of_identity("app"), 4),
            record("identity.disable", of_identity("other"), 6),
        ]
    )
    assert [(each.taken, each.left) for each in told.revocations] == [(Taken.ENABLED, ()), (Taken.GRANT, ("get",))]


def test_refusals_take_nothing_and_what_does_not_say_what_it_took_is_told() -> None:
    refused = record("token.revoke", of_identity("app", token=uuid4()), success=False)
    silent = [record(operation, None) for operation in READERS if operation != "admin.reset"]
    other = record("token.revoke", of_identity("app"))
    told = told_by([refused, *silent, other, record("get", None)])
    assert told.revocations == ()
    assert list(told.unclear) == [*silent, other]
