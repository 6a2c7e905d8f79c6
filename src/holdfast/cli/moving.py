"""What every import on the command line shares: options, the run itself, its report."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from holdfast.cli import inputs, options, output
from holdfast.cli.progress import bar
from holdfast.cli.session import server, with_service
from holdfast.config import Settings, state_dir
from holdfast.domain.names import canonical_name
from holdfast.errors import Conflict, InvalidInput

if TYPE_CHECKING:  # takes long to import
    from collections.abc import AsyncIterator

    from holdfast.domain.policy import Caller
    from holdfast.importing.carrying import Outcome
    from holdfast.importing.items import Item, Plan, Selection, Step
    from holdfast.service.manager import SecretsService

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS: Final = ("SOURCE", "NAME", "STATE", "VERSION", "NOTE")
_POLICIES: Final = ("stop", "skip", "new-version")

_SHARED: Final = (
    click.option("--dry-run", is_flag=True, help="Compare, report, and write nothing."),
    click.option(
        "--on-conflict",
        type=inputs.one_of(*_POLICIES),
        default="stop",
        metavar="|".join(_POLICIES),
        help="What to do about a secret that is here with another value [stop].",
    ),
    click.option("--only", multiple=True, metavar="GLOB", help="Just those whose name in the source fits; repeatable."),
    click.option(
        "--map", "map_file", type=click.Path(path_type=Path), metavar="FILE", help="TOML: 'NAME THERE' = 'name-here'."
    ),
    click.option("--prefix", default="", metavar="TEXT", help="Begin the names that are made here with it."),
)


@dataclass(frozen=True, slots=True)
class Result:
    """A finished import: what was planned, what was written, and why nothing was, if so."""

    plan: "Plan"
    outcome: "Outcome | None" = None
    obstacle: str = ""


def importing(command: F) -> F:
    """Add the options that all imports share to a command."""
    command = options.describing_many(command)
    for option in reversed(_SHARED):
        command = option(command)
    return command


def carry_over(gather: "Callable[[], AsyncIterator[Item]]", what: str, given: Mapping[str, Any]) -> None:
    """Import what ``gather`` yields. ``what`` names the source; ``given`` are the shared options.

    Raises:
        Conflict: something is in the way, or came in the way; the report says what.
        HoldfastError: whatever ended the import before its end.
    """
    selection, facts, dry_run, policy = (
        *(_selection(given), options.facts(given), given["dry_run"], given["on_conflict"]),
    )
    to = server().address or str(Settings.from_environ().data_dir)

    from holdfast.importing.items import check_count  # noqa: PLC0415 - takes long to import

    async def work(service: "SecretsService", caller: "Caller") -> Result:
        items = [item async for item in gather()]
        check_count(len(items))
        with _journal(f"{what} > {to}", needed=not dry_run) as journal:
            return await _carried(service, caller, items, selection, facts, policy, journal)

    result = with_service(work)
    _report(result, dry_run=dry_run)
    if result.outcome is not None and result.outcome.error is not None:
        output.say(f"It stopped at {result.outcome.stopped_at}. The same command goes on.")
        raise result.outcome.error
    if result.obstacle:
        raise Conflict(f"{result.obstacle}: see the report. --on-conflict, --only and --map help.")


async def _carried(
    service: "SecretsService",
    caller: "Caller",
    items: "list[Item]",
    selection: "Selection",
    facts: Mapping[str, Any],
    policy: str,
    journal: Any,
) -> Result:
    from holdfast.importing.carrying import Carrier, OnConflict, obstacle, writable  # noqa: PLC0415 - see above
    from holdfast.importing.planning import Planner  # noqa: PLC0415
    from holdfast.resilience.clock import SystemClock  # noqa: PLC0415

    with bar("Comparing") as compared:
        plan = await Planner(service, caller, facts).plan(items, selection, compared)
    reason = obstacle(plan, OnConflict(policy))
    if journal is None:
        return Result(plan, obstacle=reason)
    if journal.continued:
        output.say("An import of this was begun and not finished; it goes on.")
    if reason:
        return Result(plan, obstacle=reason)
    with bar("Writing") as written:
        outcome = await Carrier(service, caller, journal, facts, SystemClock()).carry(
            writable(plan, OnConflict(policy)), written
        )
    if outcome.error is None:
        journal.finish()
    return Result(plan, outcome)


@contextlib.contextmanager
def _journal(what: str, *, needed: bool) -> Iterator[Any]:
    from holdfast.importing.journal import Journal  # noqa: PLC0415 - see above

    if not needed:
        yield None
        return
    with Journal(state_dir() / "imports", what) as journal:
        yield journal


def _selection(given: Mapping[str, Any]) -> "Selection":
    from holdfast.importing.items import Selection  # noqa: PLC0415 - see above
    from holdfast.importing.naming import read_mapping  # noqa: PLC0415

    prefix = given["prefix"]
    if prefix:
        canonical_name(prefix)
    mapping = read_mapping(given["map_file"]) if given["map_file"] else {}
    return Selection(patterns=given["only"], mapping=mapping, prefix=prefix)


def _report(result: Result, *, dry_run: bool) -> None:
    plan, outcome = result.plan, result.outcome
    rows = [_row(step, outcome) for step in plan.steps]
    if output.wants_json():
        documents = [dict(zip(("source", "name", "state", "version", "note"), row, strict=True)) for row in rows]
        output.write_document({"dry_run": dry_run, "items": documents, "written": _written(outcome)})
        return
    output.write_table(_COLUMNS, rows)
    output.say(_summary(plan, outcome, dry_run=dry_run))


def _row(step: "Step", outcome: "Outcome | None") -> tuple[object, ...]:
    written = outcome.versions.get(str(step.name)) if outcome is not None and step.pending else None
    state = "written" if written else str(step.state)
    return step.item.source, step.name, state, written or step.generation or None, step.note


def _written(outcome: "Outcome | None") -> int:
    return len(outcome.versions) if outcome is not None else 0


def _summary(plan: "Plan", outcome: "Outcome | None", *, dry_run: bool) -> str:
    counts: dict[str, int] = {}
    for step in plan.steps:
        counts[step.state] = counts.get(step.state, 0) + 1
    found = ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing"
    if dry_run:
        return f"Found {found}. Nothing was written: this was a dry run."
    late = "" if outcome is None or outcome.replicated else "; they are safe here, and Key Vault gets them later"
    return f"Found {found}; {_written(outcome)} secrets were written{late}."


def check_address(address: str) -> str:
    """Return the address of a source without a slash at its end.

    Raises:
        InvalidInput: it is none, or not https.
    """
    from holdfast.config.parsing import origin  # noqa: PLC0415 - only here

    try:
        return origin(address)
    except ValueError as error:
        raise InvalidInput(f"The address of the source {error}", field="address") from None
