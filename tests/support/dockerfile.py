"""A Dockerfile, read, and its steps carried out in a folder instead of an image: no engine is needed for that."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_PATIENCE_S: Final = 900
_KNOWN: Final = {
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "RUN",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
}


@dataclass(frozen=True)
class Stage:
    """What one FROM begins: its instructions, in their order."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def of(self, instruction: str) -> list[str]:
        """The arguments of every such instruction."""
        return [text for each, text in self.steps if each == instruction]

    @property
    def environ(self) -> dict[str, str]:
        """What ENV sets."""
        return dict(pair.split("=", 1) for text in self.of("ENV") for pair in text.split())

    @property
    def command(self) -> list[str]:
        """What the container runs."""
        return [*json.loads(self.of("ENTRYPOINT")[-1]), *json.loads(self.of("CMD")[-1])]


def stages(text: str) -> list[Stage]:
    """Read a Dockerfile. An instruction that is not known here is an error: it would go untested."""
    found: list[Stage] = []
    whole = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, whole.splitlines())):
        instruction, _, rest = line.partition(" ")
        assert instruction in _KNOWN, line
        if instruction == "FROM":
            found.append(Stage(rest.partition(" AS ")[2]))
        elif found:
            found[-1].steps.append((instruction, " ".join(rest.split())))
    return found


def carry_out(stage: Stage, context: Path, image: Path, environ: Mapping[str, str]) -> None:
    """Carry out WORKDIR, COPY and RUN, with ``image`` in the place of the root folder, for every path below /opt."""
    work = image
    for instruction, text in stage.steps:
        if instruction == "WORKDIR":
            work = image / text.lstrip("/")
            work.mkdir(parents=True, exist_ok=True)
        elif instruction == "COPY" and not text.startswith("--from"):
            *sources, target = text.split()
            _copy([context / each for each in sources], work / target)
        elif instruction == "RUN":
            command = text.replace("/opt/", f"{image}/opt/")
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=work,
                env=dict(environ),
                check=False,
                capture_output=True,
                text=True,
                timeout=_PATIENCE_S,
            )
            assert done.returncode == 0, (command, done.stdout, done.stderr)


def _copy(sources: Sequence[Path], target: Path) -> None:
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            into = target / source.name if target.is_dir() else target
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, into)


def context_of(checkout: Path, files: Sequence[str], folder: Path) -> None:
    """Copy what ``.dockerignore`` lets into the build, of the files of a checkout. Patterns: those that ours has."""
    rules = [each for each in (checkout / ".dockerignore").read_text().splitlines() if each and each[0] != "#"]
    for name in files:
        if _sent(name, rules):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(checkout / name, folder / name)


def _sent(name: str, rules: Sequence[str]) -> bool:
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if pattern.startswith("**/"):
            matches = any(Path(part).match(pattern[3:]) for part in Path(name).parts)
        else:
            matches = pattern == "*" or name == pattern or name.startswith(f"{pattern}/")
        sent = rule.startswith("!") if matches else sent
    return sent
