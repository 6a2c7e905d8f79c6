"""Imports that die or lose answers: the same command goes on, and each version is written once."""

import asyncio
import os
import signal
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.domain.policy import Caller
from holdfast.domain.secret import Attributes, SecretValue, WriteResult
from holdfast.errors import BackendUnavailable, Conflict, OutcomeUnknown
from holdfast.importing.carrying import Carrier
from holdfast.importing.items import Content, Item, Plan, Selection, State
from holdfast.importing.journal import Journal
from holdfast.importing.planning import Planner
from holdfast.service.manager import SecretsService
from tests.cli.environment import environment
from tests.cli.runner import holdfast
from tests.cli.terminal import Terminal
from tests.importing.test_commands import PROGRAM, journals
from tests.support.node import service_on
from tests.support.postgres import fetch

COUNT = 100
VERSIONS = 'SELECT array_agg((secret_name, version) ORDER BY secret_name COLLATE "C") FROM secrets_vault'


class Instant:
    """A clock that waits for nothing."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds


class LosingAnswers:
    """A service whose writes take effect, and whose first answers are lost."""

    def __init__(self, service: SecretsService, lost: int) -> None:
        self._service, self._lost = service, lost
        self.keys: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    async def set_secret(self, name: str, value: str, **options: Any) -> WriteResult:
        self.keys.append(options["idempotency_key"])
        result = await self._service.set_secret(name, value, **options)
        if self._lost:
            self._lost -= 1
            raise OutcomeUnknown("no answer came")
        return result


def items(*values: str) -> list[Item]:
    return [Item(source="DB", origin="a test", versions=tuple(Content(value=SecretValue(each)) for each in values))]


async def planned(service: Any, *values: str) -> Plan:
    return await Planner(service, Caller("system", is_system=True), {}).plan(items(*values), Selection())


def carrier(service: Any, journal: Journal) -> Carrier:
    return Carrier(service, Caller("system", is_system=True), journal, {}, Instant())


async def test_killed_at_any_moment_it_goes_on(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    (tmp_path / ".env").write_text("".join(f"KEY_{number}=value-{number}\n" for number in range(COUNT)))
    args = ["import", "file", str(tmp_path / ".env")]
    for seen in (0, 40):
        process = subprocess.Popen([*PROGRAM, *args], env={**os.environ, **environ}, stdout=subprocess.DEVNULL)
        while int(str(await fetch(database_url, "SELECT count(*) FROM secrets_vault"))) <= seen:
            assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
    assert len(journals(tmp_path)) == 1
    ended = await asyncio.to_thread(holdfast, *args, environ=environ)
    assert (ended.code, "it goes on" in ended.stderr) == (0, True)
    assert journals(tmp_path) == []
    assert await fetch(database_url, VERSIONS) == [(f"key-{each}", 1) for each in sorted(map(str, range(COUNT)))]
    got = await asyncio.to_thread(holdfast, "get", "key-7", environ=environ)
    assert got.stdout == "value-7"
    assert await fetch(database_url, "SELECT count(*) FROM secret_access_logs WHERE operation = 'set'") == COUNT


async def test_i4_a_lost_answer_takes_effect_once(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "data") as service:
        losing = LosingAnswers(service, lost=2)
        with Journal(tmp_path, "it") as journal:
            outcome = await carrier(losing, journal).carry(await planned(service, "one", "two"))
        assert (outcome.error, outcome.versions) == (None, {"db": 2})
        assert len(losing.keys) == 3 + 1
        assert len(set(losing.keys)) == 2
        assert [each.version for each in await service.list_secret_versions("db")] == [1, 2]


async def test_i4_the_next_process_uses_the_same_keys(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "data") as service:
        plan = await planned(service, "one")
        with Journal(tmp_path, "it") as journal:
            first = journal.key("db", 0)
            assert not journal.continued
            await carrier(service, journal).carry(plan)  # and dies before it hears of it
        with Journal(tmp_path, "it") as journal:
            assert (journal.continued, journal.key("db", 0)) == (True, first)
            outcome = await carrier(service, journal).carry(plan)  # made before the first write was visible
            assert (outcome.error, outcome.versions) == (None, {"db": 1})
            assert journal.key("db", 1) != first != journal.key("db2", 0)
            journal.finish()
        with Journal(tmp_path, "it") as journal:
            assert journal.key("db", 0) != first


async def test_a_change_in_between_is_never_overwritten(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "data") as service:
        plan = await planned(service, "mine")
        await service.set_secret("db", "theirs")
        with Journal(tmp_path, "it") as journal:
            outcome = await carrier(service, journal).carry(plan)
        assert isinstance(outcome.error, Conflict)
        assert "db was changed while the import ran; 0 of 1" in str(outcome.error)
        assert (await service.get_secret("db")).value == "theirs"
        assert (await planned(service, "mine")).count(State.DIFFERENT) == 1


@pytest.mark.parametrize("there", [["one"], ["one", "two"], ["two"], ["one", "two", "three", "four"]])
async def test_versions_go_on_only_after_the_beginning_of_them(
    there: list[str], database_url: str, tmp_path: Path
) -> None:
    async with service_on(database_url, tmp_path / "data") as service:
        for value in there:
            await service.set_secret("db", value)
        (step,) = (await planned(service, "one", "two", "three")).steps
        begun = there == ["one", "two", "three"][: len(there)]
        assert step.state is (State.CONTINUED if begun else State.DIFFERENT)
        assert [each.value.reveal() for each in step.pending] == ["one", "two", "three"][len(there) if begun else 0 :]


async def test_an_outage_ends_it_with_what_was_written(database_url: str, tmp_path: Path) -> None:
    async with service_on(database_url, tmp_path / "data") as service:
        losing = LosingAnswers(service, lost=100)
        with Journal(tmp_path, "it") as journal:
            outcome = await carrier(losing, journal).carry(await planned(service, "one", "two"))
        assert isinstance(outcome.error, BackendUnavailable)
        assert outcome.versions == {}


def test_one_import_of_a_source_at_a_time(tmp_path: Path) -> None:
    with (
        Journal(tmp_path, "it"),
        Journal(tmp_path, "another"),
        pytest.raises(Conflict, match="running"),
        Journal(tmp_path, "it"),
    ):
        pass


def test_a_torn_journal_is_begun_anew_and_nobody_else_reads_it(tmp_path: Path) -> None:
    with Journal(tmp_path / "imports", "it") as journal:
        file = journal.file
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.write_text('{"key": "ab')
    with Journal(tmp_path / "imports", "it") as journal:
        assert not journal.continued
        assert len(journal.key("db", 0)) == 64


def test_ctrl_c_stops_it_and_says_so(database_url: str, tmp_path: Path) -> None:
    environ = environment(database_url, tmp_path)
    (tmp_path / ".env").write_text("".join(f"KEY_{number}=value-{number}\n" for number in range(3 * COUNT)))
    with Terminal("import", "file", str(tmp_path / ".env"), environ=environ) as terminal:
        terminal.wait_for("Writing")
        terminal.interrupt()
        code, _ = terminal.end()
    assert code == 130
    assert "Interrupted." in terminal.shown


@pytest.mark.parametrize(
    "options",
    [{"tags": {"b": "1"}}, {"not_before": datetime(2031, 1, 1, tzinfo=UTC)}],
)
async def test_what_options_and_source_make_together_is_judged_before_anything_is_written(
    options: dict[str, Any], database_url: str, tmp_path: Path
) -> None:
    source = Attributes(tags={f"t{number}": "x" for number in range(15)}, expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    many = Item(source="MANY", origin="x", versions=(Content(value=SecretValue("1"), attributes=source),))
    async with service_on(database_url, tmp_path / "data") as service:
        planner = Planner(service, Caller("system", is_system=True), options)
        assert (await planner.plan([many], Selection())).count(State.CONFLICT) == 1
