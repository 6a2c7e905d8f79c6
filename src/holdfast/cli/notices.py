"""Commands on notices: what people were and will be told, and what did not reach them."""

from typing import Any, Final

import click

from holdfast.cli import exits, inputs, output
from holdfast.cli.grammar import Change, Command, Group
from holdfast.cli.session import with_service
from holdfast.domain.notices import NoticeState
from holdfast.errors import BackendUnavailable

_COLUMNS: Final = ("ID", "STATE", "TO", "WHAT", "ABOUT", "WHEN", "ATTEMPTS", "LAST ERROR")
_PLANNED: Final = ("WHEN", "WHAT", "ABOUT", "TO")
_TESTED: Final = ("TO", "RESULT")
_STATES: Final = tuple(state.value for state in NoticeState)


@click.group(cls=Group)
def notices() -> None:
    """See what people are told, try whether it reaches them, and mend what did not."""


@notices.command("list", cls=Command)
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state; dead ones reached no one.")
@click.option("--limit", type=inputs.whole(1, 1000), default="100", show_default=True, metavar="N")
def list_(state: str | None, limit: int) -> None:
    """List notices, newest first."""
    found = with_service(lambda service, caller: service.notices.search(state=state, limit=limit, context=caller))
    if output.wants_json():
        output.write_document(found)
    else:
        output.write_table(_COLUMNS, [_row(each) for each in found])


@notices.command("preview", cls=Command)
@click.option("--days", type=inputs.whole(0, 3650), default="30", show_default=True, metavar="N")
def preview(days: int) -> None:
    """Show what will be told of expiries and rotations, when, and who. Nothing is sent."""
    show_planned(days)


@notices.command("retry", cls=Change)
@click.argument("ids", nargs=-1, type=inputs.whole(1, 2**63 - 1), metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="Every dead one.")
def retry(ids: tuple[int, ...], every: bool) -> None:
    """Send notices after all that were given up."""
    wanted = _wanted(ids, every)
    _say_done("will be sent", with_service(lambda service, caller: service.notices.retry(wanted, context=caller)))


@notices.command("discard", cls=Change)
@click.argument("ids", nargs=-1, type=inputs.whole(1, 2**63 - 1), metavar="[ID]...")
@click.option("--all", "every", is_flag=True, help="Every dead one.")
def discard(ids: tuple[int, ...], every: bool) -> None:
    """Give up notices: health is quiet about them, and nobody is told of them again."""
    wanted = _wanted(ids, every)
    _say_done("given up", with_service(lambda service, caller: service.notices.discard(wanted, context=caller)))


@notices.command("test", cls=Command)
@click.argument("recipient", required=False)
def test(recipient: str | None) -> int:
    """Send a notice that says nothing, at once: to a channel, to an e-mail address, or through every channel.

    Exit code 7 when one was not taken.
    """
    tried = with_service(lambda service, caller: service.notices.test(recipient, context=caller))
    if output.wants_json():
        output.write_document(tried)
    else:
        output.write_table(_TESTED, [(each.recipient, each.error or "taken") for each in tried])
    return exits.OK if all(each.error is None for each in tried) else exits.ENDINGS[BackendUnavailable].code


def show_planned(days: int) -> None:
    """Show what will be told within some days."""
    found = with_service(lambda service, caller: service.notices.preview(days, context=caller))
    if output.wants_json():
        output.write_document(found)
        return
    output.write_table(_PLANNED, [(each.at, each.topic, each.subject, ", ".join(each.recipients)) for each in found])
    if not found:
        output.say("Nobody will be told of anything: nothing comes up, or neither a channel nor mail is set up.")


def _row(notice: Any) -> tuple[object, ...]:
    when = notice.sent_at or notice.next_attempt_at
    return (
        *(notice.id, notice.state, notice.recipient, notice.event.topic, notice.event.subject, when),
        *(notice.attempts, notice.last_error),
    )


def _wanted(ids: tuple[int, ...], every: bool) -> list[int] | None:
    if bool(ids) == every:
        raise click.UsageError("Name notices by their ids, or give --all.")
    return None if every else list(ids)


def _say_done(what: str, number: int) -> None:
    output.say(f"{number} notice{'' if number == 1 else 's'} {what}.")
    if output.wants_json():
        output.write_document({"number": number})
