"""Commands on emergency access: ask for it, decide about it, end it; and recovery codes."""

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import click

from holdfast.cli import inputs, output
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.break_glass import FEWEST_CODES, MOST_CODES, RequestState
from holdfast.domain.validation import MAX_GENERATION

if TYPE_CHECKING:
    from holdfast.domain.break_glass import CodeSet, EmergencyRequest

_COLUMNS: Final = ("ID", "STATE", "WHO", "ON", "MAY", "AGREED", "UNTIL", "WHY")
_SETS: Final = ("ID", "ON", "NEEDED", "LEFT", "OF", "BY", "MADE", "LAST USED")
_MAX_LINE: Final = 256

_number = inputs.whole(1, MAX_GENERATION)


@click.group("break-glass", cls=Group)
def break_glass() -> None:
    """Get access in an emergency, which others agree to; decide about it; end it."""


@break_glass.command("request", cls=Change)
@click.argument("name", metavar="NAME|PATTERN")
@click.option(
    "--reason", required=True, metavar="TEXT", help="Why, for approvers and records; no secret belongs in it."
)
@click.option(
    "--may",
    "permissions",
    multiple=True,
    metavar="PERMISSION",
    help="get [default], list, set, rotate, delete or recover; repeatable.",
)
@click.option("--for", "duration", type=inputs.duration, metavar="DURATION", help="Such as 30m [the policy's longest].")
@click.option("--second-factor", is_flag=True, help="Read a code of your second factor from stdin or a prompt.")
def request(
    name: str, reason: str, permissions: tuple[str, ...], duration: timedelta | None, second_factor: bool
) -> None:
    """Ask for access to a secret or a pattern of names, for a time. All approvers are told."""
    code = inputs.read_code("Code") if second_factor else None
    made = with_service(
        lambda service, caller: service.break_glass.request(
            name, reason=reason, permissions=permissions or ("get",), duration=duration, code=code, context=caller
        )
    )
    _show_changed(made)


@break_glass.command("list", cls=Command)
@click.option("--open", "open_only", is_flag=True, help="Only those that wait, or have a grant.")
@click.option("--limit", type=inputs.whole(1, 1000), default="100", show_default=True, metavar="N")
def list_(open_only: bool, limit: int) -> None:
    """List requests, newest first: your own, and those that you may decide about or audit."""
    found = with_service(
        lambda service, caller: service.break_glass.list(open_only=open_only, limit=limit, context=caller)
    )
    if output.wants_json():
        output.write_document([_document(each) for each in found])
    else:
        output.write_table(_COLUMNS, [_row(each) for each in found])


@break_glass.command("show", cls=Command)
@click.argument("number", metavar="ID", type=_number)
def show(number: int) -> None:
    """Show a request, and what became of it."""
    found = with_service(lambda service, caller: service.break_glass.get(number, context=caller))
    if output.wants_json():
        output.write_document(_document(found))
    else:
        output.write_lines(_lines(found))


@break_glass.command("approve", cls=Change)
@click.argument("number", metavar="ID", type=_number)
def approve(number: int) -> None:
    """Agree to a request of somebody else. The last approver that it needs makes the grant."""
    _show_changed(with_service(lambda service, caller: service.break_glass.approve(number, context=caller)))


@break_glass.command("deny", cls=Change)
@click.argument("number", metavar="ID", type=_number)
def deny(number: int) -> None:
    """Refuse a request of somebody else: one no is enough."""
    _show_changed(with_service(lambda service, caller: service.break_glass.deny(number, context=caller)))


@break_glass.command("withdraw", cls=Change)
@click.argument("number", metavar="ID", type=_number)
def withdraw(number: int) -> None:
    """Take your own request back, or give its grant back before its time is over."""
    _show_changed(with_service(lambda service, caller: service.break_glass.withdraw(number, context=caller)))


@break_glass.command("revoke", cls=Change)
@click.argument("number", metavar="ID", type=_number)
def revoke(number: int) -> None:
    """End a grant before its time."""
    _show_changed(with_service(lambda service, caller: service.break_glass.revoke(number, context=caller)))


@break_glass.command("redeem", cls=Change)
@click.argument("number", metavar="ID", type=_number)
def redeem(number: int) -> None:
    """Let recovery codes stand for the approvers of your own request: from stdin, one on a line, or prompts."""
    codes = _read_codes()
    _show_changed(with_service(lambda service, caller: service.break_glass.redeem(number, codes, context=caller)))


@break_glass.group("codes", cls=Group)
def codes() -> None:
    """Recovery codes, for when approvers cannot be reached: on paper, with several people."""


