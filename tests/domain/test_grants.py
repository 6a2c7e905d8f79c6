"""The decision about one subject, against an oracle that looks at every grant in the plainest way."""

import fnmatch
import timeit
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.grantindex import GrantIndex
from holdfast.domain.names import covers, matches
from holdfast.domain.policy import (
    MAX_IDENTITY_LENGTH,
    Grant,
    Permission,
    canonical_subject,
    may_delegate,
    may_withdraw,
)
from holdfast.domain.roles import ROLES, Role, parse_role
from holdfast.errors import InvalidInput

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOMENTS = (None, NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1), NOW + timedelta(days=1))

# Few letters and short texts, so that names and patterns meet often.
NAMES = st.text("ab-", min_size=1, max_size=5)
GLOBS = st.tuples(st.text("ab-", max_size=3), st.text("ab-", max_size=3)).map("*".join)
PATTERNS = NAMES | GLOBS
GRANTS = st.builds(
    Grant,
    user_id=st.just("alice"),
    pattern=PATTERNS,
    permissions=st.frozensets(st.sampled_from(Permission), min_size=1, max_size=4),
    granted_by=st.just("root"),
    expires_at=st.sampled_from(MOMENTS),
    rule=st.uuids().map(str),
)
ALL_NAMES = ["".join(letters) for length in (1, 2, 3, 4) for letters in product("ab-", repeat=length)]


def oracle(grants: list[Grant], permission: Permission, name: str) -> set[str]:
    """The rules of all grants that say yes. The standard library's globs know `*` alone in these alphabets."""
    return {
        grant.rule
        for grant in grants
        if permission in grant.permissions
        and fnmatch.fnmatchcase(name, grant.pattern)
        and (grant.expires_at is None or grant.expires_at > NOW)
    }


@given(st.lists(GRANTS, max_size=6), st.sampled_from(Permission))
def test_a_permission_on_anything_at_all_is_one_that_some_grant_in_force_gives(
    grants: list[Grant], permission: Permission
) -> None:
    in_force = [grant for grant in grants if grant.expires_at is None or grant.expires_at > NOW]
    expected = any(permission in grant.permissions for grant in in_force)
    assert GrantIndex(grants).gives(permission, lambda: NOW) == expected


@settings(max_examples=1500, deadline=None)
@given(st.lists(GRANTS, max_size=12), st.sampled_from(Permission), NAMES)
def test_a_decision_is_yes_exactly_when_some_grant_says_so(
    grants: list[Grant], permission: Permission, name: str
) -> None:
    sayers = oracle(grants, permission, name)
    found = GrantIndex(grants).find(permission, name, lambda: NOW)
    assert (found is not None) == bool(sayers)
    assert found is None or found.rule in sayers


@settings(max_examples=400, deadline=None)
@given(st.lists(GRANTS, max_size=12), st.sampled_from(Permission), NAMES, st.randoms())
def test_the_order_of_grants_decides_nothing(
    grants: list[Grant], permission: Permission, name: str, random: Random
) -> None:
    shuffled = random.sample(grants, len(grants))
    one, other = (GrantIndex(order).find(permission, name, lambda: NOW) for order in (grants, shuffled))
    assert (one is None) == (other is None)
    assert one is None or other is None or one.pattern == other.pattern


def test_the_most_specific_rule_is_the_one_named() -> None:
    grants = [
        Grant(
            user_id="alice",
            pattern=pattern,
            permissions=frozenset({Permission.GET}),
            granted_by="root",
            rule=pattern,
        )
        for pattern in ("*", "pay*", "payments-*", "*-db", "payments-db")
    ]
    index = GrantIndex(grants)
    named = {name: index.find(Permission.GET, name, lambda: NOW) for name in ("payments-db", "payments-x", "pay", "y")}
    assert {name: grant and grant.rule for name, grant in named.items()} == {
        "payments-db": "payments-db",
        "payments-x": "payments-*",
        "pay": "pay*",
        "y": "*",
    }


