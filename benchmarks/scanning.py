"""How much ``holdfast scan`` finds of generated spellings, and reports of libraries, compared with detect-secrets."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from benchmarks.processes import Server
from benchmarks.run import Run
from benchmarks.spellings import spellings
from benchmarks.stage import Vault
from holdfast.scanning.engine import scan
from holdfast.scanning.findings import Finding

LIBRARIES: Final = (
    *("PyJWT", "starlette", "click", "Jinja2", "azure-identity"),
    *("aiohttp", "azure-core", "cryptography", "redis", "rich"),
)
"""Sources in which no one keeps secrets: what is reported of them is wrong."""


@dataclass(frozen=True, slots=True)
class Files:
    """A folder of files that are scanned: ``count`` of them, with ``lines``."""

    root: Path
    count: int
    lines: int


def generated(root: Path, seed: int, each: int) -> Files:
    """Write spellings, each into a folder of its own."""
    lines = count = 0
    for count, spelling in enumerate(spellings(seed, each), 1):
        folder = root / f"{count:05}"
        folder.mkdir(parents=True)
        (folder / spelling.name).write_text(spelling.text, encoding="utf-8")
        lines += spelling.text.count("\n")
    return Files(root, count, lines)


def libraries(root: Path, names: tuple[str, ...] = LIBRARIES) -> Files:
    """Copy the sources of libraries."""
    lines = count = 0
    for name in names:
        for each in distribution(name).files or ():
            if each.suffix == ".py":
                target = root / name / str(each)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(each.locate()), target)
                count, lines = count + 1, lines + target.read_bytes().count(b"\n")
    return Files(root, count, lines)


def ours(root: Path) -> Iterator[str]:
    """Yield the path of each finding of ours."""
    yield from (each.path for each in scan(root) if isinstance(each, Finding))


def theirs(root: Path) -> Iterator[str]:
    """Yield the path of each finding of detect-secrets, as it is without settings."""
    with default_settings():
        for file in sorted(each for each in root.rglob("*") if each.is_file()):
            secrets = SecretsCollection()
            secrets.scan_file(str(file))
            yield from (str(file.relative_to(root)) for _ in secrets)


def recall(files: Files, scanner: Callable[[Path], Iterator[str]]) -> float:
    """Return which part of the generated files has a finding."""
    return len({path.partition("/")[0] for path in scanner(files.root)}) / files.count


def wrong(files: Files, scanner: Callable[[Path], Iterator[str]]) -> float:
    """Return how many findings there are per 10,000 lines."""
    return sum(1 for _ in scanner(files.root)) / files.lines * 10_000


async def measure(run: Run, _vault: Vault, _server: Server) -> None:
    """Scan the same files with both, and keep what was found as notes: these are no rates."""
    folder = run.stage.folder / "scanning"
    files = generated(folder / "spellings", 1, run.size.spellings)
    sources = libraries(folder / "libraries", LIBRARIES[: run.size.libraries])
    run.told(f"scanning: {files.count:,} spellings, {sources.lines:,} lines of libraries")
    for name, scanner in (("holdfast scan", ours), ("detect-secrets", theirs)):
        found, reported = await asyncio.to_thread(_both, files, sources, scanner)
        run.notes.append(
            f"{name}: finds {found:.1%} of {files.count:,} generated spellings, and reports {reported:.2f} findings "
            f"per 10,000 lines of {run.size.libraries} libraries ({sources.lines:,} lines)"
        )


def _both(files: Files, sources: Files, scanner: Callable[[Path], Iterator[str]]) -> tuple[float, float]:
    return recall(files, scanner), wrong(sources, scanner)
