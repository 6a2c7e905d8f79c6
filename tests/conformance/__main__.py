"""Azure's own clients, programs that use them, and generated clients, against ``holdfast serve``: ``make conformance``.

Azure's do the same checks against a server alone and against one in front of a vault; az, which is slow, against the
latter; clients generated from the description of ``/v1`` against the former. Programs that know nothing but their
environment log in each way that there is for them. What is left out, as its tools are not installed or the time is
over, is said in one line.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from holdfast.embedded.postgres import EmbeddedPostgres
from tests.conformance.clients import ADFS, ALONE, BEFORE_A_VAULT, CLIENTS, IDENTITY, Client, Command
from tests.conformance.consumers import CONSUMERS
from tests.conformance.generators import DESCRIPTION, GENERATED, GENERATOR, description
from tests.conformance.stage import Stage, stage
from tests.support.folders import short_folder

_PATIENCE_S: Final = 300
"""For one command: a client that hangs has failed."""

_STAGES: Final[Sequence[tuple[Sequence[str], Callable[[str, Path], AbstractAsyncContextManager[Stage]]]]] = (
    ((ALONE,), stage),
    ((BEFORE_A_VAULT,), partial(stage, before_a_vault=True)),
    ((ADFS, IDENTITY), partial(stage, HOLDFAST_TENANT="adfs")),
)
"""What each mode is tried on."""

_ALL: Final = (*CLIENTS, *CONSUMERS, *GENERATED)


@dataclass
class Report:
    """How it went: checks that passed and failed, and what was not tried."""

    passed: int = 0
    failed: int = 0
    left_out: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Tell it at once, whatever stands behind this process's output."""
        print(line, flush=True)

    def end(self) -> int:
        """Say the last lines and return the exit code."""
        if self.left_out:
            self.say(f"LEFT OUT: {'; '.join(self.left_out)}.")
        self.say(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0


async def _run(command: Command, folder: Path, environ: Mapping[str, str]) -> tuple[int, str]:
    """Run a command and return its exit code and all that it said; what it started ends with it."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(_PATIENCE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        return 1, f"{command[0]} took longer than {_PATIENCE_S} s"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    return process.returncode or 0, said.decode(errors="replace")


async def _install(client: Client, folder: Path, turn: asyncio.Semaphore, report: Report) -> bool:
    """Install a client in a fresh copy of its project, with all programs that are in there."""
    shutil.copytree(client.folder, folder)
    async with turn:
        began = time.monotonic()
        for command in client.install:
            code, said = await _run(command, folder, os.environ)
            if code:
                report.failed += 1
                report.say(f"{client.place} cannot be installed: {' '.join(command)} ended with {code}\n{said}")
                return False
    report.say(f"{client.place} is installed ({time.monotonic() - began:.0f} s).")
    return True


async def _try(client: Client, folder: Path, on: Stage, mode: str, report: Report) -> None:
    """Run a client's checks."""
    given = on.environs[mode]
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **given,
        **client.also(given),
        **client.trust(on.ca_file),
    }
    began = time.monotonic()
    if client.before is not None:
        await _run(client.before(on.ca_file), folder, environ)
    code, said = await _run(client.run, folder, environ)
    passed = [line.removeprefix("ok ") for line in said.splitlines() if line.startswith("ok ")]
    whole = code == 0 and tuple(passed) == tuple(client.checks)
    report.say(f"{client.name}, {mode}: {len(passed)} of {len(client.checks)} ({time.monotonic() - began:.0f} s).")
    report.passed += len(passed)
    if not whole:
        report.failed += max(len(client.checks) - len(passed), 1)
        report.say(said)


async def _try_all(clients: Sequence[Client], folder: Path, report: Report) -> None:
    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        dsn = await postgres.start()
        for number, (modes, made) in enumerate(_STAGES):
            chosen = [(each, mode) for each in clients for mode in modes if mode in each.modes]
            if not chosen:
                continue
            place = folder / f"stage-{number}"
            place.mkdir()
            async with made(dsn, place) as on:
                for client, mode in chosen:
                    await _try(client, folder / client.place, on, mode, report)
            if on.tunnel.refused:
                report.say(f"Asked for besides the server, and refused: {', '.join(sorted(set(on.tunnel.refused)))}.")
    finally:
        await postgres.stop()


async def _installed(clients: Sequence[Client], folder: Path, report: Report) -> list[Client]:
    """Those of the clients that could be installed. What generates some of them is there before they are."""
    turn = asyncio.Semaphore(2)
    generated = asyncio.Event()

    async def install(client: Client) -> bool:
        if client in GENERATED:
            await generated.wait()
        return await _install(client, folder / client.place, turn, report)

    async def prepare() -> None:
        if any(client in GENERATED for client in clients):
            await _install(GENERATOR, folder / GENERATOR.name, turn, report)
            (folder / GENERATOR.name / DESCRIPTION).write_bytes(description())
        generated.set()

    one_of_each = {client.place: client for client in clients}
    _, *there = await asyncio.gather(prepare(), *map(install, one_of_each.values()))
    places = {place for place, is_there in zip(one_of_each, there, strict=True) if is_there}
    return [client for client in clients if client.place in places]


async def _work(chosen: Sequence[Client], report: Report) -> None:
    clients = []
    for client in chosen:
        missing = [each for each in client.programs if shutil.which(each) is None]
        clients += [] if missing else [client]
        report.left_out += [f"{client.name} (needs {', '.join(missing)})"] if missing else []
    with short_folder() as folder:
        await _try_all(await _installed(clients, folder, report), folder, report)


async def _main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance", description="Try Azure's own clients, what uses them, and generated ones."
    )
    names = [client.name.lower() for client in _ALL]
    parser.add_argument("clients", nargs="*", type=str.lower, help=f"which ones: {', '.join(names)}; all without")
    parser.add_argument("--within", type=float, metavar="S", help="give up what is not tried within S seconds")
    asked = parser.parse_args()
    report = Report()
    try:
        async with asyncio.timeout(asked.within):
            await _work([each for each in _ALL if not asked.clients or each.name.lower() in asked.clients], report)
    except TimeoutError:
        report.left_out.append(f"whatever was not tried within {asked.within:g} s")
    return report.end()


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
