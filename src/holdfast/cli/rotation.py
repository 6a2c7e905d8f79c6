"""Commands on rotation: begin it, plan it, see where it stands, decide where a person has to."""

from typing import Any, Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.exits import ENDINGS
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.validation import MAX_INTERVAL_DAYS
from holdfast.errors import RotationFailed

_RUNS: Final = ("NAME", "PHASE", "FROM", "TO", "WHY", "BY", "STARTED", "LAST ERROR")
_RESULTS: Final = ("NAME", "RESULT", "PHASE", "VERSION", "WHY NOT")
_LAGGARDS: Final = ("STILL USES THE OLD ONE", "HAS VERSION", "LAST SEEN")
_RUN_FACTS: Final = (
    *("id", "name", "phase", "handler", "trigger", "requested_by", "from_version", "version", "tried", "attempts"),
    *("last_error", "started_at", "promoted_at", "retire_by", "finished_at", "next_attempt_at"),
)
_NO_HANDLER: Final = (
    "Its policy names no handler: let an application register one, or name a built-in one with `holdfast update "
    "NAME --rotate-every DAYS --rotate-with HANDLER`."
)


@click.command(cls=Change)
@click.argument("name", required=False)
@click.option("--due", is_flag=True, help="Rotate all that is due and may go ahead, and go on with what was left.")
def rotate(name: str | None, due: bool) -> int:
    """Rotate a secret now, with the handler that its rotation policy names.

    Exit code 12 when a step failed: both credentials are kept, and the step is tried again.
    """
    if (name is None) == (not due):
        raise click.UsageError("Name the secret to rotate, or give --due.")
    if name is None:
        return _rotate_due()
    result = with_service(lambda service, caller: service.rotate_secret(name, context=caller))
    _show_result(result)
    return exits.OK


@click.group(cls=Group)
def rotation() -> None:
    """Plan rotations, see where they stand, and decide where a person has to."""


@rotation.command("schedule", cls=Change)
@click.argument("name")
@click.argument("days", type=inputs.whole(1, MAX_INTERVAL_DAYS))
@click.option("--ask", is_flag=True, help="Ask a person each time, rather than rotate by itself.")
def schedule(name: str, days: int, ask: bool) -> None:
    """Rotate a secret every DAYS days, counted from its last rotation."""
    policy = with_service(
        lambda service, caller: service.schedule_rotation(name, days, auto_rotate=not ask, context=caller)
    )
    asking = "" if policy.auto_rotate else ", after somebody approves"
    output.say(f"{name} is rotated every {policy.interval_days} days{asking}.")
    if policy.handler is None:
        output.say(_NO_HANDLER)
    if output.wants_json():
        output.write_document(policy)


@rotation.command("list", cls=Command)
@click.option("--open", "open_only", is_flag=True, help="Only those that are not over.")
@click.option("--limit", type=inputs.whole(1, 1000), default="100", show_default=True, metavar="N")
def list_(open_only: bool, limit: int) -> None:
    """List rotations, newest first."""
    found = with_service(
        lambda service, caller: service.rotations.runs(open_only=open_only, limit=limit, context=caller)
    )
    if output.wants_json():
        output.write_document([_run_document(each) for each in found])
    else:
        output.write_table(_RUNS, [_run_row(each) for each in found])


@rotation.command("show", cls=Command)
@click.argument("name")
def show(name: str) -> None:
    """Show the schedule of a secret, its last or present rotation, and who still uses the old credential."""
    status = with_service(lambda service, caller: service.rotations.status(name, context=caller))
    if output.wants_json():
        output.write_document(
            {
                "name": status.secret_name,
                "schedule": status.schedule,
                "run": _run_document(status.run) if status.run is not None else None,
                "laggards": list(status.laggards),
            }
        )
        return
    output.write_lines([_schedule_line(status.schedule), *_run_lines(status.run)])
    if status.laggards:
        rows = [(each.user_id, each.version, each.last_seen) for each in status.laggards]
        output.write_lines(["", *output.aligned(_LAGGARDS, rows)])


@rotation.command("approve", cls=Change)
@click.argument("name")
def approve(name: str) -> None:
    """Let a due rotation go ahead whose policy asks a person first."""
    with_service(lambda service, caller: service.rotations.approve(name, context=caller))
    output.say(f"The rotation of {name} may go ahead: the next look for due rotations begins it.")
    if output.wants_json():
        output.write_document({"name": name, "approved": True})


@rotation.command("cancel", cls=Change)
@click.argument("name")
def cancel(name: str) -> None:
    """Give up a rotation, as long as the target cannot have lost the current credential to the new one."""
    run = with_service(lambda service, caller: service.rotations.cancel(name, context=caller))
    output.say(f"The rotation of {name} is given up; version {run.from_version} stays.")
    if output.wants_json():
        output.write_document(_run_document(run))


@rotation.command("resume", cls=Change)
@click.argument("name")
def resume(name: str) -> None:
    """Go on with a rotation now, rather than at its next attempt."""
    _show_result(with_service(lambda service, caller: service.rotations.resume(name, context=caller)))


@rotation.command("retire", cls=Change)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def retire(name: str, yes: bool) -> None:
    """Revoke the credential that a rotation replaced, although somebody may still use it."""
    if not yes:
        inputs.agreed(f"Whoever still uses the old credential of {name} is locked out. Go on?")
    _show_result(with_service(lambda service, caller: service.rotations.retire(name, context=caller)))


def _rotate_due() -> int:
    results = with_service(lambda service, caller: service.execute_scheduled_rotations(context=caller))
    if output.wants_json():
        output.write_document(results)
    else:
        output.write_table(_RESULTS, [_result_row(each) for each in results])
    return exits.OK if all(each.success for each in results) else ENDINGS[RotationFailed].code


def _show_result(result: Any) -> None:
    stands = {"current": "; the old credential still works until all have the new one"}
    output.say(f"{result.secret_name} is at version {result.version}{stands.get(str(result.phase), '')}.")
    if output.wants_json():
        output.write_document(result)


def _result_row(result: Any) -> tuple[object, ...]:
    outcome = "ok" if result.success else "failed"
    return result.secret_name, outcome, result.phase, result.version, result.error_message


def _run_document(run: Any) -> dict[str, object]:
    return {fact: getattr(run, fact) for fact in _RUN_FACTS}


def _run_row(run: Any) -> tuple[object, ...]:
    return (
        *(run.name, run.phase, run.from_version, run.version, run.trigger, run.requested_by),
        *(run.started_at, run.last_error),
    )


def _schedule_line(schedule: Any) -> str:
    if schedule is None:
        return "Schedule: none. `holdfast rotation schedule` gives it one."
    when = f"every {schedule.policy.interval_days} days, next {output.moment(schedule.next_rotation_at)}"
    waits = ""
    if schedule.approved_by:
        waits = f"; approved by {schedule.approved_by}"
    elif schedule.requested_at:
        waits = "; waits for `holdfast rotation approve`"
    failed = f"; failed {schedule.failures} times: {schedule.last_error}" if schedule.failures else ""
    return f"Schedule: {when}; rotated so far: {schedule.rotation_count}{waits}{failed}"


def _run_lines(run: Any) -> list[str]:
    if run is None:
        return ["Rotation: none yet."]
    made = f"version {run.version}" if run.version else f"a successor of version {run.from_version}"
    lines = [f"Rotation: {run.phase}, {made}, by {run.handler} for {run.requested_by} ({run.trigger})"]
    if run.last_error:
        lines.append(f"Last error: {run.last_error}; next attempt {output.moment(run.next_attempt_at)}")
    return lines
