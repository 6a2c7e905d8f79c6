"""A page, walked: its commands run in one shell, in their order, as someone who follows the page would type them."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support.pages import walks

PATIENCE_S: Final = 300
"""For a whole walk; packages come from an index, which may be slow."""

_MARK: Final = "@@walk"


def walk(name: str, home: Path, places: Mapping[str, str], *programs: Path) -> None:
    """Run the commands of the walk ``name`` and compare what they say with what the page shows.

    ``home`` is HOME and the folder to begin in; nothing else is in the environment but the settings of pip. ``places``
    says what stands here for a host or a folder of the page, ``programs`` are further folders in PATH. In what the page
    shows, ``…`` is any text in a line, and a line of its own any lines. A command ends the walk unless its exit code
    is 0, or the one that stands behind it, as in ``false  # exit code 1``.
    """
    steps = [(_there(command, places), _there(shown, places)) for command, shown in walks()[name]]
    path = os.pathsep.join(["/usr/bin", "/bin", *map(str, programs)])
    said, all_went = _said([command for command, _ in steps], home, path)
    wrong = [
        f"$ {command}\nshows: {shown}\nsaid: {output}"
        for (command, shown), output in zip(steps, said, strict=False)
        if shown.strip() and not _fits(shown, output)
    ]
    if not all_went:
        wrong.append(f"$ {steps[len(said) - 1][0]}\nfailed: {said[-1]}")
    assert not wrong, "\n".join([f"the walk {name}", *wrong])


def _there(text: str, places: Mapping[str, str]) -> str:
    """In one pass, so that nothing is replaced in what was put there."""
    return re.sub("|".join(map(re.escape, places)), lambda found: places[found[0]], text) if places else text


def _said(commands: list[str], home: Path, path: str) -> tuple[list[str], bool]:
    """What each command said, up to the first that failed, and whether none did."""
    script = "".join(
        f"printf '\\n{_MARK}\\n'\neval {shlex.quote(command)}\n[ $? = {_code_of(command)} ] || exit 1\n"
        for command in commands
    )
    pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    output = home / ".walk"
    with output.open("wb") as file:
        shell = subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=home,
            env={"HOME": str(home), "PATH": path, **pip, "PIP_CACHE_DIR": cache},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            shell.wait(PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # what the page left running in the background
            shell.wait()
    return output.read_text().split(f"\n{_MARK}\n")[1:], shell.returncode == 0


def _code_of(command: str) -> str:
    """The exit code that the page names behind a command; else that of a command that went well."""
    named = re.search(r"  # exit code (\d+)$", command)
    return named[1] if named else "0"


def _fits(shown: str, said: str) -> bool:
    pattern = "".join(_line_pattern(line) for line in shown.strip().splitlines())
    return (
        re.fullmatch(pattern, "".join(f"{' '.join(line.split())}\n" for line in said.strip().splitlines())) is not None
    )


def _line_pattern(line: str) -> str:
    line = " ".join(line.split())
    if line == "…":
        return r"(?:[^\n]*\n)*?"
    return r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n"
