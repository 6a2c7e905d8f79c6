"""What a shell is given to complete with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.runner import holdfast

PROGRAM = "import sys; sys.argv[0] = 'holdfast'; from holdfast.cli.main import main; main()"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_the_shell_is_printed(shell: str) -> None:
    shown = holdfast("completion", shell)
    assert shown.code == 0
    assert "_HOLDFAST_COMPLETE" in shown.stdout


def test_fish_shows_descriptions_beyond_their_first_comma() -> None:
    assert 'string split --max 1 "," $completion' in holdfast("completion", "fish").stdout


def test_zsh_without_its_completion_system_gets_it_started(tmp_path: Path) -> None:
    script = holdfast("completion", "zsh").stdout
    start, register = script.index("autoload -Uz compinit && compinit -i"), script.index("    compdef _holdfast")
    assert script.startswith("#compdef holdfast\n")
    assert start < register
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "script").write_text(f"{script}\necho $_comps[holdfast]")
    done = subprocess.run(
        ["zsh", "-f", tmp_path / "script"],
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("_holdfast_completion\n", "")


def test_another_shell_is_refused() -> None:
    assert holdfast("completion", "tcsh").code == 2


def test_commands_are_completed(tmp_path: Path) -> None:
    asked = {"_HOLDFAST_COMPLETE": "bash_complete", "COMP_WORDS": "holdfast rec", "COMP_CWORD": "1"}
    environ = {**asked, "HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["plain,reconcile", "plain,recover"]
