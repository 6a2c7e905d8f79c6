"""The simulation's own promises: the same each time, everything met, broken builds found; and its first seeds."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.proof.history.events import Event, Op, Surface
from tests.proof.history.verdicts import Verdicts
from tests.proof.simulation.broken import BUILDS, broken
from tests.proof.simulation.command import NAME, Simulated, cell, table
from tests.proof.simulation.fates import CELLS, SYSTEMATIC, Kind, Way, weather_of
from tests.proof.simulation.work import blows_of, script_of
from tests.proof.trials import ROOT, Verdict

pytestmark = pytest.mark.timeout(600)


def tried(folder: Path, seeds: str, *more: str) -> list[Simulated]:
    """The verdicts on some seeds."""
    command = [sys.executable, "-m", "tests.proof.simulation", "--seeds", seeds, "--whole", "--folder", str(folder)]
    subprocess.run([*command, *more], cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    return [each for each in Verdicts(folder, NAME, Simulated).all() if isinstance(each, Simulated)]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> list[Simulated]:
    return tried(tmp_path_factory.mktemp("first"), f"0:{SYSTEMATIC}")


def test_the_first_seeds_hold(first: list[Simulated]) -> None:
    told = {each.seed: (each.why, each.violations) for each in first if each.verdict is not Verdict.HOLDS}
    assert told == {}
    assert [each.seed for each in first] == list(range(SYSTEMATIC))


def test_every_kind_of_wait_went_wrong_in_each_way(first: list[Simulated]) -> None:
    met = sum((Counter(each.met) for each in first), Counter[str]())
    few = (Kind.VAULT_RECOVER, Kind.VAULT_PURGE)  # of these there are one or two in a seed: longer runs meet each way
    assert [named for kind, way in CELLS if kind not in few and not met[named := cell(kind, way)]] == []
    assert all(any(met[cell(kind, way)] for way in Way) for kind in few)


def test_a_seed_is_the_same_each_time(first: list[Simulated], tmp_path: Path) -> None:
    again = tried(tmp_path, "2:4")
    assert [each.digest for each in again] == [each.digest for each in first[2:4]]
    assert len({each.digest for each in first}) == SYSTEMATIC


def test_what_a_seed_says_depends_on_it_alone() -> None:
    assert script_of("7") == script_of("7") != script_of("8")
    assert weather_of("7") == weather_of("7") != weather_of("8")
    assert {len(blows_of(str(seed))) for seed in range(50)} == {0, 1, 2}


def test_a_table_has_each_cell_and_says_where_there_can_be_none() -> None:
    shown = table({cell(Kind.COMMIT, Way.LOST): 1234})
    assert "| PostgreSQL: COMMIT | 0 | 0 | 1,234 | 0 | 0 |" in shown
    assert "| vault: GET | 0 | 0 | - | - | - |" in shown


def test_every_broken_build_can_still_be_made(tmp_path: Path) -> None:
    for number, edits in enumerate(BUILDS.values()):
        broken(edits, tmp_path / str(number))
        for edit in edits:
            compile((tmp_path / str(number) / "holdfast" / edit.file).read_text(), edit.file, "exec")


def test_verdicts_of_another_kind_stay_apart(tmp_path: Path) -> None:
    kept = Simulated(seed=1, commit="abc", verdict=Verdict.HOLDS, took_s=1.0, met={"a": 1}, digest="d")
    Verdicts(tmp_path, NAME, Simulated).add(kept)
    assert Verdicts(tmp_path, NAME, Simulated).all() == [kept]
    assert Verdicts(tmp_path).all() == []


def test_an_update_is_an_operation_of_histories() -> None:
    event = Event(id="a", client="c", who="app", node=0, surface=Surface.OWN, op=Op.UPDATE, name="k", began=0.0)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