def test_many_grants_cost_a_decision_hardly_more_than_few() -> None:
    """Against looking at each of 2,000 grants: a hundredth is usual, a tenth would be far too much."""
    patterns = [f"team{number}-{end}" for number in range(1000) for end in ("*", "db")]
    grants = [
        Grant(user_id="alice", pattern=pattern, permissions=frozenset({Permission.GET}), granted_by="root")
        for pattern in patterns
    ]
    index, names = GrantIndex(grants), [f"team{number}-api" for number in range(900, 1000)]

    def by_index() -> list[bool]:
        return [index.find(Permission.GET, name, lambda: NOW) is not None for name in names]

    def by_looking() -> list[bool]:
        return [any(grant.allows(Permission.GET, name, NOW) for grant in grants) for name in names]

    assert by_index() == by_looking() == [True] * len(names)
    assert min(timeit.repeat(by_index, number=1, repeat=5)) * 10 < min(timeit.repeat(by_looking, number=1, repeat=5))


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATTERNS)
def test_a_pattern_that_covers_another_covers_all_its_names(outer: str, inner: str) -> None:
    if covers(outer, inner):
        assert all(matches(outer, name) for name in ALL_NAMES if matches(inner, name))


DELEGATED = st.builds(
    Grant,
    user_id=st.just("alice"),
    pattern=st.sampled_from(["*", "a*", "*b", "a*b", "ab*", "a", "ab", "b"]),
    permissions=st.sampled_from([{Permission.GET}, {Permission.GRANT}, {Permission.GET, Permission.GRANT}]).map(
        frozenset
    ),
    granted_by=st.just("root"),
    expires_at=st.sampled_from(MOMENTS),
)
"""Few enough that much of what is wanted is nearly held."""


@settings(max_examples=1500, deadline=None)
@given(st.lists(DELEGATED, max_size=5), DELEGATED)
def test_what_may_be_handed_out_is_held_on_every_name_and_until_its_end(held: list[Grant], wanted: Grant) -> None:
    if not may_delegate(held, wanted, NOW):
        return
    assert may_withdraw(held, wanted.pattern, NOW)
    end = wanted.expires_at or NOW + timedelta(days=365_000)
    for name in (name for name in ALL_NAMES if matches(wanted.pattern, name)):
        for permission in wanted.permissions:
            assert any(grant.allows(permission, name, NOW) for grant in held)
            assert any(
                permission in grant.permissions
                and matches(grant.pattern, name)
                and (grant.expires_at is None or grant.expires_at >= end)
                for grant in held
            )


def test_no_grant_outlives_the_one_it_comes_from() -> None:
    held = [
        Grant(
            user_id="alice",
            pattern="*",
            permissions=frozenset(Permission),
            granted_by="root",
            expires_at=NOW + timedelta(hours=1),
        )
    ]

    def wanted(expires_at: datetime | None) -> Grant:
        return Grant(
            user_id="alice",
            pattern="*",
            permissions=frozenset({Permission.GET}),
            granted_by="alice",
            expires_at=expires_at,
        )

    assert may_delegate(held, wanted(NOW + timedelta(hours=1)), NOW)
    assert not may_delegate(held, wanted(NOW + timedelta(hours=1, seconds=1)), NOW)
    assert not may_delegate(held, wanted(None), NOW)


def test_every_role_is_a_set_of_permissions_and_admin_is_all_of_them() -> None:
    assert set(ROLES) == set(Role)
    assert ROLES[Role.ADMIN] == set(Permission)
    assert all(ROLES[role] < ROLES[Role.ADMIN] for role in set(Role) - {Role.ADMIN})
    assert all(Permission.GET not in ROLES[role] for role in (Role.OPERATOR, Role.AUDITOR))
    assert all(Permission.GRANT not in ROLES[role] for role in set(Role) - {Role.ADMIN})


@pytest.mark.parametrize("raw", ["Admin", " admin", "root", "", None, 7, ["admin"]])
def test_no_other_roles(raw: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_role(raw)
    assert refused.value.field == "role"


@pytest.mark.parametrize("subject", ["alice", "group:ops", "group:Ops Team", "group:group:x", "group:system"])
def test_subjects(subject: str) -> None:
    assert canonical_subject(subject) == subject


@pytest.mark.parametrize(
    "subject",
    ["group:", "group: ops", "group:ops ", "Group:ops", "GROUP:ops", "group:\u0456", "system", "*", "", None,
     "group:" + "x" * (MAX_IDENTITY_LENGTH - 5)],
)  # fmt: skip
def test_no_other_subjects(subject: object) -> None:
    with pytest.raises(InvalidInput):
        canonical_subject(subject)
