"""What is printed can be trusted: no terminal sequences, no secrets by accident, JSON that is JSON."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from unittest.mock import patch
from uuid import UUID

import pytest

from holdfast.cli import output
from holdfast.domain.secret import SecretValue
from holdfast.errors import Conflict, SecretNotFound
from holdfast.ports import BackendHealth


def printed(write: Callable[[], object], *, terminal: bool = False) -> str:
    class Stream(io.TextIOWrapper):
        def isatty(self) -> bool:
            return terminal

    buffer = io.BytesIO()
    with patch("sys.stdout", Stream(buffer, encoding="ascii", write_through=True)):
        write()
        sys.stdout.flush()
        return buffer.getvalue().decode()


def test_a_value_is_printed_as_it_is_whatever_the_locale() -> None:
    assert printed(lambda: output.write_value("é\n\0x")) == "é\n\0x"


def test_a_terminal_gets_a_newline_after_it() -> None:
    assert printed(lambda: output.write_value("x"), terminal=True) == "x\n"


def test_columns_are_aligned_and_control_characters_are_not_passed_on() -> None:
    text = printed(lambda: output.write_table(("A", "B"), [("long", None), ("x", "a\tb\x1b]0;c"), (True, 3)]))
    assert text.splitlines() == [
        "A     B",
        "long  -",
        "x     a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}]0;c",
        "yes   3",
    ]


def test_a_table_may_be_empty() -> None:
    assert printed(lambda: output.write_table(("A", "B"), [])) == "A  B\n"


def test_documents_hold_moments_ids_and_dataclasses() -> None:
    document = {
        "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "id": UUID(int=1),
        "tags": {"é": "x"},
        "set": {"b", "a"},
    }
    assert json.loads(printed(lambda: output.write_document(document))) == {
        "at": "2026-01-02T03:04:05Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "tags": {"é": "x"},
        "set": ["a", "b"],
    }


@pytest.mark.parametrize("value", [SecretValue("c4n4ry"), object(), b"c4n4ry"])
def test_a_document_refuses_what_it_does_not_know(value: object) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        output.write_document({"value": value})


@dataclass(frozen=True, kw_only=True)
class Report:
    healthy: bool
    last_sync: datetime | None
    backends: list[BackendHealth]
    recommendations: list[str]


def test_a_report_has_one_fact_on_a_line() -> None:
    backend = BackendHealth(
        name="keyvault", configured=True, healthy=False, breakers={"read": "open", "write": "closed"}
    )
    report = Report(healthy=False, last_sync=None, backends=[backend], recommendations=[])
    assert printed(lambda: output.write_report(report)).splitlines() == [
        "healthy: no",
        "last sync: -",
        "backends: 1",
        "  name keyvault, configured yes, healthy no, breakers read=open write=closed",
        "recommendations: none",
    ]


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (SecretNotFound("Secret not found: db."), "holdfast get: Secret not found: db. `holdfast list` shows", 3),
        (Conflict("Taken.\nBy\x1b[31m another."), "holdfast get: Taken. By?[31m another.", 5),
        (ValueError("c4n4ry"), "holdfast get: Unexpected error (ValueError).", 1),
    ],
)
def test_errors_end_on_one_line(error: Exception, text: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert output.report(error, as_json=False, command="holdfast get", debug=False) == code
    shown = capsys.readouterr().err
    assert shown.replace("\N{REPLACEMENT CHARACTER}", "?").startswith(text)
    assert shown.count("\n") == 1
    assert "c4n4ry" not in shown


def test_the_traceback_of_an_unexpected_error_is_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    output.report(ValueError("what"), as_json=False, command="holdfast get", debug=True)
    assert "ValueError: what" in capsys.readouterr().err
