"""The machinery of the histories, and one seed of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.proof.history.__main__ import postgres
from tests.proof.history.checking import check
from tests.proof.history.events import Op
from tests.proof.history.faults import DURING_S, LINKS, PROCESSES, STOPPED_S, Blow, Fault, faults_of
from tests.proof.history.links import Wrong
from tests.proof.history.test_checking import history, missed, read, wrote
from tests.proof.history.trial import history_of
from tests.proof.history.verdicts import Judged, Verdicts, judged, summary, went_well
from tests.proof.trials import Verdict

SHORT = {
    1: (
        Fault(0.5, 1.0, "vault", Wrong.MUTE),
        Fault(0.8, 0.5, "redis-1", Wrong.HANG),
        Fault(1.2, 0.6, "postgres-0", Wrong.CUT),
    ),
    2: (
        Fault(0.3, 0.8, "postgres-1", Wrong.LATE),
        Fault(0.6, 0.6, "clients-0", Wrong.MUTE),
        Fault(0.9, 0.4, "vault", Wrong.RESET),
    ),
    3: (
        Fault(0.4, 0.8, "postgres-0", Wrong.REFUSE),
        Fault(0.7, 0.5, "target", Wrong.HANG),
        Fault(1.3, 0.4, "vault", Wrong.DRIP),
    ),
}
"""A bit of everything but what takes leases, or PostgreSQL's own recovery, to heal."""


def test_a_seed_is_the_same_faults_each_time() -> None:
    assert faults_of(7) == faults_of(7)
    assert len({tuple(faults_of(seed)) for seed in range(50)}) == 50


def test_seeds_together_have_every_fault_at_every_place() -> None:
    faults = [fault for seed in range(600) for fault in faults_of(seed)]
    met = {(fault.where, fault.what) for fault in faults}
    wanted: set[tuple[str, Wrong | Blow]] = {(where, wrong) for where in ("vault", *LINKS) for wrong in Wrong}
    wanted |= {
        (where, blow) for where in PROCESSES for blow in (Blow.KILL, Blow.STOP, Blow.CLOCK, Blow.SYNC, Blow.FULL)
    }
    wanted |= {("postgres-itself", blow) for blow in (Blow.BACKEND, Blow.POSTMASTER, Blow.FAILOVER, Blow.READ_ONLY)}
    assert met == wanted
    assert all(fault.at_s + fault.lasts_s <= DURING_S for fault in faults)
    assert all(fault.lasts_s >= STOPPED_S for fault in faults if fault.what is Blow.STOP)


def verdict_of(seed: int, commit: str, verdict: Verdict) -> Judged:
    return Judged(seed=seed, commit=commit, verdict=verdict, took_s=1.0, operations={"ok": 3})


def test_verdicts_stay_and_settle_a_seed_on_its_commit(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path / "proof")
    assert verdicts.all() == []
    for seed, each in enumerate((Verdict.HOLDS, Verdict.FAILS, Verdict.UNFINISHED)):
        verdicts.add(verdict_of(seed, "abc", each))
    assert verdicts.settled("abc") == {0, 1}
    assert verdicts.settled("def") == set()
    assert verdicts.settled("abc+") == set()


@pytest.mark.parametrize(
    ("verdicts", "well"),
    [
        ([], True),
        ([Verdict.HOLDS, Verdict.UNFINISHED], True),
        ([Verdict.UNFINISHED], False),
        ([Verdict.HOLDS, Verdict.FAILS], False),
    ],
)
def test_a_run_in_which_no_history_was_judged_has_shown_nothing(verdicts: list[Verdict], well: bool) -> None:
    assert went_well([verdict_of(1, "abc", each) for each in verdicts]) is well


def test_a_line_that_was_cut_costs_that_line_alone(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    verdicts.add(verdict_of(1, "abc", Verdict.HOLDS))
    with verdicts.file.open("ab") as file:
        file.write(b'{"seed": 2, "comm\n')
    verdicts.add(verdict_of(3, "abc", Verdict.HOLDS))
    assert [each.seed for each in verdicts.all()] == [1, 3]


def test_a_failing_history_is_kept_whole_and_cut(tmp_path: Path) -> None:
    verdicts = Verdicts(tmp_path)
    noise = [wrote(10 + n, f"n{n}", n + 1, name="other") for n in range(20)]
    found = history(wrote(1, "a", 1), *noise, missed(50))
    verdict = judged(9, "abc", 3.0, found, faults_of(9), check(found))
    assert verdict.verdict is Verdict.FAILS
    whole, cut = verdicts.keep(verdict, found)
    assert len(whole.read_bytes().splitlines()) == 2 + 22
    assert len(cut.read_bytes().splitlines()) == 2 + 2


def test_the_summary_counts() -> None:
    held = history(wrote(1, "a", 1), read(2, "a", 1))
    failed = history(wrote(1, "a", 1), missed(2))
    told = summary([judged(n, "abc", 1.0, each, (), check(each)) for n, each in enumerate((held, failed))])
    assert "2 runs of 2 seeds: 1 FAILS, 1 holds." in told
    assert "4 operations: 3 ok, 1 refused." in told
    assert "Violations: 1 I2." in told
    assert "seed 1 on abc: k: not found" in told


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[EmbeddedPostgres]:
    async with postgres() as server:
        yield server


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SHORT)
async def test_i1_i6_a_short_history_holds(server: EmbeddedPostgres, seed: int) -> None:
    found = await history_of(seed, server, faults=SHORT[seed], during_s=2.5)
    assert check(found) == []
    assert {event.op for event in found.events if event.ok} >= {Op.SET, Op.GET}
