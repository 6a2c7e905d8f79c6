"""Most generated spellings are found, and next to nothing is reported of libraries in which there are no secrets."""

from pathlib import Path

import pytest
from benchmarks.scanning import generated, libraries, ours, recall, theirs, wrong


@pytest.fixture(autouse=True)
def _cached_rules(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path_factory.getbasetemp().parent / "rules"
    rules.mkdir(mode=0o700, exist_ok=True)
    monkeypatch.setenv("KF_RULE_CACHE_DIR", str(rules))


@pytest.mark.parametrize("seed", [2, 3])
def test_at_least_85_of_100_spellings_are_found(seed: int, tmp_path: Path) -> None:
    files = generated(tmp_path, seed, 3)
    assert files.count > 400
    assert recall(files, ours) >= 0.85


def test_at_most_one_wrong_finding_in_10_000_lines_of_libraries(tmp_path: Path) -> None:
    files = libraries(tmp_path)
    assert files.lines > 100_000
    assert wrong(files, ours) <= 1


def test_the_other_scanner_of_the_benchmark_does_find_something(tmp_path: Path) -> None:
    assert 0 < recall(generated(tmp_path, 2, 1), theirs) <= 1
