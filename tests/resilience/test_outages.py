"""One line when something begins to fail, one when it works again, whatever happens in between."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.resilience.events import Event, Log
from holdfast.resilience.outages import MAX_OUTAGES, STALE_S, Outages
from tests.support.lines import lines_of

WHATS, PARTS = st.sampled_from(["a", "b"]), st.sampled_from(["reads", "writes"])


def test_an_outage_is_two_lines() -> None:
    now = 0.0
    outages = Outages(monotonic=lambda: now)
    with lines_of("holdfast.resilience.outages") as told:
        outages.works("Redis")
        for _ in range(100):
            outages.failed("Redis", "it does not answer")
        now = 7.0
        outages.works("Redis")
        outages.works("Redis")
    assert told == [("warning", "Redis fails: it does not answer"), ("info", "Redis works again, after 7 s")]


@given(st.lists(st.tuples(WHATS, PARTS, st.booleans())))
def test_a_thing_fails_as_long_as_a_part_of_it_does(reports: list[tuple[str, str, bool]]) -> None:
    outages, failing, expected = Outages(), set[tuple[str, str]](), list[str]()
    with lines_of("holdfast.resilience.outages") as told:
        for what, part, works in reports:
            before = any(each == what for each, _ in failing)
            if works:
                outages.works(what, part)
                failing.discard((what, part))
            else:
                outages.failed(what, "why", part)
                failing.add((what, part))
            if before != (after := any(each == what for each, _ in failing)):
                expected.append(f"{what} {'fails' if after else 'works'}")
    assert [" ".join(text.replace(":", "").split()[:2]) for _, text in told] == expected


def test_memory_is_bounded_and_the_newest_are_known() -> None:
    outages = Outages()
    with lines_of("holdfast.resilience.outages") as told:
        for number in range(MAX_OUTAGES + 1):
            outages.failed(str(number), "why")
        for number in range(MAX_OUTAGES + 1):
            outages.works(str(number))
    assert [level for level, _ in told].count("info") == MAX_OUTAGES


def test_what_failed_a_day_ago_is_told_of_again() -> None:
    now = 0.0
    outages = Outages(monotonic=lambda: now)
    with lines_of("holdfast.resilience.outages") as told:
        outages.failed("a", "why")
        now = STALE_S + 1
        outages.failed("a", "why")
        outages.forget("a")
        outages.works("a")
    assert [text for _, text in told] == ["a fails: why"] * 2


def test_an_event_has_its_name_and_facts_beside_the_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, __name__):
        Log(__name__)(Event.KEY_SEALS, key_id="k1")
        Log(__name__)(Event.WORK_WAITS, what="a", reason="b")
    (record,) = caplog.records
    assert record.getMessage() == "The key k1 seals from now on"
    assert (vars(record)["event"], vars(record)["facts"]) == ("key_seals", {"key_id": "k1"})