@codes.command("create", cls=Change)
@click.argument("name", metavar="[NAME|PATTERN]", required=False, default="*")
@click.option("--number", type=inputs.whole(FEWEST_CODES, MOST_CODES), default="5", show_default=True, metavar="N")
@click.option("--needed", type=inputs.whole(FEWEST_CODES, MOST_CODES), default="2", show_default=True, metavar="K")
def create(name: str, number: int, needed: int) -> None:
    """Make codes of which K together stand for the approvers, and print them: only now.

    They do not work for whoever makes them. Earlier codes for the very same names are void.
    """
    made = with_service(
        lambda service, caller: service.break_glass.codes.create(name, number=number, threshold=needed, context=caller)
    )
    output.say(f"Set {made.set.id}: any {needed} of these {number} codes, each good once, shown only now:")
    if output.wants_json():
        output.write_document({**_set_document(made.set), "codes": list(made.codes)})
    else:
        output.write_lines(made.codes)


@codes.command("list", cls=Command)
def list_codes() -> None:
    """List the sets of recovery codes, without codes."""
    found = with_service(lambda service, caller: service.break_glass.codes.list(context=caller))
    if output.wants_json():
        output.write_document([_set_document(each) for each in found])
    else:
        output.write_table(_SETS, [_set_row(each) for each in found])


@codes.command("remove", cls=Change)
@click.argument("number", metavar="SET", type=_number)
def remove(number: int) -> None:
    """Make all codes of a set void."""
    removed = with_service(lambda service, caller: service.break_glass.codes.remove(number, context=caller))
    output.say("Removed." if removed else f"There is no set {number}.")
    if output.wants_json():
        output.write_document({"removed": removed})


def _read_codes() -> list[str]:
    if not sys.stdin.isatty():
        lines = (sys.stdin.readline(_MAX_LINE).strip() for _ in range(MOST_CODES))
        return [line for line in lines if line]
    found: list[str] = []
    while len(found) < MOST_CODES and (code := inputs.read_code(f"Code {len(found) + 1}, empty to end", default="")):
        found.append(code)
    return found


def _show_changed(request: "EmergencyRequest") -> None:
    output.say(f"Request {request.id} of {request.requester} for {request.pattern} {_stands(request)}.")
    if output.wants_json():
        output.write_document(_document(request))


def _stands(request: "EmergencyRequest") -> str:
    if request.state is RequestState.REQUESTED:
        until = output.moment(request.open_until)
        return f"waits until {until}: {len(request.votes)} of {request.approvers} agreed"
    if request.state is RequestState.APPROVED and request.expires_at is not None:
        return f"is granted until {output.moment(request.expires_at)}"
    return f"is {request.state}"


def _row(request: "EmergencyRequest") -> tuple[object, ...]:
    until = request.expires_at or request.open_until
    agreed = f"{len(request.votes)} of {request.approvers}"
    may = ", ".join(sorted(request.permissions))
    return request.id, request.state, request.requester, request.pattern, may, agreed, until, request.reason


def _lines(request: "EmergencyRequest") -> list[str]:
    may = ", ".join(sorted(request.permissions))
    facts = [
        f"Request {request.id} of {request.requester} for {request.pattern} {_stands(request)}",
        f"Why: {output.one_line(request.reason)}",
        f"May: {may}, for {int(request.duration.total_seconds()) // 60} minutes",
        f"Asked: {output.moment(request.requested_at)}",
        *(f"Agreed: {vote.voter} {output.moment(vote.voted_at)}" for vote in request.votes),
    ]
    if request.decided_at is not None:
        facts.append(f"Granted: {output.moment(request.decided_at)} by {request.decided_by}; rule {request.rule}")
    if request.ended_at is not None:
        facts.append(f"Ended: {output.moment(request.ended_at)}{f' by {request.ended_by}' if request.ended_by else ''}")
    if request.read:
        facts.append(f"Read by it, to be rotated: {', '.join(request.read)}")
    return facts


def _document(request: "EmergencyRequest") -> object:
    from holdfast.v1_wire.break_glass import EmergencyDocument  # noqa: PLC0415 - see cli/session.py

    return EmergencyDocument.of_request(request)


def _set_document(codes: "CodeSet") -> dict[str, object]:
    return {
        "id": codes.id,
        "pattern": codes.pattern,
        "threshold": codes.threshold,
        "number": len(codes.hashes),
        "left": codes.left,
        "created_by": codes.created_by,
        "created_at": codes.created_at,
        "last_used_at": codes.last_used_at,
    }


def _set_row(codes: "CodeSet") -> tuple[object, ...]:
    return (
        *(codes.id, codes.pattern, codes.threshold, codes.left, len(codes.hashes), codes.created_by),
        *(codes.created_at, codes.last_used_at),
    )
