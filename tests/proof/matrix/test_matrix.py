"""The matrix is whole and says something, its results are judged, and a diagonal of it holds."""

from pathlib import Path

import pytest

from tests.proof.history.__main__ import postgres
from tests.proof.history.installation import installed
from tests.proof.matrix.__main__ import SETTINGS, arguments
from tests.proof.matrix.cells import ALL_FAULTS, CHANGES, Cell, Fault, Ill, Op, Outcome, Part, Start, asked_of, cells
from tests.proof.matrix.expecting import expected
from tests.proof.matrix.page import COLUMNS, rows
from tests.proof.matrix.results import CELLS, Result, Results, result_of, summary
from tests.proof.matrix.trial import Tried, tried
from tests.support.folders import short_folder

DIAGONAL = (Fault(Part.VAULT, Ill.CUT), Fault(Part.POSTGRES, Ill.READ_ONLY))
"""The two that a node cannot do without: one answers badly, the other one answers and takes nothing."""


def as_expected(fault: Fault) -> Tried:
    """What is found where all comes as expected."""
    outcomes = {start: {op: min(expected(Cell(fault, start, op))) for op in asked_of(start)} for start in Start}
    return Tried(fault, outcomes=outcomes)


# --- the table ---


def test_every_cell_has_an_outcome_that_its_operation_can_have() -> None:
    for cell in cells():
        outcomes = expected(cell)
        assert outcomes, cell
        assert Outcome.STALE not in outcomes or cell.op in {Op.READ, Op.FIRST_READ}, cell
        assert not outcomes & {Outcome.LATER, Outcome.ONCE} or cell.op in CHANGES, cell


def test_every_part_has_its_faults_and_every_fault_a_name_of_its_own() -> None:
    assert {fault.part for fault in ALL_FAULTS} == set(Part)
    assert {fault.ill for fault in ALL_FAULTS} == set(Ill)
    assert len({fault.slug for fault in ALL_FAULTS}) == len(ALL_FAULTS)
    assert len(set(cells())) == CELLS == len(ALL_FAULTS) * (2 * len(Op) - 1)


def test_i11_no_fault_of_key_vault_alone_refuses_anything() -> None:
    outside = (cell for cell in cells() if cell.fault.part in {Part.VAULT, Part.TOKENS, Part.REDIS})
    assert all(Outcome.REFUSED not in expected(cell) for cell in outside)


def test_the_page_has_every_fault_at_both_nodes_once() -> None:
    shown = [
        (f"{part}: {ill}", row[1]) for row in rows() for part, ills in [row[0].split(": ")] for ill in ills.split(", ")
    ]
    assert sorted(shown) == sorted((str(fault), str(start)) for fault in ALL_FAULTS for start in Start)
    assert all(len(row) == len(COLUMNS) for row in rows())


# --- results ---


def test_what_is_not_expected_is_a_violation() -> None:
    fault = Fault(Part.VAULT, Ill.HANG)
    assert result_of(as_expected(fault), "abc", 1.0).well
    wrong = as_expected(fault)
    wrong.outcomes[Start.WARM][Op.WRITE] = Outcome.REFUSED
    result = result_of(wrong, "abc", 1.0)
    assert result.violations == ("warm: write is refused, and not later",)
    assert not result.well
    assert "VIOLATIONS" in result.line


def test_results_stay_and_settle_a_fault_on_its_commit(tmp_path: Path) -> None:
    results = Results(tmp_path / "proof")
    assert results.all() == []
    results.add(result_of(as_expected(Fault(Part.VAULT, Ill.HANG)), "abc", 1.0))
    results.add(Result(fault="redis-hang", commit="abc", took_s=1.0, why="TimeoutError()"))
    with results.file.open("ab") as file:
        file.write(b'{"fault": "cut\n')
    assert results.settled("abc") == {"vault-hang"}
    assert results.settled("abc+") == results.settled("def") == set()
    told = summary(results.of("abc"))
    assert f"2 of {len(ALL_FAULTS)} faults, 17 of {CELLS} cells" in told
    assert "Not as expected: redis-hang." in told


def test_faults_can_be_chosen() -> None:
    assert arguments(["--faults", "redis"]).faults == "redis"


# --- on real processes ---


@pytest.mark.timeout(400)
async def test_i2_i4_i11_i12_a_diagonal_of_the_matrix_holds() -> None:
    async with postgres() as server:
        with short_folder() as folder:
            async with installed(server, folder, SETTINGS) as made:
                for fault in DIAGONAL:
                    assert result_of(await tried(made, fault), "", 0.0).violations == ()
