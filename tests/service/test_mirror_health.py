"""What is said of a mirror that lacks something."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.bootstrap.background import gauging
from holdfast.domain.attributes import Attributes, nearest_date
from holdfast.domain.policy import AccessContext
from holdfast.ports import KeptOut, SyncStatus
from holdfast.service.notices.events import STUCK_FOR, on_kept_out
from holdfast.telemetry.cells import PLACES
from tests.support.node import BOB, Inside, opened, rows
from tests.support.scripted_vault import ScriptedVault

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)


@pytest.fixture
async def node(database_url: str, tmp_path: Path, scripted: ScriptedVault) -> AsyncIterator[Inside]:
    scripted.model.set("good", "v", Attributes())
    scripted.model.set("odd", "v", Attributes())
    async with opened(database_url, tmp_path, scripted) as node:
        yield node


async def test_names_that_are_kept_out_are_shown_to_those_who_may_list_them_alone(
    node: Inside,
) -> None:
    await node.parts.kept_out.put(kept("odd", INTERVAL))
    await node.service.grant_access("*", "bob", ["operate"])
    await node.service.grant_access("o*", "carol", ["list"])
    await node.service.grant_access("*", "carol", ["operate"])
    theirs = await node.service.get_secret_health(context=BOB)
    assert (theirs.kept_out, theirs.kept_out_names, theirs.healthy) == (1, [], False)
    assert not any("odd" in advice for advice in theirs.recommendations)
    assert (await node.service.reconcile(context=BOB)).kept_out == []
    carol = AccessContext(user_id="carol")
    for report in (
        (await node.service.get_secret_health(context=carol)).kept_out_names,
        (await node.service.reconcile(context=carol)).kept_out,
        (await node.service.get_secret_health()).kept_out_names,
    ):
        assert [kept.name for kept in report] == ["odd"]


async def test_an_expiry_that_no_date_can_hold_waits_for_a_person(node: Inside, scripted: ScriptedVault) -> None:
    seconds = 253402303861
    late = Attributes(expires_at=nearest_date(seconds), expires_at_seconds=seconds)
    scripted.model.update("odd", None, lambda _: late)
    await node.service.sync()
    report = await node.service.get_secret_health()
    assert (report.beyond_dates, report.healthy, report.kept_out) == (1, False, 0)
    assert any("no date can hold" in advice for advice in report.recommendations)


async def test_a_mirror_that_was_never_filled_is_a_fault_and_has_an_age(
    node: Inside, scripted: ScriptedVault, database_url: str
) -> None:
    gauges = gauging(node.parts)
    await gauges.look()
    assert shown(node, "holdfast_mirror_late") == 0.0, "no pass has begun yet"
    assert shown(node, "holdfast_mirror_age_seconds") is not None
    scripted.fail("list", status=403, code="Forbidden", inner="ForbiddenByRbac", times=50)
    report = await node.service.sync()
    assert report.incomplete is not None
    await rows(database_url, "UPDATE sync_state SET first_tried_at = now() - interval '2 hours'")
    await gauges.look()
    assert shown(node, "holdfast_mirror_late") == 1.0
    assert (shown(node, "holdfast_mirror_age_seconds") or 0.0) > 7000.0
    health = await node.service.get_secret_health()
    assert not health.healthy
    assert health.mirror_fault is not None
    assert "was never compared" in health.mirror_fault


def shown(node: Inside, name: str) -> float | None:
    """A gauge, as it would be scraped."""

    value = node.parts.recorder.cells.own[PLACES[name, ""]]
    return None if math.isnan(value) else value


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({}, None),
        ({"first_tried_at": NOW - 2 * INTERVAL}, None),
        ({"first_tried_at": NOW - 4 * INTERVAL}, "The mirror was never compared with the whole Key Vault."),
        (
            {"first_tried_at": NOW, "last_error": "no right to list."},
            "The mirror was never compared with the whole Key Vault (no right to list).",
        ),
        ({"last_finished_at": NOW - 3 * INTERVAL, "last_error": "away"}, None),
        (
            {"last_finished_at": NOW - 4 * INTERVAL, "last_error": "away"},
            "The mirror was not compared with the whole Key Vault since 2025-12-31 23:40 UTC (away).",
        ),
    ],
)
def test_three_missed_passes_are_a_fault(status: dict[str, object], fault: str | None) -> None:
    nothing: dict[str, object] = {"last_started_at": None, "last_finished_at": None, "last_error": None}
    assert SyncStatus(**{**nothing, **status}).fault(INTERVAL, NOW) == fault  # type: ignore[arg-type]  # of the table


def kept(name: str, ago: timedelta) -> KeptOut:
    return KeptOut(name=name, reason="odd_entry", detail="x", since=NOW - ago, attempts=1, next_attempt_at=NOW)


def test_there_is_one_notice_for_the_same_names_and_none_before_they_last() -> None:
    assert on_kept_out([kept("a", STUCK_FOR / 2)], NOW) == []
    lasting = [kept("b", STUCK_FOR), kept("a", STUCK_FOR)]
    (event,) = on_kept_out(lasting, NOW)
    assert (event.facts["number"], event.facts["names"]) == ("2", "a, b")
    assert on_kept_out(lasting[::-1], NOW) == [event]
    (another,) = on_kept_out([*lasting, kept("c", STUCK_FOR)], NOW)
    assert another.id != event.id
