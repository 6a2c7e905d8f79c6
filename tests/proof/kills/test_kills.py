"""The machinery of the kill loop, and a short form of it."""

import random
from collections import Counter
from pathlib import Path

import pytest

from holdfast.service.crashpoints import CRASH_POINTS, PROPOSAL_CRASH_POINTS
from holdfast.service.notices.delivery import NOTICE_CRASH_POINTS
from holdfast.service.rotation.driver import ROTATION_CRASH_POINTS
from tests.proof.history.checking import check
from tests.proof.history.events import Outcome
from tests.proof.history.faults import Blow
from tests.proof.history.verdicts import Judged, Verdicts
from tests.proof.kills.__main__ import summary
from tests.proof.kills.epoch import begun
from tests.proof.kills.loop import LEAST, LIVES, chosen, lacking, tallied
from tests.proof.kills.points import ANY, BACKEND, POSTMASTER, all_points, in_source, takers
from tests.proof.kills.served import DURING_S, blows_of
from tests.proof.trials import Verdict
from tests.support.cluster import quick_postgres
from tests.support.folders import short_folder

SOON_PASSED = [
    *("applying.looked", "applying.sending", "applying.sent", "replication.claimed", "replication.completed"),
    *("making.proposed", "making.answered", "proposing.enacted", "sequencer.written", "sequencer.chained"),
    *("adoption.adopting", "rules.put", "rules.removed", "keys.activated", "driver.applied", "driver.promoted"),
    *(ANY, ANY),
]
"""The others need what an earlier death left, or luck: the loop tries them again until they were hit."""


def test_every_point_of_the_source_is_one_that_the_loop_dies_at() -> None:
    assert {point.partition(".")[0] for point in in_source()} <= {
        taker.__module__.rpartition(".")[2] for taker in takers()
    }
    named = {point.partition(".")[2] for point in in_source()}
    assert named > {*CRASH_POINTS, *PROPOSAL_CRASH_POINTS, *ROTATION_CRASH_POINTS, *NOTICE_CRASH_POINTS}
    assert {*in_source(), ANY} < set(all_points())
    assert set(SOON_PASSED) <= set(all_points())


def test_points_that_were_hit_too_seldom_are_chosen_before_others() -> None:
    hits = Counter(dict.fromkeys(all_points(), LEAST))
    assert lacking(hits) == []
    hits["applying.sent"] -= 1
    assert lacking(hits) == ["applying.sent"]
    drawn = chosen(in_source(), hits, random.Random(1))
    assert "applying.sent" in drawn
    assert len(drawn) == LIVES
    assert drawn.count(ANY) == 1


def test_servers_lose_their_workers_most_of_all() -> None:
    blows = [blow for seed in range(10) for blow in blows_of(seed)]
    assert {blow.what for blow in blows} == {Blow.WORKER, Blow.KILL, Blow.BACKEND, Blow.POSTMASTER}
    assert sum(blow.what is Blow.WORKER for blow in blows) > len(blows) / 2
    assert all(blow.at_s < DURING_S for blow in blows)


def test_verdicts_count_and_name_what_is_lacking(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path, "kills")
    points = [point for point in all_points() if point != POSTMASTER] * LEAST
    verdicts.add(
        Judged(
            seed=1,
            commit="abc",
            verdict=Verdict.HOLDS,
            took_s=1.0,
            faults=tuple(points),
            operations={"set ok": 3, "get refused": 4},
        )
    )
    assert verdicts.file == tmp_path / "kills.jsonl"
    assert tallied(verdicts.all())[BACKEND] == LEAST
    told = summary(verdicts.all())
    assert f"{len(points)} kills in 1 installations: 1 holds." in told
    assert "7 operations, 3 of them acknowledged." in told
    assert f"Hit too seldom: {POSTMASTER}." in told


@pytest.mark.timeout(600)
async def test_i1_i2_i4_i9_i10_what_left_killed_processes_is_true(tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = tmp_path_factory.getbasetemp()
    with short_folder() as folder:
        async with quick_postgres(shared) as server, begun(server, folder, 1) as epoch:
            epoch.ripe = (0,)
            await epoch.round(SOON_PASSED[::2], BACKEND)
            await epoch.round(SOON_PASSED[1::2], POSTMASTER)
            history, wrong = await epoch.ended()
    assert (check(history), wrong) == ([], [])
    assert epoch.hits.total() == len(SOON_PASSED) + 2
    assert {*epoch.hits} & in_source()
    assert (epoch.hits[BACKEND], epoch.hits[POSTMASTER]) == (1, 1)
    assert {event.outcome for event in history.events} == set(Outcome)
