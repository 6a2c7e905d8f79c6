"""The code that a phone's camera reads: the very modules of the standard, and only at a terminal that can show them."""

import io
from pathlib import Path

import pytest
import segno

from holdfast.cli.qr import drawn, fits, possible
from holdfast.domain.extras import to_add
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.terminal import Terminal

URI = "otpauth://totp/Holdfast:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Holdfast"
_LIGHT = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
"""Which halves of a character are light."""


def modules(lines: list[str]) -> list[list[int]]:
    """Read a drawing back: 1 is dark, as in segno's matrix."""
    rows: list[list[int]] = []
    for line in lines:
        text = line.removeprefix("\x1b[40;97m").removesuffix("\x1b[0m")
        pairs = [_LIGHT[each] for each in text]
        rows += [[1 - upper for upper, _ in pairs], [1 - lower for _, lower in pairs]]
    return rows


@pytest.mark.parametrize("text", [URI, URI.replace("alice", "a" * 60), "x"])
def test_every_module_is_drawn_with_a_light_edge_of_four(text: str) -> None:
    lines = drawn(text)
    read = modules(lines)
    wanted = [list(row) for row in segno.make_qr(text, error="l", boost_error=False).matrix]
    size = len(wanted)
    assert [row[4:-4] for row in read[4 : 4 + size]] == wanted
    edge = [row for number, row in enumerate(read) if not 4 <= number < 4 + size]
    assert all(not any(row[: size + 8]) for row in edge[:8])
    assert all(not any(row[:4] + row[-4:]) for row in read[: size + 8])


def test_that_of_a_usual_name_fits_on_a_screen_of_80_by_24() -> None:
    lines = drawn(URI)
    assert len(lines) <= 23
    assert (fits(lines, 80), fits(lines, 45), fits(lines, 44)) == (True, True, False)


class Screen(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8", *, terminal: bool = True) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def test_a_terminal_that_knows_half_blocks_can_show_it() -> None:
    assert possible(Screen(), {"TERM": "xterm-256color"})


@pytest.mark.parametrize(
    ("screen", "term"),
    [
        (None, "xterm"),
        (Screen(terminal=False), "xterm"),
        (Screen("latin-1"), "xterm"),
        (Screen("ascii"), "xterm"),
        (Screen(), "dumb"),
        (Screen(), ""),
        (Screen(), None),
    ],
)
def test_what_cannot_show_it_is_left_in_peace(screen: Screen | None, term: str | None) -> None:
    assert not possible(screen, {} if term is None else {"TERM": term})


def test_enrolling_at_a_terminal_shows_it_and_the_address(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path) | {"TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    for name in ("alice", "bob", "carol", "dave"):
        assert holdfast("identity", "add", name, "--kind", "person", environ=environ).code == 0
    with Terminal("totp", "enrol", "--identity", "alice", environ=environ, for_stdout=True) as terminal:
        assert terminal.end()[0] == 0
        lines = terminal.shown.splitlines()
    (uri,) = [line for line in lines if line.startswith("otpauth://totp/")]
    assert [line for line in lines if line.startswith("\x1b[40;97m")] == drawn(uri)
    for name, *asked in (("bob", "--no-qr"), ("carol", "--json")):
        with Terminal("totp", "enrol", "--identity", name, *asked, environ=environ, for_stdout=True) as terminal:
            assert terminal.end()[0] == 0
            assert ("otpauth://totp/" in terminal.shown, "█" in terminal.shown) == (True, False)
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "segno.py").write_text("raise ImportError")
    lacking = environ | {"PYTHONPATH": str(tmp_path / "lacking")}
    with Terminal("totp", "enrol", "--identity", "dave", environ=lacking, for_stdout=True) as terminal:
        assert terminal.end()[0] == 0
        assert "otpauth://totp/" in terminal.shown
        assert to_add("qr") in terminal.shown
