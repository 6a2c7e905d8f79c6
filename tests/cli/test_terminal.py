"""At a terminal: hidden prompts, questions, Ctrl-C."""

import signal
from pathlib import Path

from tests.cli.environment import environment
from tests.cli.terminal import Terminal


def test_a_value_is_typed_twice_and_never_shown(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    with Terminal("set", "db", environ=environ) as terminal:
        terminal.wait_for("Value: ")
        terminal.type("c4n4ry")
        terminal.wait_for("Repeat for confirmation: ")
        terminal.type("c4n4ry")
        assert terminal.end() == (0, "")
        assert "db is now at version 1." in terminal.shown
        assert "c4n4ry" not in terminal.shown
    with Terminal("get", "db", environ=environ) as terminal:
        assert terminal.end() == (0, "c4n4ry")


def test_ctrl_c_ends_a_prompt_without_a_trace(tmp_path: Path) -> None:
    with Terminal("set", "db", environ={"HOME": str(tmp_path)}) as terminal:
        terminal.wait_for("Value: ")
        terminal.interrupt()
        assert terminal.end() == (128 + signal.SIGINT, "")
        assert "Interrupted." in terminal.shown
        assert "Traceback" not in terminal.shown


def test_a_name_is_checked_before_a_value_is_typed(tmp_path: Path) -> None:
    with Terminal("set", "not_a_name", environ={"HOME": str(tmp_path)}) as terminal:
        assert terminal.end() == (2, "")
        assert "Value: " not in terminal.shown
